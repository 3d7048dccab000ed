"""Let a limited number of holders in at a time, awaitable."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from interlock._protocol.locks.settings import Settings, checked_name
from interlock._protocol.locks.sightings import Sightings
from interlock._protocol.locks.slots import SlotAcquisition, checked_permits
from interlock.aio._keeping import Lock
from interlock.errors import LockTimeout

if TYPE_CHECKING:
    from interlock.aio.locks import Acquiring, LockClient


class Semaphore:
    """At most `permits` (1 to 100) holders at a time; as the blocking `interlock.Semaphore`."""

    def __init__(self, locks: "LockClient", name: str, *, permits: int) -> None:
        self._locks = locks
        self._name = checked_name(name)
        self._permits = checked_permits(permits)

    def acquire(
        self,
        *,
        timeout: timedelta | None = None,
        lease: timedelta | None = None,
        data: Any = None,
    ) -> "Acquiring":
        """Take a permit, by `await` or `async with`; as the blocking `Semaphore.acquire`."""

        def make(settings: Settings, owner: str, sightings: Sightings) -> SlotAcquisition:
            wish = settings.wish(self._name, owner=owner, timeout=timeout, lease=lease, data=data)
            return SlotAcquisition(settings, wish, self._permits, sightings)

        return self._locks.acquiring(make, data)

    async def try_acquire(self, *, lease: timedelta | None = None, data: Any = None) -> Lock | None:
        """Take a permit if one is free, else return None; it never waits for a holder."""
        try:
            return await self.acquire(timeout=timedelta(), lease=lease, data=data)
        except LockTimeout:
            return None
