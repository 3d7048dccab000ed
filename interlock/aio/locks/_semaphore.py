"""Limit how many hold something at a time."""

from datetime import timedelta
from typing import Any

from interlock._drivers.awaitable.acquiring import Acquiring
from interlock._protocol.locks.permits import checked_permits
from interlock._protocol.locks.settings import Cancel, checked_name
from interlock.aio.locks._held import AnyLockClient, held_of
from interlock.aio.locks._lock import Lock
from interlock.errors import LockTimeout


class Semaphore:
    """At most `permits` (1 to 100) holders at a time, across all processes.

    A permit is a `Lock`: with a lease, heartbeats, a fencing token of its own, and `guard()`. Every
    client passes the same number of permits, which is recorded at the first use. Raises
    `InvalidLockName` and `InvalidValue`. The name is no lock's of readers and writers.
    """

    def __init__(self, locks: AnyLockClient, name: str, *, permits: int) -> None:
        self._held = held_of(locks)
        self._name = checked_name(name)
        self._permits = checked_permits(permits)

    @property
    def name(self) -> str:
        """The semaphore's name."""
        return self._name

    @property
    def permits(self) -> int:
        """The number of clients that may hold it at a time."""
        return self._permits

    def acquire(
        self,
        *,
        timeout: timedelta | None = None,
        lease: timedelta | None = None,
        data: Any = None,
        cancel: Cancel | None = None,
    ) -> Acquiring[Lock]:
        """Acquire a permit, waiting for one up to `timeout` (default: for ever).

        One round trip while most are free, and another one each hour, which asks for the number of
        permits. A permit whose record is corrupt is left alone. Raises `PermitsMismatch`, and what
        `LockClient.acquire` does; the holder that `LockTimeout` names is one of them.
        """
        return Acquiring(lambda: self._acquire(timeout, lease, data, cancel))

    async def try_acquire(self, *, lease: timedelta | None = None, data: Any = None) -> Lock | None:
        """Acquire a permit if one is free, else return None; it never waits for a holder."""
        try:
            return await self.acquire(timeout=timedelta(), lease=lease, data=data)
        except LockTimeout:
            return None

    async def _acquire(
        self,
        timeout: timedelta | None,
        lease: timedelta | None,
        data: Any,
        cancel: Cancel | None,
    ) -> Lock:
        acquisition = self._held.operations.permit(
            self._name, self._permits, timeout=timeout, lease=lease, data=data
        )
        (lock,) = await self._held.take(acquisition, data, cancel=cancel)
        return lock
