"""Make, configure, reset and delete a counter, while others write to it."""

from collections.abc import Sequence
from typing import Any

from interlock._protocol.counters import expecting
from interlock._protocol.counters.escrow import Write, updates
from interlock._protocol.counters.layout import (
    Bounds,
    Handle,
    Snapshot,
    bounds_of,
    integer,
    limits,
    new_items,
    number,
    shares,
)
from interlock._protocol.counters.reading import CounterState, snapshot
from interlock._protocol.counters.sending import Kind, Patience, send
from interlock._protocol.faults import Refused
from interlock._protocol.requests import Operation, new_id
from interlock.errors import CounterLimitExceeded

_ABSENT = "attribute_not_exists(pk)"


def create(handle: Handle, patience: Patience) -> Operation[bool]:
    """Make the counter as it was declared; False if it is there already."""
    made = yield from _create(handle, handle.bounds, handle.declared_shards or 1, patience)
    if not made:
        handle.shards = None
    return made


def configure(
    handle: Handle,
    bounds: Bounds,
    shards: int,
    patience: Patience,
    expected: CounterState | None = None,
) -> Operation[bool]:
    """Give the counter these bounds and this many shards; True if that made it.

    Bounds move by differences of the escrow, and only those items are touched that give or get
    some, so that writers are not held up. Shards that go are closed first, then folded into the
    header. After a crash in between, their values still count, and the next call ends the work.
    """
    while True:
        seen = yield from snapshot(handle, patience)
        expecting.check(handle, expected, seen)
        if seen is None:
            if (yield from _create(handle, bounds, shards, patience)):
                return True
            continue
        if not bounds.hold(seen.value):
            raise CounterLimitExceeded(seen.value, bounds.floor, bounds.ceiling)
        if len(seen.items) > seen.shards:
            done = yield from _commit(_folding(handle, seen), patience)
        elif seen.bounds == bounds and seen.shards == shards:
            return False
        else:
            actions = _moving(handle, seen, bounds, shards)
            if expected is not None:
                actions = expecting.unchanged(actions, handle, seen)
            done = yield from _commit(actions, patience)
            if done is None:
                expected = None  # what is left is to fold the shards that this has closed
        handle.forget()
        if done is not None:
            yield from patience.pause(done)


def reset(
    handle: Handle, to: int | None, patience: Patience, expected: CounterState | None = None
) -> Operation[int]:
    """Set the counter's value (None: to where it starts) and return it."""
    while True:
        seen = yield from snapshot(handle, patience)
        expecting.check(handle, expected, seen)
        if seen is None:
            value = handle.bounds.start if to is None else to
            if not handle.bounds.hold(value):
                start = handle.bounds.start
                raise CounterLimitExceeded(start, handle.bounds.floor, handle.bounds.ceiling)
            shards = handle.declared_shards or 1
            if (yield from _create(handle, handle.bounds, shards, patience, value)):
                return value
            continue
        value = seen.bounds.start if to is None else to
        if not seen.bounds.hold(value):
            raise CounterLimitExceeded(seen.value, seen.bounds.floor, seen.bounds.ceiling)
        actions = updates(_resetting(handle, seen, value))
        if expected is not None:
            actions = expecting.unchanged(actions, handle, seen)
        refused = yield from _commit(actions, patience)
        handle.forget()
        if refused is None:
            return value
        yield from patience.pause(refused)


def delete(
    handle: Handle, patience: Patience, expected: CounterState | None = None
) -> Operation[bool]:
    """Delete the counter; False if there was none. Idempotency records stay until they expire."""
    while True:
        seen = yield from snapshot(handle, patience)
        expecting.check(handle, expected, seen)
        if seen is None:
            return False
        head, *rest = (
            {"Delete": {"TableName": handle.table, "Key": handle.key(i)}}
            for i in range(len(seen.items))
        )
        head["Delete"] |= {
            "ConditionExpression": "revision = :revision",
            "ExpressionAttributeValues": {":revision": seen.header["revision"]},
        }
        actions = [head, *rest]
        if expected is not None:
            actions = expecting.unchanged(actions, handle, seen)
        refused = yield from _commit(actions, patience)
        handle.forget()
        if refused is None:
            return True
        yield from patience.pause(refused)


def _create(
    handle: Handle, bounds: Bounds, shards: int, patience: Patience, value: int | None = None
) -> Operation[bool]:
    items = new_items(handle, bounds, shards, bounds.start if value is None else value)
    actions = [
        {"Put": {"TableName": handle.table, "Item": item, "ConditionExpression": _ABSENT}}
        for item in items
    ]
    refused = yield from _commit(actions, patience)
    if refused is not None:
        return False
    for index, item in enumerate(items):
        handle.saw(index, item)
    return True


def _commit(actions: Sequence[Any], patience: Patience) -> Operation[Refused | None]:
    """Write all or nothing; return the refusal if a condition did not hold."""
    token = yield from new_id()
    params = {"TransactItems": list(actions), "ClientRequestToken": token}
    try:
        yield from send(Kind.TOKEN, patience, "TransactWriteItems", params)
    except Refused as refused:
        if not refused.reasons:
            raise
        return refused
    return None


def _header(handle: Handle, seen: Snapshot) -> Write:
    """Start a write of the header that no other configuration may have come before."""
    write = Write(handle.table, handle.key())
    revision = integer(seen.header, "revision")
    write.sets = ["revision = :next"]
    write.demands = ["revision = :revision"]
    write.values = {":revision": number(revision), ":next": number(revision + 1)}
    return write


def _moving(handle: Handle, seen: Snapshot, bounds: Bounds, shards: int) -> list[dict[str, Any]]:
    old = seen.bounds
    moves = {
        "up": _moved(seen.room("up"), bounds.most - old.most),
        "down": _moved(seen.room("down"), old.least - bounds.least),
    }
    header = _header(handle, seen)
    header.sets += ["shards = :shards", "span = :span"]
    header.values |= {
        ":shards": number(shards),
        ":span": number(max(shards, len(seen.items))),
    }
    for name, limit in limits(bounds).items():
        header.sets.append(f"{'#floor' if name == 'floor' else name} = :{name}")
        header.values[f":{name}"] = limit
    writes = []
    for index in range(len(seen.items)):
        write = header if index == 0 else Write(handle.table, handle.key(index))
        for edge, differences in moves.items():
            if differences[index]:
                write.sets.append(f"{edge} = {edge} + :{edge}")
                write.demands.append(f"{edge} >= :least_{edge}")
                write.values[f":{edge}"] = number(differences[index])
                write.values[f":least_{edge}"] = number(max(0, -differences[index]))
        if index >= shards:
            write.sets.append("closed = :closed")
            write.demands.append("attribute_exists(pk)")
            write.values[":closed"] = {"BOOL": True}
        if write.sets:
            writes.append(write)
    actions = updates(writes)
    gone = [n for n in ("floor", "ceiling") if n not in limits(bounds)]
    if gone:
        names = ["#floor" if name == "floor" else name for name in gone]
        update = actions[0]["Update"]
        update["UpdateExpression"] += " REMOVE " + ", ".join(names)
        if "floor" in gone:
            update["ExpressionAttributeNames"] = {"#floor": "floor"}
    fresh = [
        {**handle.key(i), "value": number(0), "up": number(0), "down": number(0)}
        for i in range(len(seen.items), shards)
    ]
    return actions + [
        {"Put": {"TableName": handle.table, "Item": item, "ConditionExpression": _ABSENT}}
        for item in fresh
    ]


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


def _folding(handle: Handle, seen: Snapshot) -> list[dict[str, Any]]:
    header = _header(handle, seen)
    closed = seen.items[seen.shards :]
    header.sets.append("span = :span")
    header.values[":span"] = number(seen.shards)
    for name in ("value", "up", "down"):
        attribute = "#value" if name == "value" else name
        header.sets.append(f"{attribute} = {attribute} + :{name}")
        header.values[f":{name}"] = number(sum(integer(item, name) for item in closed))
    deletes = [
        {
            "Delete": {
                "TableName": handle.table,
                "Key": handle.key(seen.shards + i),
                "ConditionExpression": "#value = :value AND up = :up AND down = :down",
                "ExpressionAttributeNames": {"#value": "value"},
                "ExpressionAttributeValues": {f":{n}": item[n] for n in ("value", "up", "down")},
            }
        }
        for i, item in enumerate(closed)
    ]
    return [*updates([header]), *deletes]


def _resetting(handle: Handle, seen: Snapshot, value: int) -> list[Write]:
    bounds = bounds_of(seen.header)
    idle = [0] * (len(seen.items) - seen.shards)
    ups = shares(bounds.most - value, seen.shards) + idle
    downs = shares(value - bounds.least, seen.shards) + idle
    writes = []
    for index in range(len(seen.items)):
        write = Write(handle.table, handle.key(index))
        if index == 0:
            write = _header(handle, seen)
        else:
            write.demands.append("attribute_exists(pk)")
        write.sets += ["#value = :value", "up = :up", "down = :down"]
        write.values |= {
            ":value": number(value if index == 0 else 0),
            ":up": number(ups[index]),
            ":down": number(downs[index]),
        }
        writes.append(write)
    return writes
