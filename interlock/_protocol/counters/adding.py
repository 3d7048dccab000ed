"""Increment and decrement: one conditional write, and what to do when it is refused."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from interlock._protocol.counters import expecting
from interlock._protocol.counters.configuring import create
from interlock._protocol.counters.escrow import (
    addition,
    at_value,
    borrowing,
    record,
    side,
    updates,
)
from interlock._protocol.counters.layout import Handle, bounds_of, integer, number
from interlock._protocol.counters.reading import CounterState, snapshot
from interlock._protocol.counters.sending import Kind, Patience, send
from interlock._protocol.faults import Refused
from interlock._protocol.requests import Operation, draw, new_id, wall_clock
from interlock._protocol.values import Item
from interlock.errors import CounterLimitExceeded, IdempotencyMismatch


@dataclass(frozen=True, slots=True)
class CounterChange:
    """What an increment or decrement did.

    `value` is the counter's new value, or that of its shard number `shard` where it has several
    (`shard` is None for a counter with one). `replayed` says that an earlier call with the same
    idempotency key had done it.
    """

    value: int
    amount: int
    shard: int | None = None
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Once:
    """An idempotency key, and for how many seconds it is remembered."""

    key: str
    remembered: float


def add_expecting(
    handle: Handle, amount: int, once: Once | None, patience: Patience, expected: CounterState
) -> Operation[CounterChange]:
    """Add an amount while the counter is as expected, else raise `CounterChanged`.

    What was done under the same key counts first: it is what made the counter another.
    """
    while True:
        if once is not None and (found := (yield from _lookup(handle, once, amount, patience))):
            return found
        change = yield from _borrow(handle, amount, once, patience, expected)
        if change is not None:
            return change


def add(
    handle: Handle, amount: int, once: Once | None, patience: Patience
) -> Operation[CounterChange]:
    """Add an amount (negative: take it away) within the bounds.

    Raises `CounterLimitExceeded` only where, at one instant, the whole counter had no room.
    """
    if handle.shards is None and (handle.declared_shards or 1) > 1:
        yield from learn(handle, patience)
    while True:
        count = handle.shards or 1
        index = int((yield from draw()) * count) if count > 1 else 0
        try:
            if once is None:
                return (yield from _plainly(handle, index, amount, patience))
            return (yield from _recorded(handle, index, amount, once, patience))
        except Refused as refused:
            why = refused
        # The last action is the shard's: a record's own refusal has been dealt with.
        item = why.reasons[-1].item if why.reasons else why.item
        if (yield from _is_short(handle, index, item, amount, patience)):
            change = yield from _borrow(handle, amount, once, patience)
            if change is not None:
                return change
        yield from patience.pause(why)


def _is_short(
    handle: Handle, index: int, item: Mapping[str, Any] | None, amount: int, patience: Patience
) -> Operation[bool]:
    """Say whether it was for want of escrow that a shard refused, while others may have some.

    Learns from the refusal; raises `CounterLimitExceeded` where there are no others.
    """
    if not item or "closed" in item:
        bounds = handle.bounds
        if (handle.declared_shards or 1) > 1 or index > 0:
            handle.forget()
            yield from learn(handle, patience)
        elif not bounds.hold(bounds.start + amount):
            raise CounterLimitExceeded(bounds.start, bounds.floor, bounds.ceiling)
        else:
            handle.forget()
        return False
    if index == 0:
        handle.check(item)
        handle.saw(0, item)
    if integer(item, side(amount)) >= abs(amount):
        return False
    if index == 0 and integer(item, "span") == 1:
        bounds = bounds_of(item)
        raise CounterLimitExceeded(integer(item, "value"), bounds.floor, bounds.ceiling)
    return True


def learn(handle: Handle, patience: Patience) -> Operation[None]:
    """Read what the counter is, and make it if it is not there."""
    seen = yield from snapshot(handle, patience)
    if seen is None:
        yield from create(handle, patience)
    else:
        handle.check(seen.header)


def recorded_result(once: Once, item: Mapping[str, Any], amount: int) -> CounterChange:
    """Return what an idempotency record says was done, if it was the same."""
    if integer(item, "amount") != amount or "target" in item:
        raise IdempotencyMismatch(once.key)
    shard = integer(item, "shard") if "shard" in item else None
    return CounterChange(integer(item, "value"), amount, shard, replayed=True)


def content(change: CounterChange) -> Item:
    """Return the attributes of an idempotency record that tell the result."""
    shard = {} if change.shard is None else {"shard": number(change.shard)}
    return {"amount": number(change.amount), "value": number(change.value), **shard}


def _plainly(
    handle: Handle, index: int, amount: int, patience: Patience
) -> Operation[CounterChange]:
    params = addition(handle, index, amount).params()
    reply = yield from send(
        Kind.ONCE, patience, "UpdateItem", {**params, "ReturnValues": "ALL_NEW"}
    )
    item = reply["Attributes"]
    handle.saw(index, item)
    return CounterChange(integer(item, "value"), amount, _shard(handle, index))


def _recorded(
    handle: Handle, index: int, amount: int, once: Once, patience: Patience
) -> Operation[CounterChange]:
    """Commit the addition together with its record, which has to tell the new value.

    So the write demands the value that was seen last. A refusal brings the present one, or the
    record of an earlier call, in the same round trip.
    """
    if index not in handle.values and handle.shards is None:
        yield from snapshot(handle, patience)
    while True:
        seen = handle.values.get(index)
        value = (handle.bounds.start if seen is None else seen) + amount
        change = CounterChange(value, amount, _shard(handle, index))
        expires = (yield from wall_clock()) + once.remembered
        write = at_value(addition(handle, index, amount), seen)
        actions = [record(handle, once.key, content(change), expires), *updates([write])]
        try:
            yield from send(
                Kind.RECORDED, patience, "TransactWriteItems", {"TransactItems": actions}
            )
        except Refused as refused:
            if not refused.reasons:
                raise
            if refused.reasons[0].item:
                return recorded_result(once, refused.reasons[0].item, amount)
            item = refused.reasons[-1].item
            short = not item or integer(item, side(amount)) < abs(amount) or "closed" in item
            if short or handle.values.get(index) == integer(item or {}, "value"):
                if not item and seen is not None:
                    handle.forget()
                raise
            handle.saw(index, item or {})
            if index == 0:
                handle.check(item or {})
            yield from patience.pause(refused)
        else:
            handle.values[index] = value
            return change


def _borrow(
    handle: Handle,
    amount: int,
    once: Once | None,
    patience: Patience,
    expected: CounterState | None = None,
) -> Operation[CounterChange | None]:
    """Add with the escrow of all shards; None if another writer was faster."""
    seen = yield from snapshot(handle, patience)
    expecting.check(handle, expected, seen)
    if seen is None:
        return None
    handle.check(seen.header)
    index = int((yield from draw()) * seen.shards)
    writes = borrowing(handle, seen, index, amount)
    if writes is None:
        if once is not None and (found := (yield from _lookup(handle, once, amount, patience))):
            return found
        raise CounterLimitExceeded(seen.value, seen.bounds.floor, seen.bounds.ceiling)
    value = integer(seen.items[index], "value") + amount
    change = CounterChange(value, amount, _shard(handle, index))
    actions = updates(writes)
    if expected is not None:
        actions = expecting.unchanged(actions, handle, seen)
    params: dict[str, Any] = {"TransactItems": actions}
    if once is None:
        kind = Kind.TOKEN
        params["ClientRequestToken"] = yield from new_id()
    else:
        kind = Kind.RECORDED
        expires = (yield from wall_clock()) + once.remembered
        params["TransactItems"].insert(0, record(handle, once.key, content(change), expires))
    try:
        yield from send(kind, patience, "TransactWriteItems", params)
    except Refused as refused:
        if once is not None and refused.reasons and refused.reasons[0].item:
            return recorded_result(once, refused.reasons[0].item, amount)
        if not refused.reasons:
            raise
        return None
    handle.values[index] = value
    return change


def _lookup(
    handle: Handle, once: Once, amount: int, patience: Patience
) -> Operation[CounterChange | None]:
    """Read the record: a twin of this call may have taken the very last of the room."""
    key = handle.record_key(once.key)
    params = {"TableName": handle.table, "Key": key, "ConsistentRead": True}
    reply = yield from send(Kind.READ, patience, "GetItem", params)
    return recorded_result(once, reply["Item"], amount) if "Item" in reply else None


def _shard(handle: Handle, index: int) -> int | None:
    return index if (handle.shards or 1) > 1 else None
