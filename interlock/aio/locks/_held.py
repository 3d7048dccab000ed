"""The locks that a client holds: acquired, renewed, given back, and their losses reported."""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Protocol

from interlock._drivers.awaitable.background import call_back, current, linger, watch_exit
from interlock._drivers.awaitable.changes import Changes
from interlock._drivers.awaitable.driver import Driver
from interlock._drivers.awaitable.heartbeat import Heartbeat
from interlock._drivers.lifecycle import watch_forks
from interlock._drivers.lines import Lines
from interlock._drivers.load import RenewalLoad
from interlock._protocol.durations import patience
from interlock._protocol.kinds import optional_object, shown
from interlock._protocol.locks.acquire import Acquiring, Acquisition
from interlock._protocol.locks.client import LockOperations
from interlock._protocol.locks.grant import Grant
from interlock._protocol.locks.jobs import must_stay
from interlock._protocol.locks.lease import PERHAPS_OURS
from interlock._protocol.locks.settings import Cancel
from interlock._protocol.requests import Operation
from interlock.aio.locks._cancelling import cancellable
from interlock.aio.locks._giving_back import GivingBack
from interlock.aio.locks._lock import Lock, OnLost
from interlock.aio.locks._queue import Place, is_behind_its_own
from interlock.errors import (
    InvalidValue,
    LockClientClosed,
    LockWaitCancelled,
    LossReason,
    RenewalImpossible,
)
from interlock.metrics import LockMetrics

_log = logging.getLogger("interlock")
_CLOSING = 10.0  # seconds that closing takes at most
_BESIDE = 1 / 30  # of the lease: when a heartbeat is tried again that met an extension


class HeldLocks:
    """The locks of one client, kept by one heartbeat engine."""

    def __init__(
        self,
        operations: LockOperations,
        driver: Driver,
        on_lost: OnLost | None,
        metrics: LockMetrics,
    ) -> None:
        self.operations = operations
        self.table = operations.settings.table
        self.clock = driver.monotonic
        self.time_of_day = driver.time_of_day
        self.wall_clock = driver.environment.wall_clock
        self.wait = driver.wait  # for a change, by the same clock
        self.closed = False
        self._driver = driver
        self._on_lost = on_lost
        self._metrics = metrics
        self._at_once = driver.transport.at_once
        self._heartbeat = Heartbeat(self._renew, self._lapse, self._ended, self.clock)
        self._make_process()
        watch_forks(self)

    def _make_process(self) -> None:
        """Make what belongs to one process."""
        self._load = RenewalLoad(self._at_once)
        self._changes = Changes()
        self._giving_back = GivingBack(self.operations, self._driver, self._let_go)
        self._acquiring: set[Acquiring[Any]] = set()
        self._lines = Lines(self.operations.settings.poll)
        self._watched = False
        self._since: dict[Grant, float] = {}  # when it began to be held
        self._reserved: dict[Grant, Lock] = {}  # of jobs that have run, until their time is over

    def forked(self) -> None:
        """Hold nothing: this process is a copy of the holder, without its threads."""
        self.operations.forked()
        self._heartbeat.forked()
        self._make_process()

    async def take(
        self,
        acquisition: Acquiring[Any],
        data: Any = None,
        on_lost: OnLost | None = None,
        cancel: Cancel | None = None,
        kind: Callable[..., Lock] = Lock,
    ) -> list[Lock]:
        """Run an acquisition and hold what it is granted, as locks of a kind.

        Whatever goes wrong, and if the caller is cancelled or interrupted: what was granted, or
        may have been, is given back in the background. Raises `LockWaitCancelled` once `cancel` is
        set while nothing was granted.
        """
        if self.closed:
            raise LockClientClosed
        optional_object("cancel", cancel, ("is_set",), "an Event, which has is_set()")
        if cancel is not None and cancel.is_set():
            raise LockWaitCancelled
        # Waiting between two looks ends when the client is closed.
        pause = partial(self._pause, acquisition)
        waiting, place = self._driver.pausing(pause), None
        if isinstance(acquisition, Acquisition) and acquisition.waits:
            place = Place(self._lines, acquisition, self._driver, self._is_closed, cancel)
        elif cancel is not None:
            waiting = cancellable(self._driver, pause, cancel)
        self._see_to_the_end()
        acquiring = partial(waiting.run, acquisition.run()) if place is None else place.run
        undoing = None
        try:
            try:
                self._acquiring.add(acquisition)
                await acquiring()
                locks = [self.hold(grant, data, on_lost, kind) for grant in acquisition.granted]
            except BaseException:
                for grant in acquisition.granted:
                    grant.close()
                undoing = self._giving_back.undo(acquisition)
                self._metrics.not_acquired(acquisition)
                raise
            finally:
                self._acquired(acquisition, place)
        except BaseException:
            # Again, if that was interrupted: `close` waits for what is under way.
            self._acquired(acquisition, place)
            await linger(undoing)
            raise
        self._count(acquisition, locks)
        return locks

    def replan(self, grant: Grant) -> None:
        """See to a lock whose times have changed: they may be sooner than they were."""
        self._load.update(grant)
        self._heartbeat.remove(grant)
        self._heartbeat.add(grant)

    async def settle(self, name: str) -> None:
        """Give back a job's lock whose time is over, if that was not done yet."""
        for grant in list(self._reserved):
            if grant.name == name and grant.expired(self.clock()) and not grant.closed:
                grant.close()
                await self._giving_back.give_back(grant)

    async def reserve(self, lock: Lock) -> None:
        """Record the run of a job, whose lock stays taken for the rest of its time.

        Raises `LockLost`.
        """
        await self._giving_back.background.finish(partial(self._reserve, lock))

    async def adopt(self, exported: str) -> Lock:
        """Hold a lock that another client has let go of.

        A caller that is cancelled or interrupted leaves it to others.
        """
        if self.closed:
            raise LockClientClosed
        begun: list[Grant] = []
        taken = False
        try:
            grant = await self._driver.run(self.operations.adopt(exported, begun))
            taken = True
            return self.hold(grant, None)
        except BaseException as error:
            if taken or not isinstance(error, Exception):
                for grant in begun:
                    grant.close()
                    self._giving_back.start(grant)
            raise

    def hold(
        self,
        grant: Grant,
        data: Any,
        on_lost: OnLost | None = None,
        kind: Callable[..., Lock] = Lock,
    ) -> Lock:
        """Keep a lock that was granted.

        Raises `LockClientClosed`, `RenewalImpossible` and `TooManyLocks`.
        """
        if self.closed:
            raise LockClientClosed
        self._see_to_the_end()
        self._load.add(grant)
        lock = kind(self, grant, data, on_lost)
        self.operations.hold(grant, lock, current())
        try:
            self._heartbeat.add(grant)
        except RuntimeError as error:
            self._load.remove(grant)
            self.operations.let_go(grant)
            raise RenewalImpossible(grant.name) from error
        now = self.clock()
        self._lines.held(grant.name, grant, now)
        self._since[grant] = now
        return lock

    def _see_to_the_end(self) -> None:
        """Have what is held given back, and queues left, when this process ends."""
        if not self._watched:
            watch_exit(self)
            self._watched = True

    async def release(self, grant: Grant) -> bool:
        """Give a lock back; return whether it was still held, as far as can be known."""
        if grant.closed:
            return grant.loss in PERHAPS_OURS
        grant.close()  # before all else: whatever follows, it is never renewed again
        return await self._giving_back.release(grant)

    async def release_all(self, grants: Sequence[Grant]) -> list[Any]:
        """Give several locks back; return what `release` returns or raises for each."""
        own = [grant for grant in grants if not grant.closed]
        results: dict[Grant, Any] = {grant: grant.loss in PERHAPS_OURS for grant in grants}
        for grant in own:
            grant.close()
        ended = await self._giving_back.release_all(own)
        return [*(results | dict(zip(own, ended, strict=True))).values()]

    def released(self, grant: Grant) -> None:
        """Note that a lock was given back by a transaction."""
        grant.close()
        self._let_go(grant)

    def export(self, grant: Grant) -> str:
        """End a grant here, and return what another client adopts."""
        text = self.operations.export(grant)
        self._let_go(grant)
        return text

    def in_table(self, action: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return an action of a transaction in the names of the client's table."""
        translation = self._driver.translation
        return action if translation is None else translation.action(action)

    async def run(self, operation: Any) -> Any:
        """Run an operation that takes nothing."""
        return await self._driver.run(operation)

    async def close(self) -> None:
        """Give back all locks, whatever becomes of each, and end what waits for one."""
        end = self.clock() + _CLOSING
        self.closed = True
        self._changes.notify()
        self._lines.call_all()
        grants = self.operations.held
        for grant in grants:
            grant.close()
        staying = [grant for grant in grants if must_stay(grant, self.clock())]
        for grant in staying:
            self._let_go(grant)  # its lease lasts for the rest of its time
        leaving = [grant for grant in grants if grant not in staying]
        await self._giving_back.give_back_all(leaving, self.clock, end)
        # What is on the wire is given back when it comes.
        await self._changes.wait(lambda: not self._acquiring, end - self.clock())
        await self._giving_back.background.settle(end - self.clock())
        self._heartbeat.close()

    async def wait_for_loss(self, grant: Grant, timeout: timedelta | None) -> bool:
        """Wait until a lock is over, or the time is up; return whether it is lost."""

        def over() -> bool:
            return grant.closed or grant.expired(self.clock())

        await self.wait_until(over, lambda: grant.until, timeout)
        return grant.loss is not None

    async def wait_until(
        self,
        condition: Callable[[], bool],
        then: Callable[[], float],
        timeout: timedelta | None,
    ) -> bool:
        """Wait until a condition holds, asked at each change and at the time that `then` returns.

        Returns False if the time-out is over before. Only a wait that has one passes by the driver,
        whose clock may be a test's: the others are for what other threads or tasks do.
        """
        end = float("inf") if timeout is None else self.clock() + patience(timeout)
        wait = Changes.wait if timeout is None else self._driver.wait
        while not condition():
            now = self.clock()
            if now >= end:
                return False
            await wait(self._changes, condition, min(then(), end) - now)
        return True

    def notify(self) -> None:
        """Have those who wait ask again."""
        self._changes.notify()

    def _count(self, acquisition: Acquiring[Any], locks: list[Lock]) -> None:
        """Note what was acquired; of a job that is not to be run, nothing may be left."""
        if locks:
            self._metrics.acquired(acquisition, len(locks))
            return
        self._metrics.not_acquired(acquisition)
        self._giving_back.undo(acquisition)

    def _acquired(self, acquisition: Acquiring[Any], place: Place | None) -> None:
        """Note that an acquisition has ended, however it did."""
        self._acquiring.discard(acquisition)
        if place is not None:
            place.leave()
        if self.closed:
            self._changes.notify()

    async def _reserve(self, lock: Lock) -> None:
        grant = lock._grant  # noqa: SLF001 - of the same package
        self._reserved[grant] = lock
        self.operations.hold(grant, lock, None)  # its taker may wait for it, as others do
        await self._in_turn(grant, self.operations.reserve(grant))

    def _is_closed(self) -> bool:
        return self.closed

    async def _pause(self, acquisition: Acquiring[Any], pause: float) -> None:
        """Wait between looks at a lock that others hold."""
        is_for_its_own = is_behind_its_own(acquisition, self._acquiring, self._lines)
        wait = Changes.wait if is_for_its_own else self._driver.wait
        if await wait(self._changes, lambda: self.closed, pause):
            raise LockClientClosed

    async def extend(self, grant: Grant, lease: timedelta | None) -> None:
        """Renew a lock now, for a lease from now on; no heartbeat is made beside it."""
        await self._in_turn(grant, self.operations.extend(grant, lease))

    async def _in_turn(self, grant: Grant, operation: Operation[None]) -> None:
        """Run an operation that takes the place of a grant's heartbeats meanwhile."""
        while True:
            if grant.expired(self.clock()) or grant.closed:
                raise grant.error()
            try:
                grant.turn.pop()
                break
            except IndexError:
                await self.wait_until(
                    lambda: bool(grant.turn) or grant.over, lambda: grant.until, None
                )
        try:
            await self._driver.run(operation)
        finally:
            grant.turn.append(True)
            if grant.over:
                self._ended(grant)
            else:
                self.replan(grant)

    async def _renew(self, grant: Grant) -> None:
        """Send a heartbeat that is due, unless an extension takes its place."""
        now = self.clock()
        if now < grant.due and not grant.over:
            return
        try:
            grant.turn.pop()
        except IndexError:
            if not grant.expired(now):
                grant.due = min(now + grant.lease * _BESIDE, grant.until)
            return
        try:
            await self._driver.run(self.operations.renew(grant))
        finally:
            if not grant.over:
                self._load.took(self.clock() - now)
            grant.turn.append(True)
            self._changes.notify()

    def _lapse(self, grant: Grant) -> bool:
        """Return whether a lock is over, at the end of its lease by this client's clock."""
        return grant.expired(self.clock()) or grant.closed

    def _ended(self, grant: Grant) -> None:
        self._let_go(grant)
        # What a job has to record is written if the lock is still its own.
        wanted = grant.loss is LossReason.HELD_TOO_LONG or grant.run is not None
        if wanted and not grant.closed:
            grant.close()
            self._giving_back.start(grant)

    def _let_go(self, grant: Grant) -> None:
        """Renew a lock no more; if it is lost, report so, once."""
        self._heartbeat.remove(grant)
        self._load.remove(grant)
        lock = self.operations.let_go(grant)
        self._reserved.pop(grant, None)
        self._lines.freed(grant.name, grant, self.clock())
        self._changes.notify()
        error = grant.error() if grant.report_loss() else None
        if error is not None:
            _log.warning("%s", error)
        since = self._since.pop(grant, None)
        self._metrics.ended(
            None if since is None else self.clock() - since,
            lost=error is not None,
            broken=error is not None and error.reason is LossReason.BROKEN,
        )
        if lock is not None and error is not None:
            callbacks = [self._on_lost, lock._on_lost]  # noqa: SLF001 - of the same package
            call_back([one for one in callbacks if one is not None], lock, error.reason)


class AnyLockClient(Protocol):
    """A `LockClient`, of which elections and semaphores are made."""

    @property
    def _held(self) -> HeldLocks: ...


def held_of(locks: AnyLockClient) -> HeldLocks:
    """Return what a lock client holds; raise `InvalidValue` for what is none of this half."""
    held = getattr(locks, "_held", None)
    if isinstance(locks, type) or not isinstance(held, HeldLocks):
        way_out = "pass the LockClient itself, of the same half of the library"
        raise InvalidValue("locks", f"{shown(locks)} is none; {way_out}")
    return held
