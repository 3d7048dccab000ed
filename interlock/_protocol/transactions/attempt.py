"""One run of the caller's function: what it has read, and what it wants to write."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from interlock._protocol.requests import Operation
from interlock._protocol.transactions.expressions import Expression
from interlock._protocol.transactions.guards import Guard
from interlock._protocol.transactions.items import Address, Image
from interlock._protocol.transactions.reads import read_many, read_one
from interlock._protocol.transactions.sending import Patience
from interlock._protocol.transactions.settings import Settings
from interlock._protocol.transactions.writes import (
    Delete,
    Put,
    Update,
    Write,
    merged,
    size,
    typed,
    update_of,
)
from interlock._protocol.values import from_item
from interlock.errors import TransactionClosed

if TYPE_CHECKING:
    from boto3.dynamodb.conditions import ConditionBase


@dataclass(frozen=True, slots=True)
class Known:
    """Items that the attempt before this one has seen last, which need not be read again.

    Where they are out of date by now, the commit tells, as with any read.
    """

    items: Mapping[Address, Mapping[str, Any] | None]
    at_one_instant: bool = False


NOTHING_KNOWN = Known({})


@dataclass(slots=True)
class Entry:
    """All that an attempt knows of one item and wants of it, in the order of first use."""

    address: Address
    image: Image | None = None
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


@dataclass(slots=True)
class Attempt:
    """The read set and the buffered writes. `id` is its ClientRequestToken and its version.

    `instants` counts those at which the read set was seen: torn reads take more than one.
    """

    id: str
    settings: Settings
    patience: Patience
    known: Known = NOTHING_KNOWN
    entries: dict[Address, Entry] = field(default_factory=dict)
    guards: list[Guard] = field(default_factory=list)
    instants: int = 0
    recalled: bool = False
    closed: bool = False

    def entry(self, table: str, key: Mapping[str, Any]) -> Entry:
        """Return what is known of an item."""
        if self.closed:
            raise TransactionClosed
        address = Address.of(table, key)
        return self.entries.setdefault(address, Entry(address))

    def get(self, table: str, key: Mapping[str, Any]) -> Operation[dict[str, Any] | None]:
        """Read an item, the transaction's own writes included."""
        entry = self.entry(table, key)
        if entry.image is None and not isinstance(entry.write, Put | Delete):
            if entry.address in self.known.items:
                item = self._recall(entry.address)
            else:
                item = yield from read_one(self.patience, entry.address)
                self.instants += 1
            entry.image = self._image(item)
        return self._seen(entry)

    def get_many(
        self, targets: Sequence[tuple[str, Mapping[str, Any]]]
    ) -> Operation[list[dict[str, Any] | None]]:
        """Read items at one instant, but for those that were read or put before."""
        entries = [self.entry(table, key) for table, key in targets]
        unread = {
            entry.address: entry
            for entry in entries
            if entry.image is None and not isinstance(entry.write, Put | Delete)
        }
        if unread:
            items = yield from read_many(self.patience, list(unread))
            for entry, item in zip(unread.values(), items, strict=True):
                entry.image = self._image(item)
            self.instants += 1
        return [self._seen(entry) for entry in entries]

    def put(
        self,
        table: str,
        key: Mapping[str, Any],
        attributes: Mapping[str, Any],
        condition: "ConditionBase | None",
    ) -> None:
        """Buffer a whole item."""
        entry = self.entry(table, key)
        put = typed(entry.address, attributes, self.settings.version_attribute)
        self._buffer(entry, put, condition)

    def update(
        self,
        table: str,
        key: Mapping[str, Any],
        *,
        values: Mapping[str, Any],
        add: Mapping[str, Any],
        remove: Iterable[str],
        condition: "ConditionBase | None",
    ) -> None:
        """Buffer a change of some attributes."""
        entry = self.entry(table, key)
        fixed = frozenset({*entry.address.key, self.settings.version_attribute})
        self._buffer(entry, update_of(values, add, remove, fixed), condition)

    def delete(self, table: str, key: Mapping[str, Any], condition: "ConditionBase | None") -> None:
        """Buffer a deletion."""
        self._buffer(self.entry(table, key), Delete(), condition)

    def check(self, table: str, key: Mapping[str, Any], condition: "ConditionBase") -> None:
        """Demand something of an item as it is stored before this transaction."""
        self._demand(self.entry(table, key), condition)

    def guard(self, guard: Guard) -> None:
        """Demand that a lock is still held; once is enough."""
        if self.closed:
            raise TransactionClosed
        if not any(known is guard for known in self.guards):
            self.guards.append(guard)

    def actions(self) -> list[Action]:
        """Return the actions of the commit, in the order in which the items were first used."""
        return [
            *(_action(entry, self) for entry in self.entries.values() if _matters(entry)),
            *(_guard(guard) for guard in self.guards),
        ]

    @property
    def wants(self) -> bool:
        """Whether there is anything to write or to demand, rather than reads alone."""
        demands = (e.write is not None or e.condition is not None for e in self.entries.values())
        return bool(self.guards) or any(demands)

    def read_set(self) -> list[Entry]:
        """Return the entries that were read from the store."""
        return [entry for entry in self.entries.values() if entry.image is not None]

    def _recall(self, address: Address) -> Mapping[str, Any] | None:
        if not (self.recalled and self.known.at_one_instant):
            self.instants += 1
        self.recalled = True
        return self.known.items[address]

    def _image(self, item: Mapping[str, Any] | None) -> Image:
        return Image(None if item is None else dict(item), self.settings.version_attribute)

    def _seen(self, entry: Entry) -> dict[str, Any] | None:
        item = entry.image.item if entry.image else None
        if entry.write is not None:
            item = entry.write.apply(item, entry.address)
        return self._image(item).native

    def _buffer(self, entry: Entry, write: Write, condition: "ConditionBase | None") -> None:
        # Merging may refuse, so it comes before anything is changed.
        entry.write = merged(entry.write, write, entry.address)
        if condition is not None:
            self._demand(entry, condition)

    def _demand(self, entry: Entry, condition: "ConditionBase") -> None:
        entry.condition = condition if entry.condition is None else entry.condition & condition


def _matters(entry: Entry) -> bool:
    return not (entry.image is None and entry.write is None and entry.condition is None)


def _action(entry: Entry, attempt: Attempt) -> Action:
    """Return the action that writes an item, or only checks it, if it is as it was read."""
    address, image, name = entry.address, entry.image, attempt.settings.version_attribute
    version = attempt.id if image is None else image.successor(attempt.id)
    expression = Expression()
    if image is not None:
        expression.require_unchanged(address, image)
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
            weight = size(update.apply(image.item if image else None, address) or {})
        case Delete():
            kind, weight = "Delete", 0
        case None:
            kind, weight = "ConditionCheck", 0
    params = {"TableName": address.table, **target, **expression.params()}
    return Action(kind, params, address.table, address.native_key, entry, weight)


def _guard(guard: Guard) -> Action:
    params = dict(guard.guard()["ConditionCheck"])
    key = from_item(params["Key"])
    return Action("ConditionCheck", params, params["TableName"], key)
