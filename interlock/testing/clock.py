"""A clock that a test moves."""

import asyncio
import threading
import time
from datetime import UTC, datetime, timedelta

from interlock._protocol.durations import seconds
from interlock._protocol.kinds import checked_instance
from interlock.errors import InvalidValue


class FakeClock:
    """Stands still until it is moved: by `advance`, or by a client that pauses.

    Leases, deadlines, pauses and timed waits of the clients of a `MemoryStore` go by it, and its
    items expire by it. A client that waits for a lock gives other threads and tasks a turn, and
    then moves the clock to its next look; those that wait at the same time share this time. One
    that waits without a time-out for a thread or task of its own client leaves the clock alone. The
    heartbeat's thread waits in real time, so a lock outlives its lease only if the test takes as
    long.

    Raises `InvalidValue` for a `now` that is no datetime.
    """

    def __init__(self, now: datetime = datetime(2030, 1, 1, tzinfo=UTC)) -> None:
        checked_instance("now", now, datetime, "a datetime")
        self._now = now.timestamp()
        self._mutex = threading.Lock()  # its clients may be threads

    @property
    def now(self) -> datetime:
        """The time that the clock shows."""
        return datetime.fromtimestamp(self._now, UTC)

    def advance(self, by: timedelta) -> None:
        """Move the clock on. Raises `InvalidValue`, also for a step back, as leases forbid it."""
        step = seconds("by", by)
        if step < 0:
            raise InvalidValue("by", f"a clock does not go back by {-by}")
        self.pause(step)

    def seconds(self) -> float:
        """Return the seconds since the epoch, as each clock of a client reads them."""
        return self._now

    def pause(self, seconds: float) -> None:
        """Move on instead of waiting."""
        with self._mutex:
            self._now += max(0.0, seconds)

    def _reach(self, seconds: float) -> None:
        """Move on to so many seconds since the epoch, unless the clock is there already."""
        with self._mutex:
            self._now = max(self._now, seconds)

    async def pause_awaitably(self, seconds: float) -> None:
        """Move on instead of waiting, and let other tasks run."""
        self.pause(seconds)
        await asyncio.sleep(0)


class SystemClock(FakeClock):
    """The machine's clock, for tests whose threads or tasks wait for each other.

    A `FakeClock` moves on when any client pauses, so that one that waits in a loop lets the
    deadlines of all others pass. This one moves by itself: to advance it, or to pause, is to wait.
    """

    def __init__(self) -> None:
        super().__init__(datetime.now(UTC))

    @property
    def now(self) -> datetime:
        """The time that the clock shows."""
        return datetime.now(UTC)

    def seconds(self) -> float:
        """Return the seconds since the epoch."""
        return time.time()

    def pause(self, seconds: float) -> None:
        """Wait."""
        time.sleep(max(0.0, seconds))

    async def pause_awaitably(self, seconds: float) -> None:
        """Wait, and let other tasks run."""
        await asyncio.sleep(max(0.0, seconds))
