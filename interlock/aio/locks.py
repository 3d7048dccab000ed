"""Distributed locks on DynamoDB, awaitable; the protocol is that of `interlock.locks`."""

import asyncio
from collections.abc import Callable, Coroutine, Generator, Iterable
from datetime import timedelta
from typing import Any, Self, TypeVar

from interlock._drivers.awaitable.driver import Driver
from interlock._drivers.awaitable.opening import open_driver
from interlock._drivers.clients import warn_of_timeouts
from interlock._drivers.clocks import lease_clock
from interlock._drivers.environment import Environment
from interlock._drivers.gauge import Gauge
from interlock._drivers.owner import default_owner
from interlock._protocol.locks.acquiring import Acquisition, Taking
from interlock._protocol.locks.grant import Grant
from interlock._protocol.locks.handing import adopt
from interlock._protocol.locks.reading import inspect
from interlock._protocol.locks.record import LockRecord
from interlock._protocol.locks.settings import Settings, checked_name
from interlock._protocol.locks.sightings import Sightings
from interlock._protocol.locks.together import JointAcquisition
from interlock.aio._election import LeaderElection
from interlock.aio._keeping import Keeping, Lock, LockSet, Loss, OnLost
from interlock.aio._semaphore import Semaphore
from interlock.errors import InvalidValue, LockClientClosed, LockTimeout, LossReason
from interlock.metrics import Metrics

__all__ = [
    "LeaderElection",
    "Lock",
    "LockClient",
    "LockRecord",
    "LockSet",
    "Loss",
    "LossReason",
    "Semaphore",
]

T = TypeVar("T")


class LockClient:
    """Takes locks in a coordination table and keeps them by heartbeats on the running loop.

    For the tasks of one loop. `client` is an aiobotocore DynamoDB client, best made with
    `retries={"total_max_attempts": 1}` and timeouts of a second or two. `on_lost(lock, reason)` may
    be a coroutine function. All else is as in `interlock.LockClient`.

        async with LockClient("coordination", client=client) as locks:
            async with locks.acquire("orders/42") as lock:     # or: lock = await locks.acquire(...)
                ...
    """

    def __init__(
        self,
        table: str,
        *,
        client: Any = None,
        lease: timedelta = timedelta(seconds=20),
        heartbeat: timedelta | None = None,
        poll: timedelta = timedelta(milliseconds=500),
        owner: str | None = None,
        max_clock_skew: timedelta | None = None,
        on_lost: OnLost | None = None,
        metrics: Metrics | None = None,
        driver: Driver | None = None,
    ) -> None:
        if client is None and driver is None:
            raise InvalidValue(
                "client", "is needed: aiobotocore makes clients in `async with` only"
            )
        self._settings = Settings.of(
            table,
            lease=lease,
            heartbeat=heartbeat,
            poll=poll,
            max_clock_skew=max_clock_skew,
            call_timeout=0.0,
        )
        if client is not None:
            warn_of_timeouts(client, lease.total_seconds())
        environment = Environment(monotonic=lease_clock())
        patient = driver or open_driver(client, environment=environment)
        self._driver = driver or open_driver(client, environment=environment, sleep=self._sleep)
        self._owner = owner
        self._closing = asyncio.Event()
        self._sightings = Sightings()
        self._gauge = Gauge(table, metrics)
        self._keeping = Keeping(self._settings, patient, on_lost, self._gauge)

    def acquire(
        self,
        name: str,
        *,
        timeout: timedelta | None = None,
        lease: timedelta | None = None,
        data: Any = None,
        on_lost: OnLost | None = None,
    ) -> "Acquiring":
        """Take a lock, by `await` or `async with`; as the blocking `LockClient.acquire`.

        An acquisition that is cancelled leaves the lock to others.
        """

        def make(settings: Settings, owner: str, sightings: Sightings) -> Acquisition:
            wish = settings.wish(name, owner=owner, timeout=timeout, lease=lease, data=data)
            return Acquisition(settings, wish, sightings)

        return self.acquiring(make, data, on_lost)

    def acquiring(
        self,
        make: Callable[[Settings, str, Sightings], Taking[Grant]],
        data: Any = None,
        on_lost: OnLost | None = None,
    ) -> "Acquiring":
        """Take a lock by another kind of acquisition; as the blocking `LockClient.take`."""
        return Acquiring(lambda: self._take(make, data, on_lost))

    async def try_acquire(
        self, name: str, *, lease: timedelta | None = None, data: Any = None
    ) -> Lock | None:
        """Take a lock if it is free, else return None; as the blocking `try_acquire`."""
        try:
            return await self.acquire(name, timeout=timedelta(), lease=lease, data=data)
        except LockTimeout:
            return None

    async def acquire_all(
        self,
        names: Iterable[str],
        *,
        timeout: timedelta | None = None,  # noqa: ASYNC109 - judged within the operation
        lease: timedelta | None = None,
        data: Any = None,
    ) -> LockSet:
        """Take up to 100 locks by one transaction; as the blocking `LockClient.acquire_all`."""
        self._check_open()
        owner = self._owner or default_owner()
        wishes = [
            self._settings.wish(name, owner=owner, timeout=timeout, lease=lease, data=data)
            for name in names
        ]
        acquisition = JointAcquisition(self._settings, wishes, self._sightings)
        grants = await self._run(acquisition)
        self._gauge.acquired(acquisition, len(grants))
        return LockSet([await self._keeping.hold(grant, data) for grant in grants])

    async def adopt(self, exported: str) -> Lock:
        """Go on holding an exported lock; as the blocking `LockClient.adopt`."""
        self._check_open()
        grant = await self._driver.run(adopt(self._settings, exported))
        return await self._keeping.hold(grant, None)

    async def release(self, lock: Lock) -> bool:
        """Give a lock back; as `Lock.release`."""
        return await lock.release()

    async def inspect(self, name: str) -> LockRecord | None:
        """Return who holds a lock; as the blocking `LockClient.inspect`."""
        return await self._driver.run(inspect(self._settings, checked_name(name)))

    async def close(self) -> None:
        """Give back all locks, whatever becomes of each; end what waits for one."""
        self._closing.set()
        await self._keeping.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _take(
        self,
        make: Callable[[Settings, str, Sightings], Taking[Grant]],
        data: Any,
        on_lost: OnLost | None,
    ) -> Lock:
        self._check_open()
        acquisition = make(self._settings, self._owner or default_owner(), self._sightings)
        grant = await self._run(acquisition)
        self._gauge.acquired(acquisition)
        return await self._keeping.hold(grant, data, on_lost)

    def _check_open(self) -> None:
        if self._closing.is_set():
            raise LockClientClosed

    async def _run(self, acquisition: Taking[T]) -> T:
        """Run an acquisition; have what one that fails may have been granted given back."""
        try:
            return await self._driver.run(acquisition.run())
        except BaseException:
            self._gauge.not_acquired(acquisition)
            # Not waited for: a cancelled caller goes on at once.
            self._keeping.start(self._keeping.abandon(acquisition))
            raise

    async def _sleep(self, seconds: float) -> None:
        """Wait between looks at a lock that others hold, until this client is closed."""
        try:
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        except TimeoutError:
            return
        raise LockClientClosed


class Acquiring:
    """An acquisition that has not begun: `await` it for the lock, or hold it by `async with`."""

    def __init__(self, begin: Callable[[], Coroutine[Any, Any, Lock]]) -> None:
        self._begin = begin
        self._lock: Lock | None = None

    def __await__(self) -> Generator[Any, None, Lock]:
        return self._begin().__await__()

    async def __aenter__(self) -> Lock:
        self._lock = await self
        return await self._lock.__aenter__()

    async def __aexit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if self._lock is not None:
            await self._lock.__aexit__(kind, *rest)
