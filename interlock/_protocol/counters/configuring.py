"""Make, configure, reset and delete a counter, while others write to it.

A change is one transaction on what was seen, of which at most one copy is ever carried out: see
`committing` for changes of what is there, and `_create`.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from interlock._protocol.counters import expecting
from interlock._protocol.counters.bounds import Bounds
from interlock._protocol.counters.checking import revised
from interlock._protocol.counters.committing import change_header, commit, transact
from interlock._protocol.counters.escrow import Write, updates
from interlock._protocol.counters.layout import (
    Handle,
    Snapshot,
    era_of,
    limits,
    new_era,
    new_items,
    new_revision,
    number,
    shares,
)
from interlock._protocol.counters.reading import CounterState, snapshot
from interlock._protocol.counters.sending import Kind, outpaced, send, unknown
from interlock._protocol.counters.settling import freeze, record_all, settle
from interlock._protocol.requests import Operation, new_id, time_of_day
from interlock._protocol.retry import RetryBudget
from interlock.errors import (
    CounterLimitExceeded,
    InterlockError,
    OutcomeUnknown,
    ServiceUnavailable,
    Throttled,
    TransactionConflict,
)

_ABSENT = "attribute_not_exists(pk)"
_TICKET_SECONDS = 86400.0


def create(handle: Handle, budget: RetryBudget) -> Operation[bool]:
    """Make the counter as it was declared; False if it is there already."""
    start, shards = handle.bounds.start, handle.declared_shards or 1
    return (yield from _create(handle, handle.bounds, shards, start, budget))


def configure(
    handle: Handle,
    bounds: Bounds,
    shards: int,
    budget: RetryBudget,
    expected: CounterState | None = None,
) -> Operation[bool]:
    """Give the counter these bounds and this many shards; True if that made it.

    Bounds move by differences of the escrow, and only those items are touched that give or get
    some, so that writers are not held up. A change of the number of shards takes the eras away:
    writes with a key pause until it has `settle`d. Shards that go are closed, then folded into the
    header. If this client has no time left for that, or crashes, their values still count, and the
    next client that configures the counter, or writes with a key, ends the work.
    """
    while True:
        seen = yield from snapshot(handle, budget)
        expecting.check(handle, expected, seen)
        if seen is not None and not seen.settled:
            yield from settle(handle, budget)
            continue
        if seen is not None and seen.bounds == bounds and seen.shards == shards:
            return False
        if seen is None:
            if (yield from _create(handle, bounds, shards, bounds.start, budget)):
                return True
        elif not bounds.contains(seen.value):
            raise CounterLimitExceeded(seen.value, bounds.floor, bounds.ceiling, name=handle.name)
        elif (yield from _move(handle, seen, bounds, shards, budget, expected=expected)):
            with suppress(ServiceUnavailable, Throttled, TransactionConflict):
                yield from settle(handle, budget)
            return False
        yield from outpaced(budget)


def reset(
    handle: Handle, to: int | None, budget: RetryBudget, expected: CounterState | None = None
) -> Operation[int]:
    """Set the counter's value (None: to where it starts) and return it. Keys stay remembered."""
    while True:
        seen = yield from snapshot(handle, budget)
        expecting.check(handle, expected, seen)
        bounds = handle.bounds if seen is None else seen.bounds
        value = bounds.start if to is None else to
        if not bounds.contains(value):
            now = bounds.start if seen is None else seen.value
            raise CounterLimitExceeded(now, bounds.floor, bounds.ceiling, name=handle.name)
        if seen is None:
            shards = handle.declared_shards or 1
            done = yield from _create(handle, bounds, shards, value, budget)
        else:
            actions = updates((yield from _resetting(handle, seen, value)))
            if expected is not None:
                actions = expecting.unchanged(actions, handle, seen)
            done = yield from commit(handle, actions, seen, budget)
        if done:
            return value
        yield from outpaced(budget)


def delete(
    handle: Handle, budget: RetryBudget, expected: CounterState | None = None
) -> Operation[bool]:
    """Delete the counter; False if there was none. Idempotency records stay until they expire.

    First no key can be entered any more, then all keys that are entered get records, then the
    items go, if the revision is still that at which the eras ended: no client has begun new ones.
    """
    while True:
        seen = yield from snapshot(handle, budget)
        expecting.check(handle, expected, seen)
        if seen is None:
            return False
        if any(era_of(item) is not None for item in seen.items):
            yield from freeze(handle, seen, budget)
            continue
        yield from record_all(handle, seen, budget)
        actions = _deleting(handle, seen)
        if expected is not None:
            actions = expecting.unchanged(actions, handle, seen)
        if (yield from commit(handle, actions, seen, budget)):
            handle.forget()
            return True
        yield from outpaced(budget)


def _create(
    handle: Handle, bounds: Bounds, shards: int, value: int, budget: RetryBudget
) -> Operation[bool]:
    """Make all items, if there is no header: shards that are there without one are left over.

    That there is no counter may come back, so the transaction also consumes a ticket that is made
    for it alone. Before a refusal is believed after a copy that was not answered, the ticket is
    taken away.
    """
    ticket = yield from _ticket(handle, budget)
    revision, era = (yield from new_revision()), (yield from new_era(shards))
    items = new_items(handle, bounds, shards, value, revision=revision, era=era)
    actions: list[dict[str, Any]] = [
        {"Put": {"TableName": handle.table, "Item": item}} for item in items
    ]
    actions[0]["Put"]["ConditionExpression"] = _ABSENT
    actions.append({"Delete": {**ticket, "ConditionExpression": "attribute_exists(pk)"}})
    refused = yield from transact(actions, budget)
    if refused is None:
        for index, item in enumerate(items):
            handle.remember(index, item)
        return True
    handle.forget()
    try:
        yield from send(Kind.HARMLESS, budget, "DeleteItem", ticket)
    except InterlockError as error:
        if refused.resent:
            raise unknown(error) from error
    return False


def _ticket(handle: Handle, budget: RetryBudget) -> Operation[dict[str, Any]]:
    """Make a ticket of which no copy is on its way; what is left over of others expires."""
    while True:
        key = handle.ticket_key((yield from new_id()))
        expires = number((yield from time_of_day()).expiry(_TICKET_SECONDS))
        params = {"TableName": handle.table, "Item": {**key, "expires": expires}}
        try:
            yield from send(Kind.ONCE, budget, "PutItem", params)
        except OutcomeUnknown:
            yield from outpaced(budget)
        else:
            return {"TableName": handle.table, "Key": key}


def _move(
    handle: Handle,
    seen: Snapshot,
    bounds: Bounds,
    shards: int,
    budget: RetryBudget,
    *,
    expected: CounterState | None,
) -> Operation[bool]:
    old = seen.bounds
    moves = {
        "up": _moved(seen.headroom("up"), bounds.most - old.most),
        "down": _moved(seen.headroom("down"), old.least - bounds.least),
    }
    header = yield from change_header(handle, seen)
    header.sets += ["shards = :shards", "span = :span"]
    header.values |= {
        ":shards": number(shards),
        ":span": number(max(shards, len(seen.items))),
    }
    for name, limit in limits(bounds).items():
        header.sets.append(f"{'#floor' if name == 'floor' else name} = :{name}")
        header.values[f":{name}"] = limit
    header.removed = [name for name in ("floor", "ceiling") if name not in limits(bounds)]
    writes = []
    for index in range(len(seen.items)):
        write = header if index == 0 else Write(handle.table, handle.key(index))
        for edge, differences in moves.items():
            if differences[index]:
                write.sets.append(f"{edge} = {edge} + :{edge}")
                write.conditions.append(f"{edge} >= :least_{edge}")
                write.values[f":{edge}"] = number(differences[index])
                write.values[f":least_{edge}"] = number(max(0, -differences[index]))
        if index >= shards:
            write.sets.append("closed = :closed")
            write.values[":closed"] = {"BOOL": True}
        if shards != seen.shards:
            write.conditions.append("attribute_exists(pk)")
            write.removed.append("era")
        if write.sets or write.removed:
            writes.append(write)
    # What is there beyond the span is left over from another life, and no count is in it.
    fresh = [
        {**handle.key(i), "value": number(0), "up": number(0), "down": number(0)}
        for i in range(len(seen.items), shards)
    ]
    puts = [{"Put": {"TableName": handle.table, "Item": item}} for item in fresh]
    handle.forget()
    actions = [*updates(writes), *puts]
    if expected is not None:
        actions = expecting.unchanged(actions, handle, seen)
    return (yield from commit(handle, actions, seen, budget))


def _moved(rooms: Sequence[int], difference: int) -> list[int]:
    """Return what each shard gets of a side's escrow, or has to give."""
    if difference >= 0:
        return shares(difference, len(rooms))
    moves = [0] * len(rooms)
    lacking = -difference
    for index in sorted(range(len(rooms)), key=lambda i: -rooms[i]):
        given = min(lacking, rooms[index])
        moves[index] = -given
        lacking -= given
    return moves


def _deleting(handle: Handle, seen: Snapshot) -> list[dict[str, Any]]:
    actions = [
        {"Delete": {"TableName": handle.table, "Key": handle.key(i)}}
        for i in range(len(seen.items))
    ]
    revision = revised(handle.table, dict(seen.header))
    actions[0]["Delete"] |= {
        "ConditionExpression": "revision = :revision",
        "ExpressionAttributeValues": {":revision": number(revision)},
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    return actions


def _resetting(handle: Handle, seen: Snapshot, value: int) -> Operation[list[Write]]:
    bounds = seen.bounds
    idle = [0] * (len(seen.items) - seen.shards)
    ups = shares(bounds.most - value, seen.shards) + idle
    downs = shares(value - bounds.least, seen.shards) + idle
    writes = [(yield from change_header(handle, seen))]
    for index in range(1, len(seen.items)):
        write = Write(handle.table, handle.key(index))
        write.conditions.append("attribute_exists(pk)")
        writes.append(write)
    for index, write in enumerate(writes):
        write.sets += ["#value = :value", "up = :up", "down = :down"]
        write.values |= {
            ":value": number(value if index == 0 else 0),
            ":up": number(ups[index]),
            ":down": number(downs[index]),
        }
    return writes
