"""A question whose answer may come later than is waited for."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Generic, TypeVar

_Answer = TypeVar("_Answer")


class Question(Generic[_Answer]):
    """Asks again and again, never twice at the same time. For one task.

    `late` is called when an answer comes that was asked for earlier: it may be out of date. `took`
    is how many seconds the last answer took, since it was asked for.
    """

    def __init__(
        self, ask: Callable[[], Awaitable[_Answer]], late: Callable[[], None] = lambda: None
    ) -> None:
        self._ask = ask
        self._late = late
        self._asked: asyncio.Future[_Answer] | None = None
        self._since = 0.0
        self.took = 0.0

    async def answer(self, patience: float) -> _Answer:
        """Return the answer; raise TimeoutError after `patience` seconds, and go on waiting."""
        earlier = self._asked is not None
        if self._asked is None:
            self._asked = asyncio.ensure_future(self._ask())
            self._since = time.monotonic()
        done, _ = await asyncio.wait({self._asked}, timeout=patience)
        if not done:
            raise TimeoutError
        asked, self._asked = self._asked, None
        self.took = time.monotonic() - self._since
        if earlier:
            self._late()
        return asked.result()

    async def close(self) -> None:
        """Stop waiting."""
        if self._asked is not None:
            self._asked.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await self._asked
