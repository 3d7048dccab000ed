"""Let a limited number of holders in at a time."""

from datetime import timedelta
from typing import Any

from interlock._protocol.locks.settings import checked_name
from interlock._protocol.locks.slots import SlotAcquisition, checked_permits
from interlock.errors import LockTimeout
from interlock.locks._client import LockClient
from interlock.locks._keeping import Lock


class Semaphore:
    """At most `permits` (1 to 100) holders at a time, across all processes.

    A permit is a `Lock`: with a lease, heartbeats, a fencing token of its own, and `guard()`. All
    who use a semaphore give the same number of permits; the largest that is given counts. Raises
    `InvalidLockName` and `InvalidValue`.
    """

    def __init__(self, locks: LockClient, name: str, *, permits: int) -> None:
        self._locks = locks
        self._name = checked_name(name)
        self._permits = checked_permits(permits)

    def acquire(
        self,
        *,
        timeout: timedelta | None = None,
        lease: timedelta | None = None,
        data: Any = None,
    ) -> Lock:
        """Take a permit, waiting for one up to `timeout` (default: for ever).

        One round trip while most are free. Raises what `LockClient.acquire` does; the holder that
        `LockTimeout` names is one of them.
        """
        return self._locks.take(
            lambda settings, owner, sightings: SlotAcquisition(
                settings,
                settings.wish(self._name, owner=owner, timeout=timeout, lease=lease, data=data),
                self._permits,
                sightings,
            ),
            data,
        )

    def try_acquire(self, *, lease: timedelta | None = None, data: Any = None) -> Lock | None:
        """Take a permit if one is free, else return None; it never waits for a holder."""
        try:
            return self.acquire(timeout=timedelta(), lease=lease, data=data)
        except LockTimeout:
            return None
