"""The leader's duty: the counters' values into the history, once a tick."""

import asyncio
import time
from collections.abc import Callable

from server.history import History
from server.leading import Term
from server.reading import all_counters
from server.upstream import Upstream


class Sampling:
    """Samples all counters at every multiple of `every` seconds of the wall clock."""

    def __init__(
        self,
        upstream: Upstream,
        history: History,
        every: float,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._upstream = upstream
        self._history = history
        self._every = int(every)
        self._clock = clock

    async def __call__(self, term: Term) -> None:
        """Wait for the next tick and record it under the term's guard."""
        now = self._clock()
        tick = int(now // self._every + 1) * self._every
        await asyncio.sleep(tick - now)
        counters = await all_counters(self._upstream)
        values = {str(counter["name"]): int(counter["value"]) for counter in counters}
        await self._history.record(tick, values, fence=term.fence, guard=term.guard())
