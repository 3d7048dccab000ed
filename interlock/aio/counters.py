"""Counters on DynamoDB that are exact, bounded, sharded, and exactly-once where a key asks for it.

The protocol is described in docs/counters.md. Both halves of the library offer the same.
"""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

from interlock._drivers.awaitable.driver import Driver
from interlock._drivers.awaitable.opening import open_driver
from interlock._drivers.bounds import timeout_bound
from interlock._drivers.unshared import Unshared
from interlock._protocol.counters.client import (
    KEEP,
    REMEMBERED,
    TIMEOUT,
    CounterOperations,
    Unchanged,
    checked_amount,
)
from interlock._protocol.counters.layout import Handle
from interlock._protocol.counters.ledger import CounterChange
from interlock._protocol.counters.reading import CounterState
from interlock._protocol.counters.transferring import Transfer
from interlock._protocol.layout import TableLayout, checked_layout

__all__ = ["KEEP", "Counter", "CounterChange", "CounterClient", "CounterState", "Transfer"]


class CounterClient(Unshared):
    """Counters in a coordination table. Safe to share, as far as `client` is.

    `client` is any aiobotocore DynamoDB client (default: one of the library's own, with timeouts of
    1 to 2 s). `timeout` is how long a call may take with its retries of conflicts and throttling
    (default 5 s), `remember_keys_for` how long an idempotency key is remembered (default one day).
    `layout` says what the table calls its keys (default: as `create_table` makes it).
    """

    def __init__(
        self,
        table: str,
        *,
        client: Any = None,
        timeout: timedelta = TIMEOUT,
        remember_keys_for: timedelta = REMEMBERED,
        layout: TableLayout | None = None,
    ) -> None:
        self._operations = CounterOperations(table, timeout, remember_keys_for)
        self._driver = open_driver(
            client,
            bound=timeout_bound(self._operations.timeout),
            layout=checked_layout(layout),
        )

    def counter(
        self,
        name: str,
        *,
        floor: int | None = None,
        ceiling: int | None = None,
        shards: int | None = None,
    ) -> "Counter":
        """Return a counter; no call is made.

        What is given declares the counter: the first write makes it so, and if it exists otherwise,
        `CounterMismatch` is raised then. What is left out is as it is stored; a counter that does
        not exist starts without bounds, with one shard, at 0 or the bound nearest to 0. Bounds are
        inclusive. Raises `InvalidCounterName` and `InvalidValue`.
        """
        handle = self._operations.handle(name, floor, ceiling, shards)
        return Counter(self._operations, self._driver, handle)

    async def transfer(
        self, source: str, target: str, amount: int, *, idempotency_key: str | None = None
    ) -> Transfer:
        """Take an amount from one counter and add it to another, or change neither.

        Raises `CounterNotFound`, `CounterLimitExceeded`, `IdempotencyMismatch`, `OutcomeUnknown`.
        """
        return await self._driver.run(
            self._operations.transfer(source, target, amount, idempotency_key)
        )

    async def page(
        self, *, prefix: str = "", limit: int = 100, after: str | None = None
    ) -> tuple[list[str], str | None]:
        """Return up to `limit` (1 to 1,000) names in order, and the name to go on `after`.

        The second is None at the end. A counter appears within about a second of its creation.
        """
        return await self._driver.run(self._operations.page(prefix, limit, after))

    async def states(
        self, *, prefix: str = "", limit: int = 100, after: str | None = None
    ) -> tuple[list[CounterState], str | None]:
        """Return up to `limit` (1 to 100) counters with values, and the name to go on `after`.

        The second is None at the end. Each value is exact, as of an instant of its own. Costs a
        query and one batch of reads, and one more read for each counter with several shards.
        """
        return await self._driver.run(self._operations.states(prefix, limit, after))

    async def names(self, *, prefix: str = "") -> AsyncIterator[str]:
        """Iterate over the names of all counters, in order, reading a page at a time."""
        after: str | None = None
        while True:
            names, after = await self.page(prefix=prefix, after=after)
            for name in names:
                yield name
            if after is None:
                return


class Counter(Unshared):
    """One counter. Made by `CounterClient.counter`."""

    def __init__(self, operations: CounterOperations, driver: Driver, handle: Handle) -> None:
        self._operations = operations
        self._driver = driver
        self._handle = handle

    @property
    def name(self) -> str:
        """The counter's name."""
        return self._handle.name

    async def increment(
        self,
        by: int = 1,
        *,
        idempotency_key: str | None = None,
        expected: CounterState | None = None,
    ) -> CounterChange:
        """Add `by` (1 to 10^38 - 1) in one conditional write.

        With a key it happens exactly once, however often and from wherever it is called while the
        key is remembered; later calls return the first one's result. Without a key a lost answer
        raises `OutcomeUnknown`: it was added once, or not at all. With `expected`, which `inspect`
        returned before, it is added only if the counter is still so, else `CounterChanged` is
        raised; that costs a read and a transaction over all shards.

        Raises `CounterLimitExceeded` (only if, at one instant, the whole counter had no room),
        `CounterMismatch`, `IdempotencyMismatch`, `InvalidValue`, `Throttled`, `ServiceUnavailable`.
        """
        amount = checked_amount(by)
        return await self._driver.run(
            self._operations.add(self._handle, amount, idempotency_key, expected)
        )

    async def decrement(
        self,
        by: int = 1,
        *,
        idempotency_key: str | None = None,
        expected: CounterState | None = None,
    ) -> CounterChange:
        """Take `by` away; otherwise as `increment`, except that a key tells the two apart."""
        amount = -checked_amount(by)
        return await self._driver.run(
            self._operations.add(self._handle, amount, idempotency_key, expected)
        )

    async def get(self, *, consistent: bool = True) -> int:
        """Return the value: of one instant, or at half the price of about a second ago.

        A counter that does not exist has the value at which it would start.
        """
        return await self._driver.run(self._operations.get(self._handle, consistent=consistent))

    async def inspect(self) -> CounterState | None:
        """Return value, bounds and shards as stored; None if there is no such counter."""
        return await self._driver.run(self._operations.inspect(self._handle))

    async def create(self) -> bool:
        """Make the counter as it was declared; return False, and change nothing, if there is one.

        What was not declared is without bound, or one shard.
        """
        return await self._driver.run(self._operations.create(self._handle))

    async def configure(
        self,
        *,
        floor: int | Unchanged | None = KEEP,
        ceiling: int | Unchanged | None = KEEP,
        shards: int | Unchanged = KEEP,
        expected: CounterState | None = None,
    ) -> bool:
        """Make the counter, or change it while it is in use; return whether it was made.

        What is left out stays as it is; None takes a bound away. Nothing that was counted is lost.
        With `expected`, which `inspect` returned before, it is changed only if it is still so.
        Raises `CounterLimitExceeded` if the value is outside the new bounds, `CounterChanged`.
        """
        return await self._driver.run(
            self._operations.configure(self._handle, floor, ceiling, shards, expected)
        )

    async def reset(self, to: int | None = None, *, expected: CounterState | None = None) -> int:
        """Set the value (default: to where the counter starts) and return it.

        With `expected`, which `inspect` returned before, it is set only if the counter is still so.
        Raises `CounterLimitExceeded` if it is outside the bounds, `CounterChanged`.
        """
        return await self._driver.run(self._operations.reset(self._handle, to, expected))

    async def delete(self, *, expected: CounterState | None = None) -> bool:
        """Delete the counter; return False if there was none.

        With `expected`, which `inspect` returned before, it is deleted only if it is still so, else
        `CounterChanged` is raised. Idempotency keys are remembered beyond it.
        """
        return await self._driver.run(self._operations.delete(self._handle, expected))
