"""Waiting that the caller's event ends."""

from collections.abc import Awaitable, Callable

from interlock._drivers.awaitable.driver import Driver
from interlock._protocol.locks.settings import Cancel
from interlock.errors import LockWaitCancelled

LOOK = 0.05  # seconds between two looks at an event, which wakes only those who wait for it


def cancellable(
    driver: Driver, pause: Callable[[float], Awaitable[None]], cancel: Cancel
) -> Driver:
    """Return a driver that pauses by a function, and raises `LockWaitCancelled` when told to."""

    async def pausing(seconds: float) -> None:
        while seconds > 0 and not cancel.is_set():
            await pause(min(seconds, LOOK))
            seconds -= LOOK
        if cancel.is_set():
            raise LockWaitCancelled

    return driver.pausing(pausing)
