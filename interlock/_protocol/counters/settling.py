"""Eras: how they begin and end, and how the entries of a ledger become records (see `ledger`)."""

from collections.abc import Mapping, Sequence
from typing import Any

from interlock._protocol.counters import ledger
from interlock._protocol.counters.committing import change_header, commit
from interlock._protocol.counters.escrow import Write, updates
from interlock._protocol.counters.layout import (
    ESCROW,
    FORMAT,
    Handle,
    Snapshot,
    era_of,
    new_era,
    number,
    total,
)
from interlock._protocol.counters.ledger import Entry
from interlock._protocol.counters.reading import snapshot
from interlock._protocol.counters.sending import Kind, outpaced, send
from interlock._protocol.faults import Refused
from interlock._protocol.requests import Operation
from interlock._protocol.retry import RetryBudget
from interlock.errors import InterlockError

_MOST_ACTIONS = 100


def sweep(
    handle: Handle, index: int, item: Mapping[str, Any], budget: RetryBudget
) -> Operation[None]:
    """Move what a shard's ledger holds to records, and begin a new era.

    Another writer that ended the era first has done the same. A copy of either write that arrives
    late writes the records as they are, and finds the era ended.
    """
    era, shards = era_of(item), handle.shards
    if era is None or shards is None:
        return
    found = ledger.entries(item)
    yield from _record(handle, found, budget)
    write = Write(handle.table, handle.key(index))
    write.sets = ["era = :next", "kept = kept - :entries"]
    write.conditions = ["era = :era"]
    write.removed = ledger.attributes(item)
    fresh = yield from new_era(shards)
    write.values = {
        ":era": {"S": era},
        ":next": {"S": fresh},
        ":entries": number(len(found)),
    }
    try:
        yield from send(Kind.HARMLESS, budget, "UpdateItem", write.params())
    except Refused:
        handle.eras.pop(index, None)
    else:
        handle.eras[index] = fresh


def sweep_by_the_way(
    handle: Handle, index: int, item: Mapping[str, Any], budget: RetryBudget
) -> Operation[None]:
    """Sweep after a change that is done, which no problem may undo: the next one sweeps instead."""
    once = RetryBudget(handle.target, deadline=budget.deadline, most=1)
    try:
        yield from sweep(handle, index, item, once)
    except InterlockError:
        handle.eras.pop(index, None)


def fence(handle: Handle, index: int, era: str, budget: RetryBudget) -> Operation[None]:
    """End an era, so that no copy of a keyed change that demands it is carried out any more.

    What the ledger holds stays in it. It does not matter whether this or another write ended it.
    """
    write = Write(handle.table, handle.key(index), ["era = :next"], ["era = :era"])
    shards, _, _ = era.partition(".")
    fresh = yield from new_era(int(shards))
    write.values = {":era": {"S": era}, ":next": {"S": fresh}}
    handle.eras.pop(index, None)
    try:
        yield from send(Kind.HARMLESS, budget, "UpdateItem", write.params())
    except Refused:
        return


def settle(handle: Handle, budget: RetryBudget) -> Operation[None]:
    """Begin eras of the present layout in all shards, with all older entries recorded.

    Needed after a change of the number of shards, whichever client made it, and for counters that
    were made by the first version or by an increment without a key, where no era has begun yet.
    Shards that were closed are folded into the header first: while there are any, a change cannot
    return the counter's value.
    """
    while True:
        seen = yield from snapshot(handle, budget)
        if seen is None or seen.settled:
            return
        if any(era_of(item) is not None for item in seen.items):
            yield from freeze(handle, seen, budget)
            continue
        yield from record_all(handle, seen, budget)
        if (yield from _begin(handle, seen, budget)):
            return
        yield from outpaced(budget)


def freeze(handle: Handle, seen: Snapshot, budget: RetryBudget) -> Operation[bool]:
    """Take the eras from all shards, so that no entry is made; return whether that was done."""
    header = yield from change_header(handle, seen)
    writes = [header]
    for index in range(1, len(seen.items)):
        write = Write(handle.table, handle.key(index))
        write.conditions = ["attribute_exists(pk)"]
        writes.append(write)
    for write in writes:
        write.removed.append("era")
    handle.forget()
    done = yield from commit(handle, updates(writes), seen, budget)
    if not done:
        yield from outpaced(budget)
    return done


def record_all(handle: Handle, seen: Snapshot, budget: RetryBudget) -> Operation[None]:
    """Write the records of all entries of a counter in which no entry can be made."""
    for item in seen.items:
        yield from _record(handle, ledger.entries(item), budget)


def _begin(handle: Handle, seen: Snapshot, budget: RetryBudget) -> Operation[bool]:
    """Begin an era in every shard that takes writes, empty all ledgers, and fold what is closed.

    Closed shards are compared whole, and deleted: that what they hold may come back is no harm, as
    it is what is added to the header.
    """
    era = yield from new_era(seen.shards)
    header = yield from change_header(handle, seen)
    header.conditions.append("attribute_not_exists(era)")
    header.sets += ["#format = :format", "span = :span"]
    header.values |= {":format": number(FORMAT), ":span": number(seen.shards)}
    closed = seen.items[seen.shards :]
    for name in ESCROW if closed else ():
        attribute = "#value" if name == "value" else name
        header.sets.append(f"{attribute} = {attribute} + :{name}")
        header.values[f":{name}"] = number(total(closed, name))
    writes = [header]
    for index in range(1, seen.shards):
        write = Write(handle.table, handle.key(index), [], ["attribute_exists(pk)"])
        writes.append(write)
    for write, item in zip(writes, seen.items, strict=False):
        write.sets += ["era = :era", "kept = :none"]
        write.values |= {":era": {"S": era}, ":none": number(0)}
        write.removed = ledger.attributes(item)
    deletes = [_deletion(handle, seen.shards + i, item) for i, item in enumerate(closed)]
    handle.forget()
    if not (yield from commit(handle, [*updates(writes), *deletes], seen, budget)):
        return False
    handle.shards = seen.shards
    handle.eras = dict.fromkeys(range(seen.shards), era)
    return True


def _deletion(handle: Handle, index: int, item: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "Delete": {
            "TableName": handle.table,
            "Key": handle.key(index),
            "ConditionExpression": "#value = :value AND up = :up AND down = :down",
            "ExpressionAttributeNames": {"#value": "value"},
            "ExpressionAttributeValues": {f":{name}": item[name] for name in ESCROW},
        }
    }


def _record(handle: Handle, found: Sequence[Entry], budget: RetryBudget) -> Operation[None]:
    for start in range(0, len(found), _MOST_ACTIONS):
        actions = [one.record(handle) for one in found[start : start + _MOST_ACTIONS]]
        params = {"TransactItems": actions}
        yield from send(Kind.HARMLESS, budget, "TransactWriteItems", params)
