"""Break a lock: end its grant from outside, whatever its holder does, and say why.

One conditional write frees the lock, raises its fence, and leaves the reason in the record. It is
conditional on the fence of the grant that was seen, which heartbeats leave alone: a copy of it that
the network kept can end that grant only, and never a successor's. The holder's guard fails from
then on, its next heartbeat is refused, and it learns of `LossReason.BROKEN`.

A record that is corrupt is mended by the same write, conditional on all that decides being as it
was seen.
"""

from collections.abc import Mapping
from typing import Any

from interlock._dataclasses import dataclass
from interlock._protocol.faults import Fault, NoReply, Refused
from interlock._protocol.kinds import shown, written
from interlock._protocol.locks import record
from interlock._protocol.locks.item import (
    Item,
    broken_of,
    key_of,
    parse,
    sound_number,
)
from interlock._protocol.locks.reading import look
from interlock._protocol.locks.settings import Settings
from interlock._protocol.locks.state import LockRecord
from interlock._protocol.requests import Call, Monotonic, NewId, Operation, Time, TimeOfDay
from interlock.errors import CorruptRecord, InvalidValue, ServiceUnavailable

_BREAKING = 5.0  # seconds
MOST_REASON = 500  # characters: every heartbeat of later holders writes them again
_BREAK = (
    "SET #fence = :next, broken = :broken, expires = :expires "
    "REMOVE #version, #lease_ms, held_since, held_until, #owner, #data"
)
_GRANTED = "#fence = :fence AND attribute_exists(#version)"
_NONE = -1  # what no grant has: once a record was seen to be corrupt, no other grant is ended
_OPTIONAL = ("void_before", "format", "door", "queue")
_DECIDING = ("fence", "version", "lease_ms", *_OPTIONAL)
# All that a break names, as `CoordinationTable.grant_operate` allows it.
ATTRIBUTES = (
    *("pk", *_DECIDING, "held_since", "held_until", "owner", "data"),
    *("broken", "expires"),
)


def checked_reason(because: str) -> str:
    """Return why a lock is broken, or raise `InvalidValue`."""
    if not isinstance(because, str) or not because.strip():
        why = f"{written(because)} says nothing: the next holder is shown it"
        raise InvalidValue("because", why)
    if len(because) > MOST_REASON:
        raise InvalidValue("because", f"is longer than {MOST_REASON} characters")
    return because


def checked_fence(fence: int | None) -> int | None:
    """Return the fencing token of the grant to end, None for any, or raise `InvalidValue`."""
    if fence is not None and (not isinstance(fence, int) or isinstance(fence, bool)):
        raise InvalidValue("fencing_token", f"{shown(fence)} is no number; see inspect(name)")
    return fence


def break_lock(
    settings: Settings, name: str, *, because: str, by: str, fence: int | None = None
) -> Operation[LockRecord | None]:
    """End the grant that a lock has now, and return the lock's record after it.

    Returns None if there is none to end: the lock is free, was never taken, or was given back or
    granted anew meanwhile. With a `fence` only the grant of that fence is ended. A corrupt record
    is mended whatever `fence` is. Raises `CorruptRecord` for one that a newer version has written.
    """
    attempt = _Break(settings.table, name, because, by, (yield NewId()), fence)
    deadline = (yield Monotonic()) + _BREAKING
    budget = settings.budget(deadline)
    while True:
        try:
            return (yield from attempt.once(deadline))
        except Refused as refusal:
            if not refusal.condition_failed:
                yield from budget.after(refusal)
            elif (yield Monotonic()) > deadline:
                raise ServiceUnavailable(f"lock {name!r} changes too often to be mended") from None
        except Fault as fault:
            yield from budget.after(fault)


@dataclass(slots=True)
class _Break:
    """One break, tried as often as is needed. `fence` is that of the grant to end, once known."""

    table: str
    name: str
    because: str
    by: str
    identity: str
    fence: int | None

    def once(self, deadline: float) -> Operation[LockRecord | None]:
        """Look at the lock, and end what grant it has; raises what failed."""
        item = yield from look(self.table, self.name, deadline)
        if item is None:
            return None
        time = yield TimeOfDay()
        if _id(item) == self.identity:  # by a request whose reply was lost
            return parse(self.table, item).for_people(time.wall)
        seen = _seen(self.table, item)
        if seen is None:
            self.fence = _NONE if self.fence is None else self.fence
        elif not self._means(*seen):
            return None
        told = {"because": self.because, "by": self.by, "id": self.identity}
        call = _call(self.table, self.name, item, time, told, exact=seen is None)
        after = (yield Call("UpdateItem", call, deadline)).get("Attributes")
        if _id(after) != self.identity:
            raise NoReply("the answer does not show the break that was asked for")
        return parse(self.table, after).for_people(time.wall)

    def _means(self, held: bool, fence: int) -> bool:  # noqa: FBT001 - what `_seen` returns
        """Return whether a lock has the grant to end: the one that was seen first."""
        if held and self.fence is None:
            self.fence = fence
        return held and fence == self.fence


def _seen(table: str, item: Item) -> tuple[bool, int] | None:
    """Return whether a lock is held, and its fence; None if its record is to be mended."""
    try:
        found = parse(table, item)
    except CorruptRecord as error:
        if error.newer:
            raise
        return None
    if found.version is not None and "fence" not in item:
        return None
    return found.version is not None, found.fence


def _call(
    table: str, name: str, item: Item, time: Time, told: Mapping[str, str], *, exact: bool
) -> dict[str, Any]:
    """Return the update that frees a lock: of the grant that was seen, or of the exact record."""
    known = sound_number(table, item, "fence")
    now = int(time.service * 1000)
    following = now if known is None else known + 1
    broken: dict[str, Any] = {key: {"S": value} for key, value in told.items()}
    broken |= {"at": {"N": str(now)}, "fence": {"N": str(following)}}
    broken["grant"] = {"N": str(known or 0)}
    if item.get("owner", {}).get("S"):
        broken["owner"] = item["owner"]
    values: dict[str, Any] = {
        ":next": {"N": str(following)},
        ":broken": {"M": broken},
        ":expires": {"N": str(record.expiry(time, 0))},
    }
    update, condition = _BREAK, _GRANTED
    if exact:
        condition = " AND ".join(_unchanged(item, values))
        lost = [a for a in _OPTIONAL if a in item and not _is_sound(table, item, a)]
        update = ", ".join([_BREAK, *(f"#{attribute}" for attribute in lost)])
    else:
        values[":fence"] = item["fence"]
    return {
        "TableName": table,
        "Key": key_of(name),
        "UpdateExpression": update,
        "ConditionExpression": condition,
        "ExpressionAttributeNames": {
            f"#{attribute}": attribute
            for attribute in (*_DECIDING, "owner", "data")
            if f"#{attribute}" in f"{update} {condition}"
        },
        "ExpressionAttributeValues": values,
        "ReturnValues": "ALL_NEW",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def _is_sound(table: str, item: Item, attribute: str) -> bool:
    """Return whether nothing is wrong with one attribute."""
    try:
        parse(table, {name: item[name] for name in ("pk", attribute)})
    except CorruptRecord:
        return False
    return True


def _unchanged(item: Item, values: dict[str, Any]) -> list[str]:
    """Return the conditions that all which decides is as it was seen."""
    conditions = []
    for number, attribute in enumerate(_DECIDING):
        if attribute in item:
            values[f":seen{number}"] = item[attribute]
            conditions.append(f"#{attribute} = :seen{number}")
        else:
            conditions.append(f"attribute_not_exists(#{attribute})")
    return conditions


def _id(item: Item | None) -> str | None:
    """Return the id of the break that a record shows."""
    found = broken_of(item).get("id", {}).get("S")
    return None if found is None else str(found)
