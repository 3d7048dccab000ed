"""Wait for a change that other tasks make."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

_LONGEST = 86400.0  # seconds that a timer is set for


class Changes:
    """Lets tasks wait until a condition holds, which is asked again at each change."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def notify(self) -> None:
        """Have those who wait ask again."""
        self._event.set()
        self._event = asyncio.Event()

    async def wait(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Return True when the condition holds, False after so many seconds (at most a day)."""
        try:
            async with asyncio.timeout(min(seconds, _LONGEST)):
                while not condition():
                    await self._event.wait()
        except TimeoutError:
            return condition()
        return True


Wait: TypeAlias = Callable[[Changes, Callable[[], bool], float], Awaitable[bool]]
"""How a driver's clock lets time pass until a condition holds: `Changes.wait`, or a test's."""
