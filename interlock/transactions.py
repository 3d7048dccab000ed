"""Serializable transactions on any DynamoDB tables, retried, exactly-once on request."""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Concatenate, ParamSpec, TypeVar

from interlock._drivers.blocking.driver import Driver
from interlock._drivers.blocking.opening import open_driver
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
from interlock.metrics import Metrics

__all__ = ["Guard", "Transaction", "TransactionClient", "TransactionReport"]

P = ParamSpec("P")
R = TypeVar("R")

_DAY = timedelta(days=1)


class Transaction(Buffer):
    """What the function given to `TransactionClient.run` reads and writes with.

    Only for use inside that function and on its thread: `TransactionClosed` afterwards.
    """

    def __init__(self, driver: Driver, attempt: Attempt) -> None:
        super().__init__(attempt)
        self._driver = driver

    def get(self, table: str, key: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return an item, or None where there is none; own writes are seen.

        The commit goes through only if nobody has written the item in between. Raises `Throttled`
        or `ServiceUnavailable` when the transaction's time is over.
        """
        return self._driver.run(self._attempt.get(table, key))

    def get_many(
        self, targets: Sequence[tuple[str, Mapping[str, Any]]]
    ) -> list[dict[str, Any] | None]:
        """Return up to 100 items, given as (table, key), as they are at one instant."""
        return self._driver.run(self._attempt.get_many(targets))


class TransactionClient:
    """Runs functions as serializable transactions.

    The function may run more than once, so it should do nothing but read and write through the
    transaction that it is given. It runs again only when an item that it read was written by
    somebody else before the commit.

    `table` holds the records of idempotency keys (a `CoordinationTable`); transactions themselves
    work on any tables. `client` is a boto3 DynamoDB client; by default one is made, with timeouts
    of 1 and 2 seconds and no retries of its own. `timeout` (default 15 s, at most 5 minutes) and
    `attempts` (default 200) bound what all retries of one transaction may take together.
    `version_attribute` (default `_version`) is kept on every item that is written.
    `metrics` takes what each transaction took (`EmbeddedMetrics()`; default: nobody does), and
    `on_finish` is called with a `TransactionReport`; what they raise is not passed on. Safe to
    share between threads.
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
        self._driver = driver or open_driver(client)
        self._audience = Audience(table, metrics, on_finish)

    def run(
        self,
        function: Callable[[Transaction], R],
        *,
        idempotency_key: str | None = None,
        payload: Any = None,
        retention: timedelta = _DAY,
    ) -> R:
        """Run the function, commit what it wrote, and return its result.

        With an `idempotency_key` the transaction happens once: the key and the result are stored
        by the same commit for `retention` (default 24 hours), and every later call with the key
        returns that result without running the function. The result must then be something that
        DynamoDB can hold, and comes back as such (a tuple as a list). `payload` is what the key
        stands for; the same key with another payload is refused.

        Raises what the function raises, and then nothing is written; `ConditionFailed`,
        `TransactionConflict`, `TransactionTooLarge`, `ItemTooLarge`, `IdempotencyMismatch`,
        `InvalidValue`, `Throttled`, `ServiceUnavailable`, `AccessDenied`, `TableNotFound` or
        `RequestRefused`, with nothing written; `OutcomeUnknown` when a reply was lost for good,
        so that all or nothing is written (a call with the same `idempotency_key` finds out).
        """
        once = None
        if idempotency_key is not None:
            seconds = retention.total_seconds()
            once = Once.of(self._settings.table, idempotency_key, payload, seconds)
        work = Work(self._settings, once)
        try:
            committed = None
            while committed is None:
                committed = self._attempt(work, function)
        finally:
            if self._audience.listens:
                self._audience.tell(self._driver.run(work.report()))
        result: R = committed.value
        return result

    def transactional(self, function: Callable[Concatenate[Transaction, P], R]) -> Callable[P, R]:
        """Make a function run in a transaction, which it takes as its first argument.

        The caller leaves that argument out. The function may run more than once. Called inside
        another transaction, it runs as one of its own.
        """

        @functools.wraps(function)
        def transaction(*args: P.args, **kwargs: P.kwargs) -> R:
            return self.run(lambda t: function(t, *args, **kwargs))

        return transaction

    def snapshot(
        self, targets: Sequence[tuple[str, Mapping[str, Any]]]
    ) -> list[dict[str, Any] | None]:
        """Return up to 100 items, given as (table, key), as they all are at one instant.

        Raises `TransactionTooLarge` over 100, `TransactionConflict`, `Throttled` or
        `ServiceUnavailable` when the time is over. Source: TransactGetItems.
        """
        items = self._driver.run(snapshot(Patience(self._settings), targets))
        name = self._settings.version_attribute
        return [None if item is None else native(item, name) for item in items]

    def _attempt(self, work: Work, function: Callable[[Transaction], Any]) -> Committed | None:
        attempt = self._driver.run(work.begin())
        if isinstance(attempt, Committed):
            return attempt
        try:
            result = function(Transaction(self._driver, attempt))
        except Exception:
            if self._driver.run(work.failed(attempt)):
                return None
            raise
        if inspect.iscoroutine(result):
            result.close()
            raise TypeError("a coroutine function has done nothing yet: use interlock.aio")
        return self._driver.run(work.commit(attempt, result))
