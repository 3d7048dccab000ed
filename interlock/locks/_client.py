"""The client that takes locks."""

import logging
import threading
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any, Self, TypeVar

from interlock._drivers.blocking.driver import Driver
from interlock._drivers.blocking.opening import open_transport
from interlock._drivers.clients import OWN_TIMEOUT, warn_of_timeouts
from interlock._drivers.clocks import lease_clock
from interlock._drivers.environment import Environment
from interlock._drivers.gauge import Gauge
from interlock._drivers.owner import default_owner
from interlock._protocol.locks.acquiring import Acquisition, Taking
from interlock._protocol.locks.grant import Grant
from interlock._protocol.locks.handing import adopt
from interlock._protocol.locks.reading import inspect
from interlock._protocol.locks.record import LockRecord
from interlock._protocol.locks.settings import Invocation, Settings, checked_name
from interlock._protocol.locks.sightings import Sightings
from interlock._protocol.locks.together import JointAcquisition
from interlock.errors import LockClientClosed, LockTimeout, LossReason
from interlock.locks._keeping import Keeping, Lock, LockSet
from interlock.metrics import Metrics

T = TypeVar("T")

_log = logging.getLogger("interlock")


class LockClient:
    """Takes locks in a coordination table and keeps them by heartbeats, all from one thread.

    Safe to share between threads; one a process is enough. Locks that are still held when the
    process ends are given back. In a forked child the parent's locks are not held.

    `lease` (default 20 s) is for how long a lock stays held when its holder is gone; `heartbeat`
    (default a quarter of the lease) how often it is renewed; `poll` (default 0.5 s, jittered) how
    often a waiter looks. `owner` is shown to people (default host and process). `client` is a boto3
    DynamoDB client; by default one is made, with timeouts of 1 and 2 s and no retries of its own.
    `on_lost(lock, reason)` is called once for each lock that is lost, on the heartbeat's thread.
    `metrics` (`EmbeddedMetrics()`; default: nobody) takes locks acquired, contended and lost, and
    the time that acquisitions took.

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
        on_lost: Callable[[Lock, LossReason], None] | None = None,
        metrics: Metrics | None = None,
        driver: Driver | None = None,
    ) -> None:
        if isinstance(client, Driver):
            client, driver = None, client
        self._settings = Settings.of(
            table,
            lease=lease,
            heartbeat=heartbeat,
            poll=poll,
            max_clock_skew=max_clock_skew,
            call_timeout=OWN_TIMEOUT if client is None and driver is None else 0.0,
        )
        self._owner = owner
        self._client = client
        self._injected = driver
        if client is not None:
            warn_of_timeouts(client, lease.total_seconds())
        self._closing = threading.Event()
        self._gauge = Gauge(table, metrics)
        self._keeping = Keeping(self._settings, self._make_driver, on_lost, self._gauge)

    def acquire(
        self,
        name: str,
        *,
        timeout: timedelta | None = None,
        lease: timedelta | None = None,
        data: Any = None,
        invocation: Invocation | None = None,
        on_lost: Callable[[Lock, LossReason], None] | None = None,
    ) -> Lock:
        """Take a lock, waiting for it up to `timeout` (default: for ever).

        One round trip if it is free. `lease` replaces the client's for this lock; `data` (what
        DynamoDB can hold) is shown to others by `inspect` and `LockTimeout`; `on_lost` is called
        for this lock after the client's.

        `invocation` is the `context` of a Lambda function, in which no thread runs between two
        invocations: the wait and the lease are cut to the time that is left of it, and the owner
        says its request id. A lease that was cut needs no heartbeat.

        Raises `LockTimeout` with the holder; `InvalidLockName`, `LeaseTooShort`, `InvalidValue`;
        `TableNotFound`, `AccessDenied`, `RequestRefused`; `Throttled` or `ServiceUnavailable` when
        the store has not answered for 15 s or the time is up; `LockClientClosed`.
        """

        def make(settings: Settings, owner: str, sightings: Sightings) -> Acquisition:
            wish = settings.wish(
                name, owner=owner, timeout=timeout, lease=lease, data=data, invocation=invocation
            )
            return Acquisition(settings, wish, sightings)

        return self.take(make, data, on_lost)

    def try_acquire(
        self, name: str, *, lease: timedelta | None = None, data: Any = None
    ) -> Lock | None:
        """Take a lock if it is free, else return None; it never waits for a holder.

        A dead holder's lock is taken over by a later call, once this client has known it unchanged
        for a lease. Raises what `acquire` does, but `LockTimeout`.
        """
        try:
            return self.acquire(name, timeout=timedelta(), lease=lease, data=data)
        except LockTimeout:
            return None

    def acquire_all(
        self,
        names: Iterable[str],
        *,
        timeout: timedelta | None = None,
        lease: timedelta | None = None,
        data: Any = None,
    ) -> LockSet:
        """Take up to 100 locks by one transaction: all of them, or none while it waits.

        Two round trips if they are free. Raises what `acquire` does, and `InvalidValue` for names
        that are not different, none, or too many.
        """
        self._check_open()
        owner = self._owner or default_owner()
        wishes = [
            self._settings.wish(name, owner=owner, timeout=timeout, lease=lease, data=data)
            for name in names
        ]
        acquisition = JointAcquisition(self._settings, wishes, self._sightings)
        grants = self._take(acquisition)
        self._gauge.acquired(acquisition, len(grants))
        return self._keeping.hold_all(grants, data)

    def adopt(self, exported: str) -> Lock:
        """Go on holding a lock that another process has let go of by `Lock.export`.

        Its fencing token stays; `data` is not handed over. Only the first to adopt it holds it.
        Raises `LockLost` if its lease ran out and another took it, or it was adopted before;
        `InvalidValue`, `AccessDenied`, `TableNotFound`, `Throttled`, `ServiceUnavailable`.
        """
        self._check_open()
        return self._keeping.hold(self._driver.run(adopt(self._settings, exported)), None)

    def release(self, lock: Lock) -> bool:
        """Give a lock back; as `Lock.release`."""
        return lock.release()

    def inspect(self, name: str) -> LockRecord | None:
        """Return who holds a lock, None if it was never taken; a strongly consistent read.

        Raises `InvalidLockName`, `TableNotFound`, `AccessDenied`, `Throttled`,
        `ServiceUnavailable`.
        """
        return self._driver.run(inspect(self._settings, checked_name(name)))

    def close(self) -> None:
        """Give back all locks, whatever becomes of each; end what waits for one.

        Takes about 10 s at most; what could not be given back is logged and ends with its lease. A
        second call does nothing.
        """
        self._closing.set()
        self._keeping.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _make_driver(self) -> Driver:
        """Make what belongs to one process: again in a forked child, for its own connections."""
        closed, self._closing = self._closing.is_set(), threading.Event()
        if closed:
            self._closing.set()
        self._sightings = Sightings()
        if self._injected is not None:
            self._driver = self._injected
            return self._driver
        transport, environment = open_transport(self._client), Environment(monotonic=lease_clock())
        self._driver = Driver(transport, environment=environment, sleep=self._sleep)
        return Driver(transport, environment=environment)

    def _sleep(self, seconds: float) -> None:
        """Wait between looks at a lock that others hold, until this client is closed."""
        if self._closing.wait(seconds):
            raise LockClientClosed

    def take(
        self,
        make: Callable[[Settings, str, Sightings], Taking[Grant]],
        data: Any = None,
        on_lost: Callable[[Lock, LossReason], None] | None = None,
    ) -> Lock:
        """Take a lock by another kind of acquisition; what semaphores and their like are made of.

        `make` gets the settings, the owner and what this client has seen of others' locks.
        """
        self._check_open()
        acquisition = make(self._settings, self._owner or default_owner(), self._sightings)
        grant = self._take(acquisition)
        self._gauge.acquired(acquisition)
        return self._keeping.hold(grant, data, on_lost)

    def _check_open(self) -> None:
        if self._closing.is_set():
            raise LockClientClosed

    def _take(self, acquisition: Taking[T]) -> T:
        """Run an acquisition; give back what one that fails may have been granted."""
        try:
            return self._driver.run(acquisition.run())
        except BaseException:
            self._gauge.not_acquired(acquisition)
            self._abandon(acquisition)
            raise

    def _abandon(self, acquisition: Taking[Any]) -> None:
        try:
            self._driver.run(acquisition.abandon())
        except Exception:  # noqa: BLE001 - the caller gets the error that came first
            _log.debug("an acquisition could not be abandoned", exc_info=True)
