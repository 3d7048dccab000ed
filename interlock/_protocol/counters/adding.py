"""Increment and decrement without a key: one conditional write, and what to do when it is refused.

The write is never sent twice, so an answer that is lost is `OutcomeUnknown`, whatever comes later.
A refusal is that of the only copy. Borrowing is a transaction with a token: a copy of it that was
not answered is known by the store when it is sent again, and where that is refused, the first may
yet be carried out, so that too is `OutcomeUnknown`.
"""

from collections.abc import Mapping
from typing import Any

from interlock._protocol.counters import expecting
from interlock._protocol.counters.checking import whole
from interlock._protocol.counters.committing import transact
from interlock._protocol.counters.configuring import create
from interlock._protocol.counters.escrow import addition, borrowing, headroom, updates
from interlock._protocol.counters.layout import (
    Handle,
    bounds_of,
    integer,
    new_revision,
)
from interlock._protocol.counters.ledger import CounterChange
from interlock._protocol.counters.reading import CounterState, snapshot
from interlock._protocol.counters.sending import Kind, outpaced, send, unknown
from interlock._protocol.faults import Refused
from interlock._protocol.requests import Operation, draw
from interlock._protocol.retry import RetryBudget
from interlock.errors import CounterLimitExceeded


def add(handle: Handle, amount: int, budget: RetryBudget) -> Operation[CounterChange]:
    """Add an amount (negative: take it away) within the bounds.

    Raises `CounterLimitExceeded` only where, at one instant, the whole counter had no room.
    """
    if handle.shards is None and (handle.declared_shards or 1) > 1:
        yield from learn(handle, budget)
    while True:
        count = handle.shards or 1
        index = int((yield from draw()) * count) if count > 1 else 0
        try:
            return (yield from _write(handle, index, amount, budget))
        except Refused as refused:
            item = refused.item
        if (yield from _is_short(handle, index, item, amount, budget)):
            change = yield from _borrow(handle, amount, budget)
            if change is not None:
                return change
        yield from outpaced(budget)


def add_expecting(
    handle: Handle, amount: int, budget: RetryBudget, expected: CounterState
) -> Operation[CounterChange]:
    """Add an amount while the counter is as expected, else raise `CounterChanged`."""
    while True:
        change = yield from _borrow(handle, amount, budget, expected)
        if change is not None:
            return change
        yield from outpaced(budget)


def learn(handle: Handle, budget: RetryBudget) -> Operation[None]:
    """Read what the counter is, and make it if it is not there."""
    seen = yield from snapshot(handle, budget)
    if seen is None:
        yield from create(handle, budget)
    else:
        handle.check(seen.header)


def is_full(item: Mapping[str, Any], index: int, amount: int) -> bool:
    """Whether a shard that is short of escrow is all of the counter."""
    return (
        index == 0 and integer(item, "span") == 1 and integer(item, headroom(amount)) < abs(amount)
    )


def full(handle: Handle, item: Mapping[str, Any]) -> CounterLimitExceeded:
    """Return the error of a counter with one shard."""
    bounds = bounds_of(item)
    value = integer(item, "value")
    return CounterLimitExceeded(value, bounds.floor, bounds.ceiling, name=handle.name)


def _write(
    handle: Handle, index: int, amount: int, budget: RetryBudget
) -> Operation[CounterChange]:
    # The revision of a counter that this may make; only then is it written.
    revision = (yield from new_revision()) if handle.shards is None else 0
    params = addition(handle, index, amount, revision).params()
    reply = yield from send(Kind.ONCE, budget, "UpdateItem", {**params, "ReturnValues": "ALL_NEW"})
    item = whole(handle.table, {**reply["Attributes"], **handle.key(index)})
    handle.remember(index, item)
    alone = index == 0 and integer(item, "span") == 1
    return CounterChange(integer(item, "value"), amount, None if alone else index)


def _is_short(
    handle: Handle, index: int, item: Mapping[str, Any] | None, amount: int, budget: RetryBudget
) -> Operation[bool]:
    """Return whether a shard refused for want of escrow, while others may have some.

    Learns from the refusal; raises `CounterLimitExceeded` where there are no others.
    """
    if not item or "closed" in item:
        bounds = handle.bounds
        if (handle.declared_shards or 1) > 1 or index > 0:
            handle.forget()
            yield from learn(handle, budget)
        elif not bounds.contains(bounds.start + amount):
            raise CounterLimitExceeded(bounds.start, bounds.floor, bounds.ceiling, name=handle.name)
        else:
            handle.forget()
        return False
    whole(handle.table, dict(item))
    if index == 0:
        handle.check(item)
        handle.remember(0, item)
    if is_full(item, index, amount):
        raise full(handle, item)
    return integer(item, headroom(amount)) < abs(amount)


def _borrow(
    handle: Handle, amount: int, budget: RetryBudget, expected: CounterState | None = None
) -> Operation[CounterChange | None]:
    """Add with the escrow of all shards; None if another writer was faster."""
    seen = yield from snapshot(handle, budget)
    expecting.check(handle, expected, seen)
    if seen is None:
        return None
    handle.check(seen.header)
    index = int((yield from draw()) * seen.shards)
    writes = borrowing(handle, seen, index, amount)
    if writes is None:
        raise CounterLimitExceeded(
            seen.value, seen.bounds.floor, seen.bounds.ceiling, name=handle.name
        )
    actions = updates(writes)
    if expected is not None:
        actions = expecting.unchanged(actions, handle, seen)
    refused = yield from transact(actions, budget)
    if refused is None:
        value = integer(seen.items[index], "value") + amount
        return CounterChange(value, amount, None if len(seen.items) == 1 else index)
    if refused.resent:
        raise unknown(refused) from refused
    return None
