"""The service's clock, as its answers tell it.

Every answer of the service has a `Date`. What a record says of its time to live is read by the
service alone, so it is written by that clock: a client's own may be off by weeks, and TTL would
then delete the record of a lock that is held.

1. A `Date` counts only if the answer does: it bears a request id, and came within a minute of the
   request. (A process that was stopped reads what is old.)
2. The first is believed at once if this machine's clock is within five minutes of it, and a later
   one if what was learned is. One that is further off is believed when the next answer agrees, and
   if it is of the years 2020 to 2099.
3. From then on the time is counted on the lease clock, which is not set, nor stands still while
   the machine sleeps. Each answer that is believed corrects it.
4. A copy of the process, by a fork or from a snapshot, begins without any.
"""

from collections.abc import Callable

from interlock._drivers.clocks import lease_clock
from interlock._protocol.requests import Time

_FRESH = 60.0  # seconds that an answer may take and still tell the time
_PLAUSIBLE = 300.0  # seconds; the service refuses signatures that are further off
_EARLIEST, _LATEST = 1_577_836_800.0, 4_102_444_800.0  # the years 2020 and 2100


class ServiceClock:
    """One client's knowledge of the service's clock. `monotonic` is the lease clock, in seconds."""

    def __init__(self, monotonic: Callable[[], float] | None = None) -> None:
        self._monotonic = lease_clock() if monotonic is None else monotonic
        # The service's time less that of the lease clock: as believed, and as one answer had it.
        self._offset: float | None = None
        self._doubted: float | None = None

    def now(self) -> float:
        """Return the lease clock's reading, in seconds, for `learn`."""
        return self._monotonic()

    def learn(self, date: float | None, wall: float, sent: float) -> None:
        """Take note of the `Date` of an answer that came now, at `wall` by this machine's clock.

        Both in seconds since the epoch; None for an answer that has no date. `sent` is what `now`
        returned before the request was sent.
        """
        now = self._monotonic()
        if date is None or now - sent > _FRESH:
            return
        offset, known, doubted = date - now, self._offset, self._doubted
        expected = wall - now if known is None else known
        agreed = doubted is not None and abs(offset - doubted) <= _PLAUSIBLE
        if agreed or abs(offset - expected) <= _PLAUSIBLE:
            self._offset, self._doubted = offset, None
        elif _EARLIEST <= date < _LATEST:
            self._doubted = offset

    def time(self, wall: float) -> Time:
        """Return the time of day, where it is `wall` by this machine's clock."""
        offset = self._offset
        if offset is None:
            return Time(wall, wall, heard=False)
        return Time(wall, self._monotonic() + offset)

    def forget(self) -> None:
        """Begin anew: this is a copy of the process that has learned."""
        self._offset = self._doubted = None
