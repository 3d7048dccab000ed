"""Move an amount from one counter to another: one transaction, the bounds of both hold."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from interlock._protocol.counters.adding import CounterChange, Once
from interlock._protocol.counters.escrow import borrowing, record, updates
from interlock._protocol.counters.layout import Handle, Snapshot, integer, number
from interlock._protocol.counters.reading import snapshot
from interlock._protocol.counters.sending import Kind, Patience, send
from interlock._protocol.faults import Refused
from interlock._protocol.requests import Operation, draw, new_id, wall_clock
from interlock.errors import (
    CounterLimitExceeded,
    CounterNotFound,
    IdempotencyMismatch,
    InvalidValue,
)


@dataclass(frozen=True, slots=True)
class Transfer:
    """What a transfer did: the change of either counter, as `increment` tells it."""

    source: CounterChange
    target: CounterChange
    replayed: bool = False


def transfer(
    source: Handle, target: Handle, amount: int, once: Once | None, patience: Patience
) -> Operation[Transfer]:
    """Take an amount from one counter and add it to another, or change neither.

    Raises `CounterNotFound`, and `CounterLimitExceeded` with the name of the counter that has no
    room.
    """
    if source.name == target.name:
        raise InvalidValue("target", "a transfer needs two different counters")
    while True:
        legs = []
        for handle, difference in ((source, -amount), (target, amount)):
            seen = yield from snapshot(handle, patience)
            index = int((yield from draw()) * seen.shards) if seen else 0
            writes = borrowing(handle, seen, index, difference) if seen else None
            if seen is None or writes is None:
                if once and (found := (yield from _lookup(source, target, amount, once, patience))):
                    return found
                raise _impossible(handle, seen)
            shard = index if seen.shards > 1 else None
            value = integer(seen.items[index], "value") + difference
            legs.append((CounterChange(value, difference, shard), writes))
        done = Transfer(legs[0][0], legs[1][0])
        writes = [*legs[0][1], *legs[1][1]]
        try:
            params = yield from _params(source, target, done, once)
            params["TransactItems"] += updates(writes)
            kind = Kind.TOKEN if once is None else Kind.RECORDED
            yield from send(kind, patience, "TransactWriteItems", params)
        except Refused as refused:
            if not refused.reasons:
                raise
            if once and refused.reasons[0].item:
                return _replayed(refused.reasons[0].item, target, amount, once)
            yield from patience.pause(refused)
        else:
            return done


def _params(
    source: Handle, target: Handle, done: Transfer, once: Once | None
) -> Operation[dict[str, Any]]:
    if once is None:
        return {"TransactItems": [], "ClientRequestToken": (yield from new_id())}
    expires = (yield from wall_clock()) + once.remembered
    content: dict[str, Any] = {
        "target": {"S": target.name},
        "amount": number(done.target.amount),
        "source_value": number(done.source.value),
        "target_value": number(done.target.value),
    }
    for side, change in (("source", done.source), ("target", done.target)):
        if change.shard is not None:
            content[f"{side}_shard"] = number(change.shard)
    return {"TransactItems": [record(source, once.key, content, expires)]}


def _lookup(
    source: Handle, target: Handle, amount: int, once: Once, patience: Patience
) -> Operation[Transfer | None]:
    key = source.record_key(once.key)
    params = {"TableName": source.table, "Key": key, "ConsistentRead": True}
    reply = yield from send(Kind.READ, patience, "GetItem", params)
    return _replayed(reply["Item"], target, amount, once) if "Item" in reply else None


def _replayed(item: Mapping[str, Any], target: Handle, amount: int, once: Once) -> Transfer:
    if item.get("target") != {"S": target.name} or integer(item, "amount") != amount:
        raise IdempotencyMismatch(once.key)
    source_change, target_change = (
        CounterChange(
            integer(item, f"{side}_value"),
            difference,
            integer(item, f"{side}_shard") if f"{side}_shard" in item else None,
            replayed=True,
        )
        for side, difference in (("source", -amount), ("target", amount))
    )
    return Transfer(source_change, target_change, replayed=True)


def _impossible(handle: Handle, seen: Snapshot | None) -> Exception:
    if seen is None:
        return CounterNotFound(handle.name)
    return CounterLimitExceeded(
        seen.value, seen.bounds.floor, seen.bounds.ceiling, name=handle.name
    )
