"""The counters' values at each tick: the leader and the one that stands by sample, one records.

A new leader has stood by before, so it has its own samples of the ticks between the two terms and
records them: the history has no gap.
"""

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import Callable

from interlock.aio.locks import Lock
from server.history import History
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
            except Exception:  # noqa: BLE001 - the loop outlives every failure of the API
                _log.exception("the counters could not be sampled")

    async def _sample(self, tick: int) -> None:
        counters = await self._reading.counters()
        if self._clock() >= tick + self._every:
            # This process was paused, or the API slow: these are the values of another tick.
            _log.warning("a sample came too late", extra={"fields": {"tick": tick}})
            return
        self._samples.append((tick, {str(c["name"]): int(c["value"]) for c in counters}))
        self._fresh.set()

    async def record(self, lock: Lock) -> None:
        """Record, under the lock's guard, what was sampled and not yet recorded in this term.

        At the start of a term that is all that is remembered; what the leader before has
        recorded stays as it is.
        """
        await self._fresh.wait()
        self._fresh.clear()
        first = lock.fencing_token != self._fence
        if first:
            self._recorded = 0
        for tick, values in list(self._samples):
            if tick <= self._recorded:
                continue
            try:
                own = await self._history.absent(tick, values) if first else values.keys()
                fresh = {name: value for name, value in values.items() if name in own}
                await self._history.record(tick, fresh, lock)
            except BaseException:
                self._fresh.set()  # it is tried again, without waiting for the next sample
                raise
            self._recorded = tick
        self._fence = lock.fencing_token
