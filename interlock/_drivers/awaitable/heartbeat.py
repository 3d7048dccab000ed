"""Renew what is held, each item when it is due, and notice the end of each lease in time.

Each item has one timer of the event loop, and a task while it is being renewed. A call that hangs
delays no other item, and not the end of its own lease.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from interlock._drivers.renewable import Renewable

T = TypeVar("T", bound=Renewable)

_log = logging.getLogger("interlock")
_AGAIN = 1.0  # seconds after a renewal that failed as it never should


class Heartbeat(Generic[T]):
    """Calls `renew(item)` when an item is due, and `ended(item)` once when it is over.

    `renew` moves `due` and `until` of the item, or makes it `over`; `lapse(item)` is called at
    `until` while a renewal is under way, and returns whether the item is over. Times are seconds on
    `clock`.
    """

    def __init__(
        self,
        renew: Callable[[T], Awaitable[None]],
        lapse: Callable[[T], bool],
        ended: Callable[[T], None],
        clock: Callable[[], float],
    ) -> None:
        self._renew = renew
        self._lapse = lapse
        self._ended = ended
        self._clock = clock
        self.forked()

    def forked(self) -> None:
        """Start from nothing."""
        self._timers: dict[T, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, item: T) -> None:
        """Have an item renewed from when it is due."""
        self._at(item.due, self._begin, item)

    def close(self) -> None:
        """Do nothing: what is renewed no more has no timer."""

    def remove(self, item: T) -> None:
        """Let go of an item; a renewal that is under way is not waited for."""
        timer = self._timers.pop(item, None)
        if timer is not None:
            timer.cancel()

    def _at(self, time: float, act: Callable[[T], None], item: T) -> None:
        delay = max(0.0, time - self._clock())
        self._timers[item] = asyncio.get_running_loop().call_later(delay, act, item)

    def _begin(self, item: T) -> None:
        task = asyncio.get_running_loop().create_task(self._beat(item))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._at(item.until, self._end_of_lease, item)

    async def _beat(self, item: T) -> None:
        try:
            await self._renew(item)
        except Exception:  # noqa: BLE001 - whatever it is, the lock is not to die of it unseen
            _log.exception("a heartbeat failed unexpectedly; it goes on")
            item.due = self._clock() + _AGAIN
        if item not in self._timers:
            return
        self.remove(item)
        if item.over:
            self._end(item)
        else:
            self.add(item)

    def _end_of_lease(self, item: T) -> None:
        if self._lapse(item):
            self.remove(item)
            self._end(item)
        else:
            self._at(item.until, self._end_of_lease, item)

    def _end(self, item: T) -> None:
        try:
            self._ended(item)
        except Exception:  # noqa: BLE001 - it would be the loop's, which knows of no lock
            _log.exception("the end of a lock was not reported")
