"""The held locks of the table: read while people look at them, and once for all who do.

Locks are in no index, so that they cost nothing for being listed: a listing reads the whole
table. What it reads is bounded by time instead: one page of 1 MB a second at most, which is 128
read units, and a table that fits into one page every other second. Nothing is read while no
browser asks.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

from interlock.aio.locks import Deadlock, LockPage, LockRecord
from interlock.errors import CorruptRecord

EVERY = 2.0
"""Seconds from the beginning of one reading to that of the next, at least."""
A_PAGE = 1.0
"""Seconds that one page of 1 MB takes at least, if another follows it."""
PATIENCE = 1.5
"""Seconds for which a reading that goes on is waited for, before the one before it is told."""
UNWATCHED = 10.0
"""Seconds without a question after which a reading ends: the people have left."""
MOST = 1000
"""Locks that are told; those beyond are counted."""


@dataclass(slots=True)
class Found:
    """The held locks that a reading has found so far, in no order.

    `held` is how many there are, of which `locks` are up to `MOST`; `corrupt` are the records that
    cannot be relied upon, as many; `scanned` is how many records of all kinds were read; `at` the
    clock's time when it began; `whole` says that it has come to its end. `deadlocks` are those
    among `locks`, once it has.
    """

    at: float
    locks: list[LockRecord] = field(default_factory=list)
    corrupt: list[CorruptRecord] = field(default_factory=list)
    held: int = 0
    scanned: int = 0
    whole: bool = False
    deadlocks: tuple[Deadlock, ...] = ()

    def add(self, page: LockPage) -> None:
        """Add what a page has."""
        self.held += len(page.locks)
        self.scanned += page.scanned
        self.locks += page.locks[: MOST - len(self.locks)]
        self.corrupt += page.corrupt[: MOST - len(self.corrupt)]
        self.whole = page.after is None


class Listing:
    """Reads the held locks, a page at a time, as fast as they are asked for and no faster.

    `page` returns the held locks of one page, after the key that it is given; `deadlocks` those
    among locks, for which it reads their records again, and no other.
    """

    def __init__(
        self,
        page: Callable[[str | None], Awaitable[LockPage]],
        deadlocks: Callable[[list[LockRecord]], Awaitable[tuple[Deadlock, ...]]],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._page = page
        self._deadlocks = deadlocks
        self._clock = clock
        self._sleep = sleep
        self._reading: asyncio.Task[None] | None = None
        self._next = self._asked = float("-inf")
        self._found: Found | None = None  # by the last reading that came to its end
        self._coming: Found | None = None
        self._failure: Exception | None = None

    async def now(self) -> Found:
        """Return the locks of the newest reading; of one that goes on, if it is the first.

        Raises what a page does, if the last reading failed.
        """
        before, self._asked = self._asked, self._clock()
        if self._asked - before > UNWATCHED:
            self._found = None  # of another time: the reading that begins is told as it goes
        if self._reading is None and self._asked >= self._next:
            self._reading = asyncio.create_task(self._read(), name="locks")
        if self._reading is not None:
            await asyncio.wait({self._reading}, timeout=PATIENCE)
        if self._failure is not None:
            raise self._failure.with_traceback(None)
        return self._found or self._coming or Found(self._asked)

    def age(self, found: Found) -> float:
        """Return for how many seconds what was found is known."""
        return max(0.0, self._clock() - found.at)

    async def close(self) -> None:
        """Stop reading."""
        if self._reading is not None:
            self._reading.cancel()
            with suppress(asyncio.CancelledError):
                await self._reading

    async def _read(self) -> None:
        began, pages = self._clock(), 0
        try:
            coming = self._coming = Found(began)
            after: str | None = None
            while not coming.whole:
                turned = self._clock()
                if turned - self._asked > UNWATCHED:
                    return
                page = await self._page(after)
                coming.add(page)
                after, pages = page.after, pages + 1
                if not coming.whole:
                    await self._sleep(max(0.0, turned + A_PAGE - self._clock()))
            coming.deadlocks = await self._deadlocks(coming.locks)
            self._found, self._failure = coming, None
        except Exception as error:  # noqa: BLE001 - it is told to all who ask
            self._failure = error
        finally:
            self._next = began + max(EVERY, pages * A_PAGE)
            self._coming = self._reading = None
