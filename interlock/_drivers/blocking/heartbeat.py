"""Renew what is held, each item when it is due, and notice the end of each lease in time.

One thread keeps the times in a heap and never makes a call. Another makes the calls; while they
hang, so that others are late, more threads do, twice as many each time, and end when there is
nothing to do. A call that
hangs delays no other item, and not the end of its own lease. All threads have ended a while after
the last item.
"""

import heapq
import itertools
import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from interlock._drivers import load
from interlock._drivers.renewable import Renewable

T = TypeVar("T", bound=Renewable)

_log = logging.getLogger("interlock")
_LATE = 0.05  # seconds that a call waits for a thread until further ones are started
_IDLE = 5.0  # seconds without anything to do until a thread ends
_AGAIN = 1.0  # seconds after a renewal that failed as it never should
_MOST_STALE = 1024  # entries of the heap whose items are gone
_LONGEST = 86400.0  # seconds; more than threading.TIMEOUT_MAX is an error
_NEVER = float("inf")


class Heartbeat(Generic[T]):
    """Calls `renew(item)` when an item is due, and `ended(item)` once when it is over.

    `renew` moves `due` and `until` of the item, or makes it `over`; `lapse(item)` is called at
    `until` while a renewal is under way, and returns whether the item is over. Times are seconds on
    `clock`.
    """

    def __init__(
        self,
        renew: Callable[[T], None],
        lapse: Callable[[T], bool],
        ended: Callable[[T], None],
        clock: Callable[[], float],
    ) -> None:
        self._renew = renew
        self._lapse = lapse
        self._ended = ended
        self._clock = clock
        self._order = itertools.count()
        self.forked()

    def forked(self) -> None:
        """Start from nothing, as a forked child does: it has neither the threads nor the items."""
        lock = threading.RLock()
        self._changed = threading.Condition(lock)  # for the thread that keeps the times
        self._called = threading.Condition(lock)  # for those that make the calls
        self._heap: list[tuple[float, int, T]] = []
        self._next: dict[T, float] = {}  # when each item is to be seen to; stale entries differ
        self._beating: set[T] = set()
        self._calls: deque[tuple[T, float]] = deque()  # with the time since when each waits
        self._timing = False
        self._closed = False
        self._workers = 0

    def add(self, item: T) -> None:
        """Have an item renewed from when it is due. Raises `RuntimeError` if no thread starts."""
        with self._changed:
            if not self._timing:
                try:
                    self._timing = True
                    self._start(self._keep_time, "interlock-heartbeat")
                except BaseException:
                    self._timing = False
                    raise
            self._see_to(item, item.due)

    def close(self) -> None:
        """End the threads as soon as there is nothing left to renew."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            self._called.notify_all()

    def remove(self, item: T) -> None:
        """Let go of an item; a renewal that is under way is not waited for."""
        with self._changed:
            if self._next.pop(item, None) is None:
                return
            self._beating.discard(item)
            # Its entry stays in the heap until its time: that keeps the thread asleep while locks
            # come and go. Only if this becomes too much is it swept.
            if len(self._heap) > 2 * len(self._next) + _MOST_STALE:
                self._heap = [entry for entry in self._heap if self._next.get(entry[2]) == entry[0]]
                heapq.heapify(self._heap)

    def _see_to(self, item: T, time: float) -> None:
        self._next[item] = time
        entry = (time, next(self._order), item)
        heapq.heappush(self._heap, entry)
        if self._heap[0] is entry:
            self._changed.notify()

    def _keep_time(self) -> None:
        changed = self._changed
        while True:
            with changed:
                item = self._wait(changed)
                if self._changed is not changed:  # this is a restored snapshot
                    return
                if item is None:
                    self._timing = False
                    return
                beating = item in self._beating
                if not beating:
                    self._beating.add(item)
                    self._see_to(item, max(item.until, item.due))
                    self._calls.append((item, self._clock()))
                    self._called.notify()
            if beating:
                self._end_of_lease(item)
            elif not self._workers:
                self._start_worker()

    def _wait(self, changed: threading.Condition) -> T | None:
        """Return the item whose time has come, None if there is nothing, for good or for long."""
        while self._changed is changed:
            while self._heap and self._next.get(self._heap[0][2]) != self._heap[0][0]:
                heapq.heappop(self._heap)
            now = self._clock()
            wait = self._heap[0][0] - now if self._heap else None
            if wait is not None and wait <= 0:
                item = heapq.heappop(self._heap)[2]
                self._next[item] = _NEVER
                return item
            if self._closed and not self._next:
                return None
            if self._calls:
                if now - self._calls[0][1] >= _LATE:
                    for _ in range(min(max(1, self._workers), len(self._calls))):
                        self._start_worker()
                wait = _LATE if wait is None else min(wait, _LATE)
            woken = changed.wait(_IDLE if wait is None else min(wait, _LONGEST))
            if not woken and wait is None and not self._heap:
                return None
        return None

    def _end_of_lease(self, item: T) -> None:
        over = self._lapse(item)
        with self._changed:
            if item not in self._next:
                return
            if not over:
                self._see_to(item, item.until)
                return
        self.remove(item)
        self._end(item)

    def _start_worker(self) -> None:
        with self._changed:
            if self._workers >= load.AT_ONCE:
                return
            self._workers += 1
        try:
            self._start(self._work, "interlock-renewal")
        except RuntimeError:  # too many threads, or the interpreter is ending
            with self._changed:
                self._workers -= 1
                item = self._calls.popleft()[0] if self._calls and not self._workers else None
            _log.warning("no further thread can be started; heartbeats may be late")
            if item is not None:
                self._beat(item)

    def _work(self) -> None:
        called = self._called
        while True:
            with called:
                if not self._calls and not self._closed:
                    called.wait(_IDLE)
                if self._called is not called:  # this is a restored snapshot
                    return
                if not self._calls:
                    self._workers -= 1
                    return
                item = self._calls.popleft()[0]
            self._beat(item)

    def _beat(self, item: T) -> None:
        try:
            self._renew(item)
        except BaseException:  # noqa: BLE001 - whatever it is, the others are not to die of it
            _log.exception("a heartbeat failed unexpectedly; it goes on")
            item.due = self._clock() + _AGAIN
        over = item.over
        with self._changed:
            if item not in self._next:
                return
            self._beating.discard(item)
            if not over:
                self._see_to(item, item.due)
                return
        self.remove(item)
        self._end(item)

    def _end(self, item: T) -> None:
        try:
            self._ended(item)
        except BaseException:  # noqa: BLE001 - the others are renewed by the same thread
            _log.exception("the end of a lock was not reported")

    def _start(self, target: Callable[[], None], name: str) -> None:
        threading.Thread(target=target, name=name, daemon=True).start()
