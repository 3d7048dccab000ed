"""Serializable transactions on any DynamoDB tables, awaitable."""

import functools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Concatenate, ParamSpec, TypeVar

from interlock._drivers.awaitable.driver import Driver
from interlock._drivers.awaitable.opening import open_driver
from interlock._protocol.transactions.attempt import Attempt
from interlock._protocol.transactions.buffer import Buffer
from interlock._protocol.transactions.guards import Guard
from interlock._protocol.transactions.idempotency import Committed, Once
from interlock._protocol.transactions.items import native
from interlock._protocol.transactions.reads import snapshot
from interlock._protocol.transactions.reporting import Audience, TransactionReport
from interlock._protocol.transactions.sending import Patience
from interlock._protocol.transactions.settings import Settings
from interlock._protocol.transactions.work import Work
from interlock.errors import InvalidValue
from interlock.metrics import Metrics

__all__ = ["Guard", "Transaction", "TransactionClient", "TransactionReport"]

P = ParamSpec("P")
R = TypeVar("R")

_DAY = timedelta(days=1)


class Transaction(Buffer):
    """What the coroutine given to `TransactionClient.run` reads and writes with.

    Reads are awaited; writes only wait for the commit, so there is nothing to await in them.
    """

    def __init__(self, driver: Driver, attempt: Attempt) -> None:
        super().__init__(attempt)
        self._driver = driver

    async def get(self, table: str, key: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return an item, or None; as the blocking `Transaction.get`."""
        return await self._driver.run(self._attempt.get(table, key))

    async def get_many(
        self, targets: Sequence[tuple[str, Mapping[str, Any]]]
    ) -> list[dict[str, Any] | None]:
        """Return up to 100 items at one instant; as the blocking `Transaction.get_many`."""
        return await self._driver.run(self._attempt.get_many(targets))


class TransactionClient:
    """Runs coroutines as serializable transactions; they may run more than once.

    `client` is an aiobotocore DynamoDB client, best made with `retries={"total_max_attempts": 1}`
    and timeouts of a second or two. All else is as in `interlock.TransactionClient`. Cancelling a
    transaction during its commit leaves all of it or nothing written.
    """

    def __init__(
        self,
        table: str,
        *,
        client: Any = None,
        timeout: timedelta = timedelta(seconds=15),
        attempts: int = 200,
        version_attribute: str = "_version",
        metrics: Metrics | None = None,
        on_finish: Callable[[TransactionReport], None] | None = None,
        driver: Driver | None = None,
    ) -> None:
        self._settings = Settings.of(
            table, timeout=timeout, attempts=attempts, version_attribute=version_attribute
        )
        if client is None and driver is None:
            raise InvalidValue(
                "client", "is needed: aiobotocore makes clients in `async with` only"
            )
        self._driver = driver or open_driver(client)
        self._audience = Audience(table, metrics, on_finish)

    async def run(
        self,
        function: Callable[[Transaction], Awaitable[R]],
        *,
        idempotency_key: str | None = None,
        payload: Any = None,
        retention: timedelta = _DAY,
    ) -> R:
        """Run the coroutine function, commit what it wrote, and return its result.

        Arguments and errors are those of the blocking `TransactionClient.run`.
        """
        once = None
        if idempotency_key is not None:
            seconds = retention.total_seconds()
            once = Once.of(self._settings.table, idempotency_key, payload, seconds)
        work = Work(self._settings, once)
        try:
            committed = None
            while committed is None:
                committed = await self._attempt(work, function)
        finally:
            if self._audience.listens:
                self._audience.tell(await self._driver.run(work.report()))
        result: R = committed.value
        return result

    def transactional(
        self, function: Callable[Concatenate[Transaction, P], Awaitable[R]]
    ) -> Callable[P, Awaitable[R]]:
        """Make a coroutine function run in a transaction, which it takes as first argument."""

        @functools.wraps(function)
        async def transaction(*args: P.args, **kwargs: P.kwargs) -> R:
            return await self.run(lambda t: function(t, *args, **kwargs))

        return transaction

    async def snapshot(
        self, targets: Sequence[tuple[str, Mapping[str, Any]]]
    ) -> list[dict[str, Any] | None]:
        """Return up to 100 items at one instant; as the blocking `TransactionClient.snapshot`."""
        items = await self._driver.run(snapshot(Patience(self._settings), targets))
        name = self._settings.version_attribute
        return [None if item is None else native(item, name) for item in items]

    async def _attempt(
        self, work: Work, function: Callable[[Transaction], Awaitable[Any]]
    ) -> Committed | None:
        attempt = await self._driver.run(work.begin())
        if isinstance(attempt, Committed):
            return attempt
        try:
            result = await function(Transaction(self._driver, attempt))
        except Exception:
            if await self._driver.run(work.failed(attempt)):
                return None
            raise
        return await self._driver.run(work.commit(attempt, result))
