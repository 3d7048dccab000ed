"""A clock that a test moves."""

import asyncio
import time
from datetime import UTC, datetime, timedelta


class FakeClock:
    """Stands still until it is moved: by `advance`, or by a client that pauses.

    Leases, deadlines and pauses of the clients of a `MemoryStore` go by it, and its items expire by
    it. The heartbeat's thread waits in real time, so a lock outlives its lease only if the test
    takes as long.
    """

    def __init__(self, now: datetime = datetime(2030, 1, 1, tzinfo=UTC)) -> None:
        self._now = now.timestamp()

    @property
    def now(self) -> datetime:
        """The time that the clock shows."""
        return datetime.fromtimestamp(self._now, UTC)

    def advance(self, by: timedelta) -> None:
        """Move the clock on. Raises `ValueError` for a step back, as leases forbid it."""
        if by < timedelta():
            raise ValueError(f"by: a clock does not go back by {-by}")
        self.pause(by.total_seconds())

    def seconds(self) -> float:
        """Return the seconds since the epoch, as each clock of a client reads them."""
        return self._now

    def pause(self, seconds: float) -> None:
        """Move on instead of waiting."""
        self._now += max(0.0, seconds)

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
