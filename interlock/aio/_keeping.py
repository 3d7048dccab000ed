"""Keep the locks of an asyncio client: renew them, tell of their loss, give them back."""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Self, TypeAlias

from interlock._drivers.awaitable.driver import Driver
from interlock._drivers.gauge import Gauge
from interlock._protocol.locks.acquiring import Taking
from interlock._protocol.locks.grant import Grant
from interlock._protocol.locks.handing import export
from interlock._protocol.locks.held import Held
from interlock._protocol.locks.releasing import PATIENCE, release
from interlock._protocol.locks.renewing import renew
from interlock._protocol.locks.settings import Settings
from interlock.errors import InterlockError, LockClientClosed, LossReason

_log = logging.getLogger("interlock")


class Lock(Held):
    """A lock that is held, as `interlock.Lock`; for `async with`."""

    __slots__ = ("__weakref__", "_keeping")

    def __init__(self, keeping: "Keeping", grant: Grant, data: Any) -> None:
        super().__init__(keeping.settings, grant, data, keeping.clock)
        self._keeping = keeping

    @property
    def lost(self) -> "Loss":
        """An event that is set when the lock is lost: `is_set()`, `await wait(timeout)`."""
        return Loss(self._keeping, self._grant)

    async def release(self) -> bool:
        """Give the lock back; as the blocking `Lock.release`."""
        return await self._keeping.release(self._grant)

    def export(self) -> str:
        """Let go of the lock for another process to adopt; as the blocking `Lock.export`."""
        self.ensure()
        return self._keeping.export(self._grant)

    async def __aenter__(self) -> Self:
        self.ensure()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._grant.closed:
            return
        try:
            held = await self.release()
        except InterlockError as problem:
            # What the body did was done under the lock, which now ends with its lease.
            _log.warning("lock %r could not be given back: %s", self.name, problem)
            return
        if not held and kind is None:
            raise self._grant.error()


OnLost: TypeAlias = Callable[[Lock, LossReason], Awaitable[None] | None]


class LockSet(tuple[Lock, ...]):
    """Locks that were taken together, in the order of their names; gives all back at its end."""

    __slots__ = ()

    async def release(self) -> bool:
        """Give all back; as the blocking `LockSet.release`."""
        results = await asyncio.gather(*(lock.release() for lock in self), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return all(results)

    def ensure(self) -> None:
        """Return if all are held at this moment, else raise `LockLost`."""
        for lock in self:
            lock.ensure()

    async def __aenter__(self) -> Self:
        self.ensure()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        ends = (lock.__aexit__(kind, *rest) for lock in self)
        for result in await asyncio.gather(*ends, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result


class Loss:
    """Whether a lock is lost, as an event that can be awaited."""

    __slots__ = ("_grant", "_keeping")

    def __init__(self, keeping: "Keeping", grant: Grant) -> None:
        self._keeping = keeping
        self._grant = grant

    def is_set(self) -> bool:
        """Say whether the lock is lost; true too if it is only now that its lease ran out."""
        return self._grant.expired(self._keeping.clock())

    async def wait(self, timeout: timedelta | None = None) -> bool:  # noqa: ASYNC109 - as blocking
        """Wait until the lock is lost; return False if it was given back, or the time is up."""
        return await self._keeping.wait_for_loss(self._grant, timeout)


class Keeping:
    """The locks that a client holds. Each has a timer of the event loop, and a task when due."""

    def __init__(
        self,
        settings: Settings,
        driver: Driver,
        on_lost: OnLost | None,
        gauge: Gauge,
    ) -> None:
        self._gauge = gauge
        self.settings = settings
        self.clock = driver.monotonic
        self._driver = driver
        self._on_lost = on_lost
        self._locks: dict[Grant, tuple[Lock, OnLost | None]] = {}
        self._timers: dict[Grant, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._closed = False

    async def hold(self, grant: Grant, data: Any, on_lost: OnLost | None = None) -> Lock:
        """Keep a lock that was granted. Raises `LockClientClosed`, and gives it back."""
        if self._closed:
            await self._give_back(grant)
            raise LockClientClosed
        lock = Lock(self, grant, data)
        self._locks[grant] = lock, on_lost
        self._schedule(grant, grant.due)
        return lock

    def export(self, grant: Grant) -> str:
        """End a grant here, and return what another process adopts."""
        text = export(grant)
        self._let_go(grant)
        return text

    async def release(self, grant: Grant) -> bool:
        """Give a lock back; say whether it was still held, as far as can be told."""
        if grant.closed:
            return False
        # A body that was cancelled still gives its lock back, although nobody waits for it.
        return await asyncio.shield(self.start(self._release(grant)))

    async def close(self) -> None:
        """Give back all locks, whatever becomes of each."""
        self._closed = True
        await asyncio.gather(*(self._give_back(grant) for grant in list(self._locks)))

    async def wait_for_loss(self, grant: Grant, timeout: timedelta | None) -> bool:  # noqa: ASYNC109
        """Wait until a lock is lost, or given back, or the time is up; say whether it is lost."""
        end = float("inf") if timeout is None else self.clock() + timeout.total_seconds()
        while not grant.closed and not grant.expired(now := self.clock()):
            if now >= end:
                return False
            try:
                async with asyncio.timeout(min(grant.until, end) - now):
                    await self._changed.wait()
            except TimeoutError:
                continue
        return grant.loss is not None

    def start(self, work: Any) -> "asyncio.Task[Any]":
        """Start a task, and keep it from being collected before its end."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def abandon(self, acquisition: Taking[Any]) -> None:
        """Give back what may have been granted although its answer was lost, or not waited for."""
        try:
            await self._driver.run(acquisition.abandon())
        except Exception:  # noqa: BLE001 - the caller has got the error that came first
            _log.debug("an acquisition could not be abandoned", exc_info=True)

    async def _release(self, grant: Grant) -> bool:
        try:
            return await self._driver.run(release(self.settings, grant, PATIENCE))
        finally:
            self._let_go(grant)

    async def _give_back(self, grant: Grant) -> None:
        try:
            await self.release(grant)
        except Exception as problem:  # noqa: BLE001 - one failure is not to keep the others held
            _log.warning("lock %r could not be given back: %s", grant.name, problem)

    def _schedule(self, grant: Grant, due: float) -> None:
        loop = asyncio.get_running_loop()
        delay = max(0.0, due - self.clock())
        self._timers[grant] = loop.call_later(delay, lambda: self.start(self._beat(grant)))

    async def _beat(self, grant: Grant) -> None:
        try:
            await self._driver.run(renew(self.settings, grant))
        except Exception:  # noqa: BLE001 - whatever it is, the lock is not to die of it unseen
            _log.exception("a heartbeat failed unexpectedly; it goes on")
            grant.due = self.clock() + 1.0
        if grant.over:
            self._let_go(grant)
        elif grant in self._locks:
            self._schedule(grant, grant.due)

    def _let_go(self, grant: Grant) -> None:
        """Renew a lock no more; if it is lost, tell so, once."""
        timer = self._timers.pop(grant, None)
        if timer is not None:
            timer.cancel()
        lock, on_lost = self._locks.pop(grant, (None, None))
        self._changed.set()
        self._changed = asyncio.Event()
        if grant.loss is None or grant.told or lock is None:
            return
        grant.told = True
        error = grant.error()
        _log.warning("%s", error)
        self._gauge.lost()
        for tell_one in filter(None, (self._on_lost, on_lost)):
            self.start(_tell(tell_one, lock, error.reason))


async def _tell(tell_one: OnLost, lock: Lock, reason: LossReason) -> None:
    try:
        told = tell_one(lock, reason)
        if inspect.isawaitable(told):
            await told
    except Exception:  # noqa: BLE001 - the application's own, and it may raise anything
        _log.exception("on_lost of lock %r failed", lock.name)
