"""One thread that renews all locks of a client, each when it is due.

The due times are in a heap. Whoever is due is renewed in one blocking call; while calls hang, so
that others are late, a few more threads help out, and end when there is time. The last one ends
when there has been nothing to renew for a while, and starts again with the next lock.
"""

import heapq
import itertools
import logging
import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from interlock.errors import LockClientClosed

T = TypeVar("T", bound=Hashable)

_log = logging.getLogger("interlock")
_MOST_THREADS = 8
_LATE = 0.25  # seconds after which the next in line gets a thread of its own
_IDLE = 10.0  # seconds without a lock until the thread ends


class Heartbeat(Generic[T]):
    """Calls `beat(item)` when an item is due; it returns when it is due again, None for never.

    Times are seconds on `clock`. A beat that raises is logged, and tried again a second later.
    """

    def __init__(self, beat: Callable[[T], float | None], clock: Callable[[], float]) -> None:
        self._beat = beat
        self._clock = clock
        self._order = itertools.count()
        self._closed = False
        self.reset()

    def reset(self) -> None:
        """Start from nothing, as a forked child does: it has neither the threads nor the locks."""
        self._changed = threading.Condition()
        self._heap: list[tuple[float, int, T]] = []
        self._live: set[T] = set()
        self._threads = 0
        self._waiting = 0

    def add(self, item: T, due: float) -> None:
        """Have an item renewed from `due` on.

        Raises `LockClientClosed` after `close`, `RuntimeError` if no thread can be started.
        """
        with self._changed:
            if self._closed:
                raise LockClientClosed
            if not self._threads:
                self._start()
            self._live.add(item)
            self._push(item, due)

    def close(self) -> list[T]:
        """Take no more items; return those that are there, which are renewed until removed."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            return list(self._live)

    def remove(self, item: T) -> None:
        """Let go of an item; a beat that is under way is not waited for."""
        with self._changed:
            self._live.discard(item)
            if self._closed and not self._live:
                self._changed.notify_all()
            # What was removed stays in the heap until it is due: that keeps the thread asleep
            # while locks come and go. Only if this becomes too much is it swept.
            if len(self._heap) > 2 * len(self._live) + 1024:
                self._heap = [entry for entry in self._heap if entry[2] in self._live]
                heapq.heapify(self._heap)

    def _push(self, item: T, due: float) -> None:
        entry = (due, next(self._order), item)
        heapq.heappush(self._heap, entry)
        if self._heap[0] is entry:
            self._changed.notify()

    def _start(self) -> None:
        thread = threading.Thread(target=self._work, name="interlock-heartbeat", daemon=True)
        self._threads += 1
        try:
            thread.start()
        except BaseException:
            self._threads -= 1
            raise

    def _work(self) -> None:
        while (item := self._next()) is not None:
            try:
                due = self._beat(item)
            except BaseException:  # noqa: BLE001 - whatever it is, the others are not to die of it
                _log.exception("a heartbeat failed unexpectedly; it goes on")
                due = self._clock() + 1.0
            with self._changed:
                if due is None:
                    self._live.discard(item)
                elif item in self._live:
                    self._push(item, due)

    def _next(self) -> T | None:
        """Wait until an item is due and return it; None if this thread has no more to do."""
        with self._changed:
            while True:
                while self._heap and self._heap[0][2] not in self._live:
                    heapq.heappop(self._heap)
                wait = self._heap[0][0] - self._clock() if self._heap else None
                if wait is not None and wait <= 0:
                    item = heapq.heappop(self._heap)[2]
                    self._help_out()
                    return item
                done = self._closed and not self._live
                if done or self._waiting or not self._wait(wait):
                    self._threads -= 1
                    return None

    def _wait(self, seconds: float | None) -> bool:
        """Wait for the next due time, or a new item; False if there was nothing for long."""
        self._waiting += 1
        woken = self._changed.wait(_IDLE if seconds is None else seconds)
        self._waiting -= 1
        return woken or seconds is not None

    def _help_out(self) -> None:
        late = bool(self._heap) and self._clock() - self._heap[0][0] > _LATE
        if late and self._threads < _MOST_THREADS:
            try:
                self._start()
            except RuntimeError:
                _log.warning("no thread can be started; heartbeats are late")
