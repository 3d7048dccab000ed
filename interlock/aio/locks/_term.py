"""One term of a leader, and what ends it."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeAlias

from interlock._protocol.durations import seconds
from interlock._protocol.locks.settings import Settings
from interlock.aio.locks._held import HeldLocks
from interlock.aio.locks._lock import Lock
from interlock.errors import InvalidValue

_PART = 2 / 3  # of the lease: client-go's 10 s of 15 s


class Stop:
    """A request to an election that it stop."""

    def __init__(self) -> None:
        self._set = False

    def is_set(self) -> bool:
        """Return whether it was made."""
        return self._set

    def set(self) -> None:
        """Make it."""
        self._set = True


class Term:
    """One term of a leader; made by `LeaderElection.run`.

    Over when its lock is lost, when no heartbeat was answered for the renew deadline, and when the
    election was asked to stop. What is over stays so.
    """

    def __init__(self, held: HeldLocks, lock: Lock, renew_deadline: float, stop: Stop) -> None:
        self._held = held
        self._lock = lock
        self._renew_deadline = renew_deadline
        self._stop = stop
        self._over = False

    @property
    def lock(self) -> Lock:
        """The lock of this term: `guard()` and `fencing_token` go with all that a leader writes."""
        return self._lock

    @property
    def over(self) -> bool:
        """Whether to stop leading and return."""
        if not self._over:
            now, grant = self._held.clock(), self._lock._grant  # noqa: SLF001 - of the same package
            self._over = (
                self._stop.is_set() or grant.closed or grant.expired(now) or now >= self._ends()
            )
        return self._over

    async def wait(self, timeout: timedelta | None = None) -> bool:
        """Wait until the term is over; return False if the time-out (default: none) is before."""
        return await self._held.wait_until(lambda: self.over, self._ends, timeout)

    def _ends(self) -> float:
        """Return when the term is over unless a heartbeat is answered, on the client's clock."""
        grant = self._lock._grant  # noqa: SLF001 - of the same package
        return grant.until - grant.lease + self._renew_deadline


Lead: TypeAlias = Callable[[Term], Awaitable[Any]]


def checked_renew_deadline(settings: Settings, renew_deadline: timedelta | None) -> float:
    """Return a renew deadline in seconds, or raise `InvalidValue`."""
    lease = settings.lease
    if renew_deadline is None:
        return lease * _PART
    deadline, interval = (
        seconds("renew_deadline", renew_deadline),
        settings.heartbeat_interval(lease),
    )
    if not interval < deadline < lease:
        why = f"not between a heartbeat ({interval:g} s) and the lease ({lease:g} s)"
        raise InvalidValue("renew_deadline", f"{renew_deadline} is {why}")
    return deadline
