"""Serializable transactions on any DynamoDB tables, retried, exactly-once on request.

The protocol is described in docs/transactions.md. Both halves of the library offer the same.
"""

import functools
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, overload

from interlock._drivers.awaitable.driver import Driver
from interlock._drivers.awaitable.functions import refuse_what_runs_later, result_of
from interlock._drivers.awaitable.opening import open_driver
from interlock._drivers.bounds import timeout_bound
from interlock._drivers.unshared import Unshared
from interlock._protocol.layout import TableLayout, checked_layout
from interlock._protocol.transactions.actions import Guard, Releasable
from interlock._protocol.transactions.attempt import Attempt
from interlock._protocol.transactions.client import (
    DAY,
    KeyedFunction,
    Targets,
    TransactionOperations,
)
from interlock._protocol.transactions.idempotency import Committed
from interlock._protocol.transactions.reporting import Observers, TransactionReport
from interlock._protocol.transactions.run import TransactionRun
from interlock._protocol.transactions.settings import Settings
from interlock.metrics import Metrics

if TYPE_CHECKING:
    from boto3.dynamodb.conditions import ConditionBase

__all__ = ["Guard", "Releasable", "Transaction", "TransactionClient", "TransactionReport"]

P = ParamSpec("P")
R = TypeVar("R")


class Transaction(Unshared):
    """The handle by which the function given to `TransactionClient.run` reads and writes.

    Only for use inside that function, by one thread or task at a time: `TransactionClosed`
    afterwards. Writes and demands wait for the commit: none of those calls reaches the store.

    A `condition` is one of boto3's (`Attr("balance").gte(5)`), and is judged by the store at the
    commit against the item as it was *before* this transaction. One that does not hold raises
    `ConditionFailed` from `run`, and nothing is written.
    """

    def __init__(self, driver: Driver, attempt: Attempt) -> None:
        self._driver = driver
        self._attempt = attempt

    async def get(self, table: str, key: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return an item, or None where there is none; own writes are seen.

        The commit goes through only if the item was not written in between. Raises `Throttled`
        or `ServiceUnavailable` when the transaction's time is over.
        """
        return await self._driver.run(self._attempt.get(table, key))

    async def get_many(
        self, targets: Sequence[tuple[str, Mapping[str, Any]]]
    ) -> list[dict[str, Any] | None]:
        """Return up to 100 items, given as (table, key), as they are at one instant."""
        return await self._driver.run(self._attempt.get_many(targets))

    def put(
        self,
        table: str,
        key: Mapping[str, Any],
        attributes: Mapping[str, Any],
        *,
        condition: "ConditionBase | None" = None,
    ) -> None:
        """Write a whole item: `key` and `attributes` (which may repeat the key).

        Raises `InvalidValue` for what DynamoDB cannot hold.
        """
        self._attempt.put(table, key, attributes, condition)

    def update(
        self,
        table: str,
        key: Mapping[str, Any],
        values: Mapping[str, Any] | None = None,
        *,
        add: Mapping[str, Any] | None = None,
        remove: Iterable[str] = (),
        condition: "ConditionBase | None" = None,
    ) -> None:
        """Change top-level attributes of an item, which is made if it is not there.

        `values` are set, numbers and sets in `add` are added to what is there, attributes named in
        `remove` go. Raises `InvalidValue` for what DynamoDB cannot hold or add.
        """
        self._attempt.update(
            table,
            key,
            values={} if values is None else values,
            add={} if add is None else add,
            remove=remove,
            condition=condition,
        )

    def delete(
        self, table: str, key: Mapping[str, Any], *, condition: "ConditionBase | None" = None
    ) -> None:
        """Delete an item; there need not be one."""
        self._attempt.delete(table, key, condition)

    def check(self, table: str, key: Mapping[str, Any], condition: "ConditionBase") -> None:
        """Commit only if the condition holds of an item, which is not written."""
        self._attempt.check(table, key, condition)

    def guard(self, lock: Guard) -> None:
        """Commit only if the lock is still held by this grant: `GuardFailed` if it is not.

        `GuardFailed` is a `LockLost`. For a guard that is not a lock it is a `ConditionFailed`.
        """
        self._attempt.guard(lock)

    def release(self, lock: Releasable) -> None:
        """Give the lock back with the commit, which goes through only if it is still held.

        In the place of `guard` and of `lock.release()`: one round trip less. If nothing is
        committed, the lock is held as before. Where the outcome is unknown it counts as given back,
        and ends with its lease if it was not. Raises as `guard` does, from `run`.
        """
        self._attempt.release(lock)


class TransactionClient(Unshared):
    """Runs functions as serializable transactions.

    The function may run more than once, so it should do nothing but read and write through the
    transaction that it is given. It runs again only when an item that it read was written by
    another client before the commit.

    `table` holds the records of idempotency keys (a `CoordinationTable`); transactions themselves
    work on any tables. `client` is an aiobotocore DynamoDB client (default: one of the library's
    own, with timeouts of 1 to 2 s). `timeout` (default 15 s, at most 5 minutes) and `attempts`
    (default 200) bound what one transaction may take in all, its retries included; no call is made
    or waited for when the time is over. `version_attribute` (default `_version`) is kept on every
    item that is written. `metrics` takes what each transaction took (`EmbeddedMetrics()`; default:
    nothing is reported), and `on_finish` is called with a `TransactionReport`; what they raise is
    not passed on. `unscoped_keys` is for the upgrade from versions in which idempotency keys did
    not belong to operations: docs/transactions.md. `layout` says what the table of the records
    calls its keys (default: as `create_table` makes it); it changes nothing for items of the
    transactions, whose keys are the caller's. Safe to share between threads and tasks, as far
    as `client` is.
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
        unscoped_keys: bool = True,
        layout: TableLayout | None = None,
    ) -> None:
        settings = Settings.of(
            table,
            timeout=timeout,
            attempts=attempts,
            version_attribute=version_attribute,
            layout=checked_layout(layout),
        )
        observers = Observers(table, metrics, on_finish)
        self._operations = TransactionOperations(settings, observers, unscoped_keys=unscoped_keys)
        self._driver = open_driver(client, bound=timeout_bound(settings.timeout))

    async def run(
        self,
        function: Callable[[Transaction], Awaitable[R]],
        *,
        idempotency_key: str | None = None,
        operation: str | None = None,
        payload: Any = None,
        retention: timedelta = DAY,
        reads: Targets = (),
    ) -> R:
        """Run the function, commit what it wrote, and return its result.

        With an `idempotency_key` the transaction happens once: the key and the result are stored
        by the same commit for `retention` (default 24 hours), and every later call with the key
        returns that result without running the function. The result must then be something that
        DynamoDB can hold, and comes back as such (a tuple as a list). A key belongs to an
        `operation`: by default the function's module and qualified name, so name it where the
        function may be renamed. `payload` is what the key stands for, and may hold floats, dates,
        UUIDs and the like, as it is only hashed; it is by default what a `functools.partial` has
        bound. The same key with another payload is refused, and so are `operation`, `payload` and
        `retention` without a key, as they would do nothing.

        `reads` names up to 98 items, as (table, key), that the function will read: one call reads
        them ahead, as they are at one instant, and the key with them. `get` and `get_many` then
        take them from there; what is not named is read as ever.

        Raises what the function raises, and then nothing is written; `ConditionFailed`,
        `TransactionConflict`, `TransactionTooLarge`, `ItemTooLarge`, `IdempotencyMismatch`,
        `InvalidValue`, `CorruptRecord`, `Throttled`, `ServiceUnavailable`, `AccessDenied`,
        `TableNotFound` or `RequestRefused`, with nothing written; `OutcomeUnknown` when a reply was
        lost for good, so that all or nothing is written, now or within minutes (a call with the
        same `idempotency_key` finds out).
        """
        once = self._operations.once(
            function, idempotency_key, operation=operation, payload=payload, retention=retention
        )
        run = self._operations.run(once, reads)
        try:
            committed = None
            while committed is None:
                committed = await self._attempt(run, function)
        finally:
            if self._operations.observers.enabled:
                self._operations.observers.notify(await self._driver.run(run.report()))
        result: R = committed.value
        return result

    @overload
    def transactional(
        self, function: Callable[Concatenate[Transaction, P], Awaitable[R]], /
    ) -> Callable[P, Awaitable[R]]: ...

    @overload
    def transactional(
        self,
        *,
        idempotency_key: str | None = None,
        operation: str | None = None,
        retention: timedelta = DAY,
        reads: Callable[..., Targets] | None = None,
    ) -> Callable[
        [Callable[Concatenate[Transaction, P], Awaitable[R]]], Callable[P, Awaitable[R]]
    ]: ...

    def transactional(
        self,
        function: Callable[..., Any] | None = None,
        *,
        idempotency_key: str | None = None,
        operation: str | None = None,
        retention: timedelta = DAY,
        reads: Callable[..., Targets] | None = None,
    ) -> Any:
        """Make a function run in a transaction, which it takes as its first argument.

        The caller leaves that argument out. The function may run more than once. Called inside
        another transaction, it runs as one of its own. For a method call `run`: `InvalidValue`.
        A generator function, and one of the other half, raise `TypeError`.

        `idempotency_key` names the parameter that carries the key, `operation` and `retention` are
        those of `run`; the payload is all the other arguments, those left out by their defaults:

            @transactions.transactional(idempotency_key="request_id")
            def transfer(tx, source, target, amount, *, request_id): ...

        `reads` is a function of the same arguments that returns what `run` takes.
        """

        def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
            keyed = KeyedFunction(function, idempotency_key, operation, retention, reads)
            refuse_what_runs_later(function)

            @functools.wraps(function)
            async def transaction(*args: Any, **kwargs: Any) -> Any:
                key, payload = keyed.key_and_payload(args, kwargs)
                run = functools.partial(
                    self.run,
                    lambda t: function(t, *args, **kwargs),
                    reads=keyed.reads(args, kwargs),
                )
                if key is None:
                    return await run()
                return await run(
                    idempotency_key=key,
                    operation=keyed.operation,
                    payload=payload,
                    retention=retention,
                )

            return transaction

        return decorate if function is None else decorate(function)

    async def snapshot(
        self, targets: Sequence[tuple[str, Mapping[str, Any]]]
    ) -> list[dict[str, Any] | None]:
        """Return up to 100 items, given as (table, key), as they all are at one instant.

        Raises `TransactionTooLarge` over 100, `TransactionConflict`, `Throttled` or
        `ServiceUnavailable` when the time is over. Source: TransactGetItems.
        """
        return await self._driver.run(self._operations.snapshot(targets))

    async def _attempt(
        self, run: TransactionRun, function: Callable[[Transaction], Awaitable[Any]]
    ) -> Committed | None:
        attempt = await self._driver.run(run.begin())
        if isinstance(attempt, Committed):
            return attempt
        try:
            result = await result_of(function(Transaction(self._driver, attempt)))
        except Exception as error:
            if await self._driver.run(run.failed(attempt, error)):
                return None
            raise
        try:
            return await self._driver.run(run.commit(attempt, result))
        finally:
            run.settle(attempt)
