"""The counters' values at each tick: every instance watches, the leader records.

That all of them watch is what leaves no gap when a leader dies: whoever takes over records the
ticks for which nobody led from its own memory.
"""

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import Callable

from server.history import History
from server.leading import Term
from server.reading import Reading

_log = logging.getLogger("server.sampling")


class Sampling:
    """Samples all counters at every multiple of `every` seconds of the wall clock.

    `remember` is for how many seconds a sample that was not recorded is kept: longer than it
    takes until another leads.
    """

    def __init__(
        self,
        reading: Reading,
        history: History,
        *,
        every: float,
        remember: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._reading = reading
        self._history = history
        self._every = int(every)
        self._clock = clock
        self._samples: deque[tuple[int, dict[str, int]]] = deque(
            maxlen=math.ceil(remember / self._every) + 1
        )
        self._fresh = asyncio.Event()
        self._fence = self._recorded = 0

    async def watch(self) -> None:
        """Take samples until cancelled."""
        while True:
            now = self._clock()
            tick = int(now // self._every + 1) * self._every
            await asyncio.sleep(tick - now)
            try:
                await self._sample(tick)
            except Exception:  # noqa: BLE001 - whatever it is, the loop outlives it
                _log.exception("the counters could not be sampled")

    async def _sample(self, tick: int) -> None:
        counters = await self._reading.counters()
        if self._clock() >= tick + self._every:
            # This process was paused, or the API slow: these are the values of another tick.
            _log.warning("a sample came too late", extra={"fields": {"tick": tick}})
            return
        self._samples.append((tick, {str(c["name"]): int(c["value"]) for c in counters}))
        self._fresh.set()

    async def __call__(self, term: Term) -> None:
        """Record, under the term's guard, what was sampled and not yet recorded in this term.

        At the start of a term that is all that is remembered; what the leader before has
        recorded stays as it is.
        """
        await self._fresh.wait()
        self._fresh.clear()
        if term.fence != self._fence:
            self._fence, self._recorded = term.fence, 0
        for tick, values in list(self._samples):
            if tick <= self._recorded:
                continue
            try:
                await self._history.record(tick, values, fence=term.fence, guard=term.guard())
            except BaseException:
                self._fresh.set()  # it is tried again, without waiting for the next sample
                raise
            self._recorded = tick
