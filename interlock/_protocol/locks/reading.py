"""Read a lock, or the locks of a table, a page at a time.

A sparse index would cost every grant and every release another write, and all of them would go to
one partition of it, which takes 1,000 a second. So locks pay nothing for being listed, and the one
who lists pays for reading the whole table: half a unit for each 4 KB, of its other records too.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from interlock._dataclasses import dataclass, field, replace
from interlock._protocol.capacity import CAPACITY, uses
from interlock._protocol.faults import Fault, NoReply
from interlock._protocol.locks import record
from interlock._protocol.locks.agreed import PERMITS, SLOTS, agreement_of
from interlock._protocol.locks.deadlock import Deadlock, confirmed, deadlocks_of, order
from interlock._protocol.locks.item import Item, is_of, parse
from interlock._protocol.locks.settings import PREFIX, Settings
from interlock._protocol.locks.state import LockRecord
from interlock._protocol.requests import Call, Monotonic, Operation, wall_clock
from interlock._protocol.retry import RetryBudget, Target
from interlock.errors import CorruptRecord, ServiceUnavailable

_INSPECTING = 5.0  # seconds
_LISTING = 15.0  # seconds for one page
_MOST_READ = 500  # locks, to confirm what was found
# All that a listing reads, as `CoordinationTable.grant_operate_read` allows it.
ATTRIBUTES = (
    "pk",
    "fence",
    "version",
    "owner",
    "lease_ms",
    "held_since",
    "held_until",
    "void_before",
    "format",
    "broken",
    "election",
    "queue",
    "last_run",
    PERMITS,
    SLOTS,
)
_NAMES = {f"#{name}": name for name in ATTRIBUTES}
_READ = ", ".join(_NAMES)
_LOCKS, _HELD = "begins_with(#pk, :prefix)", " AND attribute_exists(#version)"
_WAITED_FOR = " AND attribute_exists(#queue[0])"


@dataclass(frozen=True, slots=True)
class LockPage:
    """Locks of a part of the table, in no order; without their `data` and `last_run`.

    `corrupt` are records that cannot be relied upon; `scanned` how many records of all kinds were
    read for it; `after` what the next page goes on after, None at the end. `permits` is how many
    there may be by the name of a semaphore or a readers-writer lock, as its clients have agreed; it
    may be on another page than the permits, and on none of those that were asked for with `held`.
    """

    locks: tuple[LockRecord, ...]
    corrupt: tuple[CorruptRecord, ...]
    scanned: int
    after: str | None
    permits: Mapping[str, int] = field(default_factory=dict)


LockPage.__module__ = "interlock.locks"


def inspect(settings: Settings, name: str) -> Operation[LockRecord | None]:
    """Return what the store holds of a lock, None if it was never taken (or long ago).

    Raises `CorruptRecord`, and what else a read may raise.
    """
    deadline = (yield Monotonic()) + _INSPECTING
    budget = settings.budget(deadline)
    while True:
        try:
            item = yield from look(settings.table, name, deadline)
        except Fault as fault:
            yield from budget.after(fault)
        else:
            if item is None:
                return None
            wall = yield from wall_clock()
            return parse(settings.table, item).for_people(wall)


def look(table: str, name: str, deadline: float) -> Operation[Item | None]:
    """Return a lock's item as it is now, None if there is none; raises what failed.

    Raises `NoReply` for an answer that is not about this lock, nor about this table.
    """
    read = record.read_call(table, name, deadline)
    reply = yield Call("GetItem", {**read.params, **CAPACITY}, deadline)
    item: Item | None = reply.get("Item")
    if item is None and not uses(reply.get("ConsumedCapacity"), (table,)):
        raise NoReply("the answer does not say of which table it is")
    if item is not None and not is_of(item, name):
        raise NoReply("the answer is not about this lock")
    return item


def page(
    settings: Settings,
    prefix: str,
    after: str | None,
    *,
    held: bool,
    waited_for: bool = False,
) -> Operation[LockPage]:
    """Return the locks, and permits, of one page whose names have a prefix.

    One Scan, eventually consistent. `held`, `waited_for`: those alone that are.
    """
    target = Target((settings.table,), "CoordinationTable.grant_operate_read(...)")
    budget = RetryBudget(target)
    yield from budget.start(_LISTING)
    params: dict[str, Any] = {
        "TableName": settings.table,
        "FilterExpression": _LOCKS + (_HELD if held else "") + (_WAITED_FOR if waited_for else ""),
        "ProjectionExpression": _READ,
        "Select": "SPECIFIC_ATTRIBUTES",
        "ExpressionAttributeNames": _NAMES,
        "ExpressionAttributeValues": {":prefix": {"S": PREFIX + prefix}},
    }
    if after is not None:
        params["ExclusiveStartKey"] = {"pk": {"S": after}}
    while True:
        try:
            reply = yield Call("Scan", params, budget.deadline)
            last = reply.get("LastEvaluatedKey")
            end = None if last is None else last["pk"]["S"]
            if end is not None and end == after:
                raise NoReply("the page ends where it was to go on")
        except Fault as fault:
            yield from budget.after(fault)
        else:
            break
    wall, locks, corrupt = (yield from wall_clock()), [], []
    agreed: dict[str, int] = {}
    for item in reply.get("Items", ()):
        try:
            agreed |= agreement_of(settings.table, item)
            if not _is_lock(item["pk"]["S"]):
                continue
            lock = parse(settings.table, item).for_people(wall)
            # The last run only says whether a job's lock is resting: its result may be long.
            locks.append(replace(lock, last_run=None))
        except CorruptRecord as error:
            corrupt.append(error)
    scanned = int(reply.get("ScannedCount", 0))
    return LockPage(tuple(locks), tuple(corrupt), scanned, end, agreed)


def deadlocks(
    settings: Settings, prefix: str, among: Iterable[LockRecord] | None
) -> Operation[tuple[Deadlock, ...]]:
    """Return the deadlocks among locks whose names have a prefix, each confirmed by its records.

    Reads the whole table, or goes by the listing `among`; then, consistently, the locks of what it
    has found there.
    """
    records: list[LockRecord] = []
    if among is not None:
        records += (one for one in among if one.name.startswith(prefix))
    else:
        after: str | None = None
        ends: set[str | None] = set()
        while None not in ends:
            found = yield from page(settings, prefix, after, held=True, waited_for=True)
            records += found.locks
            after = found.after
            if after in ends:
                raise ServiceUnavailable(f"the pages of a Scan go round: two end at {after!r}")
            ends.add(after)
    again: dict[str, LockRecord] = {}
    told: list[Deadlock] = []
    for seen in deadlocks_of(records):
        names = [link.holds for link in seen.links if link.holds not in again]
        if again and len(again) + len(names) > _MOST_READ:
            break
        for name in names:
            with suppress(CorruptRecord):
                now = yield from inspect(settings, name)
                again |= {} if now is None else {name: now}
        confirmation = confirmed(seen, again)
        told += [] if confirmation is None else [confirmation]
    return tuple(sorted(told, key=order))


def _is_lock(key: str) -> bool:
    """Whether a record is a lock or a permit: other parts of a lock have other names."""
    part = key.partition("#")[2].partition("#")[2]
    return not part or part.isdecimal()
