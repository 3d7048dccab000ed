"""Keep the locks of a client: renew them, tell of their loss, give them back."""

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Self, TypeAlias

from interlock._drivers.blocking.driver import Driver
from interlock._drivers.gauge import Gauge
from interlock._drivers.heartbeat import Heartbeat
from interlock._drivers.lifecycle import watch_exit, watch_forks
from interlock._protocol.locks.grant import Grant
from interlock._protocol.locks.handing import export
from interlock._protocol.locks.held import Held
from interlock._protocol.locks.releasing import PATIENCE, release
from interlock._protocol.locks.renewing import renew
from interlock._protocol.locks.settings import Settings
from interlock.errors import InterlockError, LockLost, LossReason

_log = logging.getLogger("interlock")
_CLOSING = 10.0  # seconds that closing keeps trying


class Lock(Held):
    """A lock that is held; made by `LockClient.acquire`. Safe to share between threads.

    As a context manager it gives the lock back at the end. If the body ended well although the
    lock had been lost before its end, `LockLost` is raised: what the body did may have happened
    under another holder too. The body's own exception is never replaced.
    """

    __slots__ = ("__weakref__", "_keeping")

    def __init__(self, keeping: "Keeping", grant: Grant, data: Any) -> None:
        super().__init__(keeping.settings, grant, data, keeping.clock)
        self._keeping = keeping

    @property
    def lost(self) -> "Loss":
        """An event that is set when the lock is lost: `is_set()`, `wait(timeout)`."""
        return Loss(self._keeping, self._grant)

    def release(self) -> bool:
        """Give the lock back; return False if it is certain that it had been lost before.

        One round trip. It never touches the lock of a successor. A second call does nothing. Raises
        `Throttled`, `ServiceUnavailable` (after 5 s), `AccessDenied`, `RequestRefused`; then no
        heartbeat follows either, and the lock ends with its lease.
        """
        return self._keeping.release(self._grant)

    def export(self) -> str:
        """Let go of the lock without giving it back, and return what another process adopts.

        No heartbeat follows: who gets the text has the rest of the lease for `LockClient.adopt`.
        The fence goes with the lock, so `guard` cannot tell the heir's writes from this process's:
        whoever exports a lock writes nothing under it from then on.
        Raises `LockLost` if it is not held any more.
        """
        self.ensure()
        return self._keeping.export(self._grant)

    def __enter__(self) -> Self:
        self.ensure()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._grant.closed:
            return
        try:
            held = self.release()
        except InterlockError as problem:
            # What the body did was done under the lock, which now ends with its lease.
            _log.warning("lock %r could not be given back: %s", self.name, problem)
            return
        if not held and kind is None:
            raise self._grant.error()


OnLost: TypeAlias = Callable[[Lock, LossReason], None]


class LockSet(tuple[Lock, ...]):
    """Locks that were taken together, in the order of their names; gives all back at its end."""

    __slots__ = ()

    def release(self) -> bool:
        """Give all back; return False if it is certain of one that it had been lost before.

        Tries each, whatever becomes of the others, and then raises the first error.
        """
        held, errors = True, []
        for lock in self:
            try:
                held = lock.release() and held
            except InterlockError as error:
                errors.append(error)
        if errors:
            raise errors[0]
        return held

    def ensure(self) -> None:
        """Return if all are held at this moment, else raise `LockLost`."""
        for lock in self:
            lock.ensure()

    def __enter__(self) -> Self:
        self.ensure()
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        lost: list[LockLost] = []
        for lock in self:
            try:
                lock.__exit__(kind, *rest)
            except LockLost as error:
                lost.append(error)
        if lost:
            raise lost[0]


class Loss:
    """Whether a lock is lost, as an event that can be waited for."""

    __slots__ = ("_grant", "_keeping")

    def __init__(self, keeping: "Keeping", grant: Grant) -> None:
        self._keeping = keeping
        self._grant = grant

    def is_set(self) -> bool:
        """Say whether the lock is lost; true too if it is only now that its lease ran out."""
        return self._grant.expired(self._keeping.clock())

    def wait(self, timeout: timedelta | None = None) -> bool:
        """Wait until the lock is lost; return False if it was given back, or the time is up."""
        return self._keeping.wait_for_loss(self._grant, timeout)


class Keeping:
    """The locks that a client holds, and the thread that renews them."""

    def __init__(
        self,
        settings: Settings,
        make_driver: Callable[[], Driver],
        on_lost: OnLost | None,
        gauge: Gauge,
    ) -> None:
        self._gauge = gauge
        self.settings = settings
        self._make_driver = make_driver
        self._driver = make_driver()
        self.clock = self._driver.monotonic
        self._on_lost = on_lost
        self._locks: dict[Grant, tuple[Lock, OnLost | None]] = {}
        self._changed = threading.Condition()
        self._heartbeat = Heartbeat(self._beat, self.clock)
        self._watched = False

    def hold(self, grant: Grant, data: Any, on_lost: OnLost | None = None) -> Lock:
        """Keep a lock that was granted. Raises `LockClientClosed`, and gives it back."""
        lock = Lock(self, grant, data)
        self._locks[grant] = lock, on_lost
        try:
            if not self._watched:
                watch_forks(self)
                watch_exit(self)
                self._watched = True
            self._heartbeat.add(grant, grant.due)
        except BaseException:
            self._give_back(grant, PATIENCE)
            raise
        return lock

    def hold_all(self, grants: Sequence[Grant], data: Any) -> LockSet:
        """Keep locks that were granted together, or give all of them back."""
        locks: list[Lock] = []
        try:
            for grant in grants:
                locks.append(self.hold(grant, data))  # noqa: PERF401 - those so far are needed
        except BaseException:
            for grant in grants:
                self._give_back(grant, PATIENCE)
            raise
        return LockSet(locks)

    def export(self, grant: Grant) -> str:
        """End a grant here, and return what another process adopts."""
        text = export(grant)
        self._let_go(grant)
        return text

    def release(self, grant: Grant, patience: float = PATIENCE) -> bool:
        """Give a lock back; say whether it was still held, as far as can be told."""
        if grant.closed:
            return False
        try:
            return self._driver.run(release(self.settings, grant, patience))
        finally:
            self._let_go(grant)

    def close(self) -> None:
        """Give back all locks, whatever becomes of each."""
        deadline = self.clock() + _CLOSING
        for grant in self._heartbeat.close():
            left = deadline - self.clock()
            if left > 0:
                self._give_back(grant, min(PATIENCE, left))
            else:
                _log.warning("lock %r is left to end with its lease", grant.name)
                grant.close()
                self._let_go(grant)

    def forked(self) -> None:
        """Let go of everything in a forked child: it has neither the locks nor the thread."""
        for grant in self._locks:
            grant.loss, grant.told = LossReason.FORKED, True
        self._locks = {}
        self._watched = False
        self._driver = self._make_driver()
        self._changed = threading.Condition()
        self._heartbeat.reset()

    def wait_for_loss(self, grant: Grant, timeout: timedelta | None) -> bool:
        """Wait until a lock is lost, or given back, or the time is up; say whether it is lost."""
        end = float("inf") if timeout is None else self.clock() + timeout.total_seconds()
        with self._changed:
            while not grant.closed and not grant.expired(now := self.clock()):
                if now >= end:
                    return False
                self._changed.wait(min(grant.until, end) - now)
            return grant.loss is not None

    def _give_back(self, grant: Grant, patience: float) -> None:
        try:
            self.release(grant, patience)
        except Exception as problem:  # noqa: BLE001 - one failure is not to keep the others held
            _log.warning("lock %r could not be given back: %s", grant.name, problem)

    def _beat(self, grant: Grant) -> float | None:
        """Renew a lock; return when it is due again, None if it is over."""
        self._driver.run(renew(self.settings, grant))
        if not grant.over:
            return grant.due
        self._let_go(grant)
        return None

    def _let_go(self, grant: Grant) -> None:
        """Renew a lock no more; if it is lost, tell so, once."""
        self._heartbeat.remove(grant)
        with self._changed:
            lock, on_lost = self._locks.pop(grant, (None, None))
            tell = grant.loss is not None and not grant.told
            grant.told = grant.told or tell
            self._changed.notify_all()
        if not tell or lock is None:
            return
        error = grant.error()
        _log.warning("%s", error)
        self._gauge.lost()
        for tell_one in filter(None, (self._on_lost, on_lost)):
            try:
                tell_one(lock, error.reason)
            except Exception:  # noqa: BLE001 - the application's own, and it may raise anything
                _log.exception("on_lost of lock %r failed", grant.name)
