"""A question whose answer may come later than is waited for."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Generic, TypeVar

_Answer = TypeVar("_Answer")


class Question(Generic[_Answer]):
    """Asks again and again, never twice at the same time. For one task.

    `late` is called when an answer comes that was asked for earlier: it may be out of date.
    """

    def __init__(
        self, ask: Callable[[], Awaitable[_Answer]], late: Callable[[], None] = lambda: None
    ) -> None:
        self._ask = ask
        self._late = late
        self._asked: asyncio.Future[_Answer] | None = None

    async def answer(self, patience: float) -> _Answer:
        """Return the answer; raise TimeoutError after `patience` seconds, and go on waiting."""
        earlier = self._asked is not None
        if self._asked is None:
            self._asked = asyncio.ensure_future(self._ask())
        done, _ = await asyncio.wait({self._asked}, timeout=patience)
        if not done:
            raise TimeoutError
        asked, self._asked = self._asked, None
        if earlier:
            self._late()
        return asked.result()

    async def close(self) -> None:
        """Stop waiting."""
        if self._asked is not None:
            self._asked.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await self._asked
