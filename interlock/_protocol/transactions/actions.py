"""Actions of a commit: one for each item that a transaction writes or checks."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from interlock._dataclasses import dataclass
from interlock._exports import public_in
from interlock._protocol.transactions.expressions import Expression
from interlock._protocol.transactions.items import Address, ItemSnapshot
from interlock._protocol.transactions.writes import Delete, Put, Update, Write, size
from interlock._protocol.values import from_item

if TYPE_CHECKING:
    from boto3.dynamodb.conditions import ConditionBase


@public_in("interlock.transactions")
class Guard(Protocol):
    """A condition that a commit checks by a ConditionCheck of its own: a held lock is one."""

    def guard(self) -> Mapping[str, Any]:
        """Return `{"ConditionCheck": {...}}`, as TransactWriteItems takes it."""
        ...


@public_in("interlock.transactions")
class Releasable(Guard, Protocol):
    """A thing that a commit can give back: a held lock is one."""

    def release_action(self) -> Mapping[str, Any]:
        """Return `{"Update": {...}}`, refused where `guard` would be; the commit is sent next."""
        ...

    def released(self) -> None:
        """Note that the commit has given it back, or may have: it is not renewed any more."""
        ...

    def kept(self) -> None:
        """Note that the commit has not given it back, and never will."""
        ...


@dataclass(slots=True)
class Entry:
    """All that an attempt knows of one item and wants of it, in the order of first use."""

    address: Address
    snapshot: ItemSnapshot | None = None
    write: Write | None = None
    condition: "ConditionBase | None" = None


@dataclass(slots=True)
class Action:
    """One action of a commit: the request, and what a refusal of it is about."""

    kind: str
    params: Mapping[str, Any]
    table: str
    key: Mapping[str, Any]
    entry: Entry | None = None
    bytes: int = 0
    guards: bool = False
    is_record: bool = False


def item_action(entry: Entry, attempt_id: str, version_attribute: str) -> Action | None:
    """Return the action that writes an item, or only checks it, if it is as it was read.

    None for an item of which nothing is wanted.
    """
    if entry.snapshot is None and entry.write is None and entry.condition is None:
        return None
    address, snapshot, name = entry.address, entry.snapshot, version_attribute
    version = attempt_id if snapshot is None else snapshot.successor(attempt_id)
    expression = Expression()
    if snapshot is not None:
        expression.require_unchanged(address, snapshot)
    if entry.condition is not None:
        expression.require(entry.condition)
    target: dict[str, Any] = {"Key": address.key}
    match entry.write:
        case Put(item):
            stored = {**item, name: {"S": version}}
            kind, target, weight = "Put", {"Item": stored}, size(stored)
        case Update() as update:
            text = expression.update(update, name, version)
            kind, target["UpdateExpression"] = "Update", text
            made = update.apply(snapshot.item if snapshot else None, address)
            weight = size({**made, name: {"S": version}})
        case Delete():
            kind, weight = "Delete", 0
        case None:
            kind, weight = "ConditionCheck", 0
    params = {"TableName": address.table, **target, **expression.params()}
    return Action(kind, params, address.table, address.native_key, entry, weight)


def guard_action(action: Mapping[str, Any]) -> Action:
    """Return the action of a guard, given as `{"ConditionCheck": {...}}` or `{"Update": {...}}`."""
    ((kind, params),) = action.items()
    key = from_item(params["Key"])
    return Action(kind, dict(params), params["TableName"], key, guards=True)
