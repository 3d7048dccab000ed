"""Increment and decrement with a key: exactly once, by the ledger of the key's home (`ledger`).

Whatever is reported of a call stays true when a copy of it that was not answered arrives later:

- A success is proved by the entry, which refuses the copy; and when the entry leaves, its era ends.
- A refusal (`CounterLimitExceeded`, `IdempotencyMismatch`, `CounterMismatch`) of a call of which a
  copy may be on its way is believed only after that copy's era has ended (`fence`), and after the
  ledger and the record were found without the key since.
- Any other error, such as that time is up, becomes `OutcomeUnknown` while a copy is in doubt.
"""

from collections.abc import Mapping
from typing import Any

from interlock._protocol.counters import escrow, expecting, ledger, reading
from interlock._protocol.counters.adding import full, is_full
from interlock._protocol.counters.checking import whole
from interlock._protocol.counters.configuring import create
from interlock._protocol.counters.layout import Handle, belongs, era_of, integer
from interlock._protocol.counters.ledger import CounterChange, Once
from interlock._protocol.counters.reading import CounterState
from interlock._protocol.counters.sending import Kind, outpaced, send, unknown
from interlock._protocol.counters.settling import fence, settle, sweep, sweep_by_the_way
from interlock._protocol.faults import Refused
from interlock._protocol.requests import Operation, time_of_day
from interlock._protocol.retry import RetryBudget
from interlock.errors import (
    CounterLimitExceeded,
    IdempotencyMismatch,
    InterlockError,
    OutcomeUnknown,
)


def add_once(
    handle: Handle,
    amount: int,
    once: Once,
    budget: RetryBudget,
    expected: CounterState | None = None,
) -> Operation[CounterChange]:
    """Add an amount (negative: take it away) within the bounds, once for its key.

    With `expected`, only while the counter is so, else it raises `CounterChanged`; what was done
    under the same key counts first, as it may be what made the counter another. Raises
    `CounterLimitExceeded` only where, at one instant, the whole counter had no room.
    """
    change = KeyedChange(handle, amount, once, budget, expected)
    try:
        return (yield from change.run())
    except (IdempotencyMismatch, OutcomeUnknown):
        raise
    except InterlockError as error:
        if change.in_doubt:
            raise unknown(error) from error
        raise


class KeyedChange:
    """One call with a key. `in_doubt` while a copy may have been carried out, or may yet be."""

    def __init__(
        self,
        handle: Handle,
        amount: int,
        once: Once,
        budget: RetryBudget,
        expected: CounterState | None,
    ) -> None:
        self.handle, self.amount, self.once, self.budget = handle, amount, once, budget
        self.expected = expected
        self.in_doubt = False
        self._refused = False  # just now, by a record that told the era

    def run(self) -> Operation[CounterChange]:
        """Write the change, or find what an earlier call has done."""
        while True:
            found = yield from self._open()
            if isinstance(found, CounterChange):
                return found
            index, era, cached = found
            done = yield from reading.record(self.handle, self.once, self.budget)
            if done is not None:
                return done.replay(self.amount)
            self.in_doubt = False
            if self.expected is not None:
                result = yield from self._borrow(index, era)
                if result is not None:
                    return result
                continue
            try:
                return (yield from self._write(index, era))
            except Refused as refused:
                item = refused.item
                self.in_doubt = refused.resent
            result = yield from self._understand(index, era, item, cached=cached)
            if result is not None:
                return result

    def _open(self) -> Operation[tuple[int, str, bool] | CounterChange]:
        """Return the key's home, its era, and whether that is of an earlier call.

        Makes the counter where there is none, and begins eras where none have begun. Returns what
        the ledger has of the key, if it is read and has it.
        """
        handle = self.handle
        while True:
            if handle.shards is None and (known := (yield from self._learn())):
                return known
            if handle.shards is None:
                continue
            index = self.once.home(handle.shards)
            era, refused, self._refused = handle.eras.get(index), self._refused, False
            trusted = (refused or not handle.shared) and not self.in_doubt
            if trusted and era is not None and belongs(era, handle.shards):
                return index, era, not refused
            item = yield from reading.shard(handle, index, self.budget)
            if item is None:
                handle.forget()
                yield from outpaced(self.budget)
                continue
            if done := ledger.entry(item, self.once):
                return done.replay(self.amount)
            now = era_of(item)
            handle.shared &= now != era
            if now is not None and belongs(now, handle.shards):
                handle.eras[index] = now
                return index, now, False
            handle.forget()
            yield from settle(handle, self.budget)

    def _learn(self) -> Operation[CounterChange | None]:
        """Read what the counter is; make it, unless the key or its bounds forbid that."""
        handle, bounds = self.handle, self.handle.bounds
        seen = yield from reading.snapshot(handle, self.budget)
        if seen is not None:
            handle.check(seen.header)
            return None
        # The record outlives the counter.
        done = yield from reading.record(handle, self.once, self.budget)
        if done is not None:
            return done.replay(self.amount)
        self.in_doubt = False
        expecting.check(handle, self.expected, None)
        if not bounds.contains(bounds.start + self.amount):
            raise CounterLimitExceeded(bounds.start, bounds.floor, bounds.ceiling, name=handle.name)
        if not (yield from create(handle, self.budget)):
            yield from outpaced(self.budget)
        return None

    def _write(self, index: int, era: str) -> Operation[CounterChange]:
        handle, once = self.handle, self.once
        shard = _shard(era, index)
        call = once.call(self.amount, shard, (yield from time_of_day()).service)
        write = escrow.keyed(escrow.covered(handle, index, self.amount), once, era, call)
        params = {**write.params(), "ReturnValues": "ALL_NEW"}
        reply = yield from send(Kind.FENCED, self.budget, "UpdateItem", params)
        item = whole(handle.table, reply["Attributes"])
        handle.eras[index] = era
        crowded = handle.shared or self.budget.conflicts > 0
        if len(ledger.entries(item)) % ledger.swept_at(crowded=crowded) == 0:
            # One of the writers finds the ledger with so many entries, and no other does.
            yield from sweep_by_the_way(handle, index, item, self.budget)
        return CounterChange(integer(item, ledger.DONE + once.digest), self.amount, shard)

    def _understand(
        self, index: int, era: str, refuser: Mapping[str, Any] | None, *, cached: bool
    ) -> Operation[CounterChange | None]:
        """Return what was done, raise what cannot be, or None where another attempt is due."""
        handle, budget = self.handle, self.budget
        if refuser is None:
            handle.forget()
            yield from outpaced(budget)
            return None
        item = whole(handle.table, dict(refuser))
        if done := ledger.entry(item, self.once):
            return done.replay(self.amount)
        if era_of(item) != era:
            handle.remember(index, item)
            handle.shared |= cached
            self._refused = True
            yield from budget.stale()
        elif self.in_doubt:
            yield from fence(handle, index, era, budget)
        elif integer(item, "kept") >= ledger.MOST_KEPT:
            yield from sweep(handle, index, item, budget)
            yield from budget.stale()
        else:
            if index == 0:
                handle.check(item)
            if is_full(item, index, self.amount):
                raise full(handle, item)
            if integer(item, escrow.headroom(self.amount)) < abs(self.amount):
                return (yield from self._borrow(index, era))
            yield from outpaced(budget)
        return None

    def _borrow(self, index: int, era: str) -> Operation[CounterChange | None]:
        """Add with the escrow of all shards; None if another writer was faster."""
        handle, once = self.handle, self.once
        seen = yield from reading.snapshot(handle, self.budget)
        if seen and (done := ledger.entry(seen.items[min(index, len(seen.items) - 1)], once)):
            return done.replay(self.amount)
        if seen is None or index >= seen.shards or era_of(seen.items[index]) != era:
            yield from self.budget.stale()
            return None
        # The era has not ended, so the key was not entered before: what is seen is not its work.
        expecting.check(handle, self.expected, seen)
        handle.check(seen.header)
        writes = escrow.borrowing(handle, seen, index, self.amount)
        if writes is None:
            raise CounterLimitExceeded(
                seen.value, seen.bounds.floor, seen.bounds.ceiling, name=handle.name
            )
        shard = _shard(era, index)
        call = once.call(self.amount, shard, (yield from time_of_day()).service)
        escrow.keyed(writes[0], once, era, call)
        actions = escrow.updates(writes)
        if self.expected is not None:
            actions = expecting.unchanged(actions, handle, seen)
        params = {"TransactItems": actions}
        try:
            yield from send(Kind.FENCED, self.budget, "TransactWriteItems", params)
        except Refused as refused:
            self.in_doubt = refused.resent
            item = refused.reasons[0].item
            if item and (done := ledger.entry(whole(handle.table, dict(item)), once)):
                return done.replay(self.amount)
            if self.in_doubt:
                yield from fence(handle, index, era, self.budget)
                return None
            yield from outpaced(self.budget)
            return None
        value = integer(seen.items[index], "value") + self.amount
        return CounterChange(value, self.amount, shard)


def _shard(era: str, index: int) -> int | None:
    """Return the number by which a change in this era reports its shard."""
    return None if belongs(era, 1) else index
