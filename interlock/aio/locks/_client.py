"""The client that acquires locks."""

from collections.abc import Awaitable, Callable, Coroutine, Iterable
from datetime import timedelta
from functools import partial
from typing import Any, Literal, ParamSpec, Self, TypeVar, overload

from interlock._drivers.awaitable.acquiring import Acquiring
from interlock._drivers.awaitable.background import current
from interlock._drivers.awaitable.opening import open_driver
from interlock._drivers.bounds import lease_bound
from interlock._drivers.clocks import lease_clock
from interlock._drivers.environment import Environment
from interlock._drivers.owner import default_owner
from interlock._drivers.unshared import Unshared
from interlock._protocol.kinds import checked_metrics, checked_text, optional_function
from interlock._protocol.layout import TableLayout, checked_layout
from interlock._protocol.locks.acquire import Acquisition
from interlock._protocol.locks.client import LockOperations
from interlock._protocol.locks.deadlock import Deadlock
from interlock._protocol.locks.jobs import Job, Otherwise
from interlock._protocol.locks.reading import LockPage
from interlock._protocol.locks.settings import Cancel, Invocation, Settings, checked_name
from interlock._protocol.locks.state import JobRun, LockRecord
from interlock._wire.limits import CALL_TIMEOUT
from interlock.aio.locks._election import LeaderElection
from interlock.aio.locks._held import HeldLocks
from interlock.aio.locks._jobs import exclusive
from interlock.aio.locks._lock import ON_LOST, Lock, LockSet, OnLost
from interlock.aio.locks._readers import ReadWriteLock
from interlock.aio.locks._semaphore import Semaphore
from interlock.errors import LockTimeout
from interlock.metrics import LockMetrics, Metrics

P = ParamSpec("P")
R = TypeVar("R")


class LockClient(Unshared):
    """Acquires locks in a coordination table and keeps them by heartbeats.

    Safe to share, as far as `client` is; one a process is enough. Locks that are held when a
    blocking client's process ends are given back. A forked child, or a restored snapshot, holds
    nothing of what its original held.

    `lease` (default 20 s; 0.1 s to 30 days, in whole milliseconds) is for how long a lock stays
    held when its holder is gone; `heartbeat` (default a quarter of the lease) how often it is
    renewed; `poll` (default 0.5 s, jittered) how often a waiter looks. `owner` is shown to people
    (default host and process). `client` is any aiobotocore DynamoDB client; by default the library
    makes one of its own, with time-outs of 1 and 2 s. `on_lost(lock, reason)` is called once for
    each lock that is lost, at the end of its lease at the latest; it may block, and use this
    client. `metrics` receives lock metrics (default: none are recorded). `layout` says
    what the table calls its keys (default: as `create_table` makes it).

    A waiter takes over the lock of a dead holder after watching it for a lease. `max_clock_skew`
    lets it do so as soon as the lease is over by the wall clocks of both, which then must never
    differ by more than that: if they do, two may hold the lock, though never the same fence.

    Raises `LeaseTooShort`, `InvalidValue`.
    """

    def __init__(
        self,
        table: str,
        *,
        lease: timedelta = timedelta(seconds=20),
        heartbeat: timedelta | None = None,
        poll: timedelta = timedelta(milliseconds=500),
        owner: str | None = None,
        client: Any = None,
        max_clock_skew: timedelta | None = None,
        on_lost: OnLost | None = None,
        metrics: Metrics | None = None,
        layout: TableLayout | None = None,
    ) -> None:
        settings = Settings.of(
            table,
            lease=lease,
            heartbeat=heartbeat,
            poll=poll,
            max_clock_skew=max_clock_skew,
            call_timeout=CALL_TIMEOUT if client is None else 0.0,
        )
        if owner is not None:
            checked_text("owner", owner, wanted="a name that people know")
        optional_function("on_lost", on_lost, ON_LOST)
        checked_metrics(metrics)
        driver = open_driver(
            client,
            bound=lease_bound(settings.lease),
            layout=checked_layout(layout),
            environment=Environment(monotonic=lease_clock()),
        )
        self._operations = LockOperations(
            settings, default_owner if owner is None else lambda: owner
        )
        self._held = HeldLocks(self._operations, driver, on_lost, LockMetrics(table, metrics))

    def acquire(
        self,
        name: str,
        *,
        timeout: timedelta | None = None,
        lease: timedelta | None = None,
        data: Any = None,
        invocation: Invocation | None = None,
        on_lost: OnLost | None = None,
        cancel: Cancel | None = None,
        heartbeats: bool = True,
        max_hold: timedelta | None = None,
        fair: bool = False,
    ) -> Acquiring[Lock]:
        """Acquire a lock, waiting for it up to `timeout` (default: while the store answers).

        One round trip if it is free. `lease` replaces the client's for this lock; `data` (what
        DynamoDB can hold, up to 64 KB) is shown to others by `inspect` and `LockTimeout`; `on_lost`
        is called for this lock after the client's. An acquisition that is cancelled or interrupted
        leaves the lock to others.

        `invocation` is the `context` of a Lambda function, in which no thread runs between two
        invocations: the wait and the lease are cut to the time that is left of it, and the owner
        says its request id. A lease that was cut needs no heartbeat.

        `cancel`, an event with `is_set()`, ends the wait of this caller alone within 50 ms, or when
        a call that is under way has been answered; then `LockWaitCancelled` is raised, and nothing
        is held.

        Without `heartbeats` the lock is held for its lease, and for longer only by `Lock.extend`.
        `max_hold` is for how long it is held in all: then it is given back, whatever its holder
        does, and lost with `LossReason.HELD_TOO_LONG`.

        With `fair` it waits in the lock's queue: first come, first served over all processes, at a
        cost that does not grow with those who wait (docs/howto/fair.md).

        Raises `LockTimeout` with the holder; `LockAlreadyHeld` instead of letting a thread or task
        wait for itself; `InvalidLockName`, `LeaseTooShort`, `InvalidValue`; `TableNotFound`,
        `AccessDenied`, `RequestRefused`, `CorruptRecord`; `Throttled`, `TransactionConflict` or
        `ServiceUnavailable` when the store has not answered for 15 s or the time is up;
        `LockClientClosed`, `RenewalImpossible`, and `TooManyLocks` when it holds as many as it can
        renew in time; `QueueFull` if 100 wait in the queue already.
        """
        optional_function("on_lost", on_lost, ON_LOST)
        taking = partial(
            self._operations.acquire,
            name,
            timeout=timeout,
            lease=lease,
            data=data,
            invocation=invocation,
            heartbeats=heartbeats,
            max_hold=max_hold,
            fair=fair,
        )
        return Acquiring(lambda: self._acquire(taking, data, on_lost, cancel))

    async def try_acquire(
        self, name: str, *, lease: timedelta | None = None, data: Any = None
    ) -> Lock | None:
        """Acquire a lock if it is free, else return None; it never waits for a holder.

        A dead holder's lock is taken over by a later call, once this client has known it unchanged
        for a lease. Raises what `acquire` does, but `LockTimeout`.
        """
        try:
            return await self.acquire(name, timeout=timedelta(), lease=lease, data=data)
        except LockTimeout:
            return None

    async def acquire_all(
        self,
        names: Iterable[str],
        *,
        timeout: timedelta | None = None,
        lease: timedelta | None = None,
        data: Any = None,
        cancel: Cancel | None = None,
    ) -> LockSet:
        """Acquire up to 100 locks by one transaction: all of them, or none while it waits.

        Two round trips if they are free. Raises what `acquire` does, and `InvalidValue` for names
        that are not different, none, or too many.
        """
        acquisition = self._operations.acquire_all(
            names, timeout=timeout, lease=lease, data=data, taker=current()
        )
        return LockSet(await self._held.take(acquisition, data, cancel=cancel))

    async def adopt(self, exported: str) -> Lock:
        """Go on holding a lock that another process has let go of by `Lock.export`.

        Its fencing token stays; `data` is not handed over. Only the first to adopt it holds it. An
        adoption that is cancelled or interrupted gives it back.

        Raises `LockLost` if its lease ran out and another took it, or it was adopted before;
        `InvalidValue`, `AccessDenied`, `TableNotFound`, `Throttled`, `ServiceUnavailable`.
        """
        return await self._held.adopt(exported)

    async def inspect(self, name: str) -> LockRecord | None:
        """Return who holds a lock, None if it was never taken; a strongly consistent read.

        `name` may also be that of a semaphore's permit ("render#3").

        Raises `InvalidLockName`, `CorruptRecord`, `TableNotFound`, `AccessDenied`, `Throttled`,
        `ServiceUnavailable`.
        """
        record: LockRecord | None = await self._held.run(self._operations.inspect(name))
        return record

    async def break_lock(
        self, name: str, *, because: str, fencing_token: int | None = None
    ) -> LockRecord | None:
        """End the grant of a lock from outside, and return the lock's record after it.

        The fence rises and the lock is free: the holder's `guard()` fails from now on, and its next
        heartbeat reports the loss (`LossReason.BROKEN`); until then it may act as if it held
        the lock. `because` (1 to 500 characters) is recorded with this client's `owner`, and shown
        by `inspect` and to the next holder (`Lock.after_break`). With a `fencing_token` only the
        grant that has it is ended. `name` may also be that of a semaphore's permit ("render#3").
        A corrupt record is mended; a fence that cannot be read starts again at the time in
        milliseconds.

        Returns None if there was nothing to end: the lock is free, or that grant is over. Raises
        `InvalidLockName`, `InvalidValue`, `CorruptRecord` for a record of a newer version,
        `TableNotFound`, `AccessDenied`; `Throttled` or `ServiceUnavailable` after 5 s: then the
        grant may be ended, or yet be.
        """
        operation = self._operations.break_lock(name, because=because, fence=fencing_token)
        record: LockRecord | None = await self._held.run(operation)
        return record

    async def page(
        self, *, prefix: str = "", held: bool = False, after: str | None = None
    ) -> LockPage:
        """Return some of the locks, and permits, whose names begin with `prefix`, in no order.

        `held` leaves out those that are free; `after` is what the page before this one returned.
        Each page reads up to 1 MB of the table (a Scan, eventually consistent), whatever it finds:
        locks cost nothing more for being listed, so listing costs as much as the table is large.

        Raises `AccessDenied`, `TableNotFound`, `Throttled`, `ServiceUnavailable`.
        """
        found: LockPage = await self._held.run(self._operations.page(prefix, after, held=held))
        return found

    async def deadlocks(
        self, prefix: str = "", *, among: Iterable[LockRecord] | None = None
    ) -> tuple[Deadlock, ...]:
        """Return the deadlocks of locks whose names begin with `prefix`, the certain ones first.

        Holders that wait for each other's locks by `acquire(..., fair=True)`: waiters that are not
        fair are in no record. `Deadlock.certain` tells what is one from what may be one, by the
        names of its owners (docs/howto/fair.md). Each was there at a moment of this call: its locks
        are read twice, the second time consistently. Up to 100 are told, none of two with the same
        owners but a certain one; others show when the first is resolved.

        Reads the table as `page` does, all of it; or `among` the records of one's own listing, as
        `page` returned them, and then only the locks of what is found. Changes nothing.

        Raises `InvalidValue`, `AccessDenied`, `TableNotFound`, `Throttled`, `ServiceUnavailable`.
        """
        operation = self._operations.deadlocks(prefix, among)
        found: tuple[Deadlock, ...] = await self._held.run(operation)
        return found

    @overload
    def exclusive(
        self,
        name: str,
        *,
        at_least: timedelta = ...,
        at_most: timedelta | None = ...,
        otherwise: Literal["skip"] = ...,
    ) -> Callable[[Callable[P, Awaitable[R]]], Callable[P, Coroutine[Any, Any, R | None]]]: ...

    @overload
    def exclusive(
        self,
        name: str,
        *,
        at_least: timedelta = ...,
        at_most: timedelta | None = ...,
        otherwise: Literal["wait", "result"],
        timeout: timedelta | None = ...,
    ) -> Callable[[Callable[P, Awaitable[R]]], Callable[P, Coroutine[Any, Any, R]]]: ...

    def exclusive(
        self,
        name: str,
        *,
        at_least: timedelta = timedelta(),
        at_most: timedelta | None = None,
        otherwise: Otherwise = "skip",
        timeout: timedelta | None = None,
    ) -> Callable[[Callable[P, Awaitable[R]]], Callable[P, Coroutine[Any, Any, R | None]]]:
        """Make a coroutine function a job: of all callers in all processes one at a time runs it.

        `at_least` is for how long from its begin on no other run begins, also when the process
        dies: more than the clocks of the callers may differ. `at_most` (default: none) bounds a run
        as `max_hold` does: then another may begin. A caller that may not run it returns None
        ("skip"); runs it when it may ("wait"); or gets the result of the run that is under way, or
        that was the last and whose time is not over ("result": of a function without parameters).
        `timeout` bounds its wait.

        The lock of this name is held with heartbeats; `held(name)` is it, for its `guard()`. What
        the run returns, up to 16 KB of JSON, or raises is kept: see `last_run`.

        Decorating raises `InvalidLockName`, `InvalidValue`, and `TypeError` for a function of the
        other half. A call raises what `acquire` does; `LockLost` if the lock was lost before the
        end; with "result" `ResultNotKept`, and `JobFailed` for a run that has raised.
        """
        job = Job.of(
            self._operations.settings,
            name,
            at_least=at_least,
            at_most=at_most,
            otherwise=otherwise,
            timeout=timeout,
        )
        return partial(exclusive, self._held, job)

    async def last_run(self, name: str) -> JobRun | None:
        """Return the last run of a job that has ended, None if there is none.

        Kept for five weeks. Raises what `inspect` does.
        """
        record = await self.inspect(name)
        return None if record is None else record.last_run

    def held(self, name: str) -> Lock | None:
        """Return the lock of a name that this thread or task took and holds, None if there is none.

        Within a job: the lock of its run.
        """
        lock: Lock | None = self._operations.taken_by(current(), checked_name(name))
        return lock

    def semaphore(self, name: str, *, permits: int) -> Semaphore:
        """Return the semaphore of a name; as `Semaphore(locks, name, permits=permits)`."""
        return Semaphore(self, name, permits=permits)

    def read_write_lock(self, name: str, *, readers: int = 10) -> ReadWriteLock:
        """Return the readers-writer lock of a name; as `ReadWriteLock(locks, name, readers=10)`."""
        return ReadWriteLock(self, name, readers=readers)

    def election(self, name: str, **options: Any) -> LeaderElection:
        """Return the election of a name; as `LeaderElection(locks, name, ...)`."""
        return LeaderElection(self, name, **options)

    async def close(self) -> None:
        """Give back all locks, whatever becomes of each; end what waits for one.

        Takes 10 s at most; what could not be given back is logged and ends with its lease. Waits
        for acquisitions that are under way, which are given back, too. A second call does nothing.
        """
        await self._held.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _acquire(
        self,
        taking: Callable[..., Acquisition],
        data: Any,
        on_lost: OnLost | None,
        cancel: Cancel | None,
    ) -> Lock:
        (lock,) = await self._held.take(taking(taker=current()), data, on_lost, cancel)
        return lock
