"""Let one task at a time do something."""

import asyncio
from typing import Self
from weakref import WeakKeyDictionary


class Exclusion:
    """A lock for the tasks of each event loop."""

    def __init__(self) -> None:
        self._locks: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = (
            WeakKeyDictionary()
        )

    def held(self) -> bool:
        """Return whether a task is inside."""
        return self._lock().locked()

    async def __aenter__(self) -> Self:
        await self._lock().acquire()
        return self

    async def __aexit__(self, *raised: object) -> None:
        self._lock().release()

    def _lock(self) -> asyncio.Lock:
        return self._locks.setdefault(asyncio.get_running_loop(), asyncio.Lock())
