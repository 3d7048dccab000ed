"""Wait for a lock beside the other waiters of the same client."""

from collections.abc import Callable, Collection
from typing import Any

from interlock._drivers.awaitable.changes import Changes
from interlock._drivers.awaitable.driver import Driver
from interlock._drivers.lines import Lines, Ticket
from interlock._protocol.locks.acquire import Acquiring, Acquisition
from interlock._protocol.locks.fair import FairAcquisition
from interlock._protocol.locks.settings import Cancel
from interlock.aio.locks._cancelling import LOOK
from interlock.errors import (
    InterlockError,
    LockClientClosed,
    LockTimeout,
    LockWaitCancelled,
)

_OF_ONE = (LockClientClosed, LockTimeout, LockWaitCancelled)  # these say nothing to the others


class Place:
    """One acquisition's place in the line for its lock, from its beginning until it is held."""

    def __init__(
        self,
        lines: Lines,
        acquisition: Acquisition,
        driver: Driver,
        closed: Callable[[], bool],
        cancel: Cancel | None,
    ) -> None:
        self._lines = lines
        self._acquisition = acquisition
        self._driver = driver
        self._closed = closed
        self._cancel = cancel
        self._changes = Changes()
        self._end = float("inf")  # of the wait, on the client's clock
        self._ticket = Ticket(self._changes.notify)

    async def run(self) -> None:
        """Run the acquisition when it is its turn, at the end of its time at the latest."""
        name, clock = self._acquisition.name, self._driver.monotonic
        self._end = end = self._acquisition.begin(clock())
        self._lines.enter(name, self._ticket)
        while not self._lines.is_first(name, self._ticket):
            left = end - clock()
            if left <= 0:
                break
            self._acquisition.queued = True
            await self._pause(min(left, self._lines.poll))
        else:
            if self._lines.is_held(name):
                self._acquisition.queued = True
                await self._pause(max(0.0, min(end - clock(), self._lines.poll)))
        try:
            await self._driver.pausing(self._pause).run(self._acquisition.run())
        except InterlockError as problem:
            if not isinstance(problem, _OF_ONE):
                self._lines.disperse(name)
            raise

    def leave(self) -> None:
        """Let the next one ask."""
        self._lines.leave(self._acquisition.name, self._ticket)

    async def _pause(self, seconds: float) -> None:
        """Wait so long, or until the lock may be had; raise if there is no reason to wait more."""
        ticket, cancel = self._ticket, self._cancel

        def woken() -> bool:
            return ticket.called or self._closed() or (cancel is not None and cancel.is_set())

        while seconds > 0 and not woken():
            step = seconds if cancel is None else min(seconds, LOOK)
            if self._is_for_its_own():
                await self._changes.wait(woken, step)
            else:
                await self._driver.wait(self._changes, woken, step)
            seconds -= step
        ticket.called = False
        self._check()

    def _is_for_its_own(self) -> bool:
        """Return whether it waits, for ever if need be, for a thread or task of the same client.

        No clock of a test may run ahead of that one: its lease would be over.
        """
        name = self._acquisition.name
        is_behind = self._lines.is_held(name) or not self._lines.is_first(name, self._ticket)
        return is_behind and self._end == float("inf")

    def _check(self) -> None:
        if self._closed():
            raise LockClientClosed
        if self._cancel is not None and self._cancel.is_set():
            raise LockWaitCancelled


def is_behind_its_own(
    acquisition: Acquiring[Any], others: Collection[Acquiring[Any]], lines: Lines
) -> bool:
    """Return whether a turn waits, for ever if need be, for a thread or task of the same client.

    As in a line of the client, that one's lease or turn is to last whatever a test's clock shows.
    """
    if not isinstance(acquisition, FairAcquisition) or not acquisition.patient:
        return False
    name, place = acquisition.name, acquisition.place
    return lines.is_held(name) or any(
        isinstance(other, FairAcquisition) and other.name == name and other.place < place
        for other in list(others)
    )
