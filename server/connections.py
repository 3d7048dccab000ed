"""Calls over HTTP on connections that are kept: to the API, and to publishers of keys."""

import asyncio
import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from server.sender import Answer

if TYPE_CHECKING:
    from server.outgoing import Session

MOST = 128
"""Connections at once; further requests wait for one of them."""

CONNECT = 2.0
"""Seconds until a connection is made, the look-up of the host's name and TLS included."""


class Connections:
    """The `Sender` over the network. It belongs to the event loop that first uses it.

    There are `most` connections at once, each made within `connect` seconds.
    """

    def __init__(self, most: int = MOST, *, connect: float = CONNECT) -> None:
        self._gate = asyncio.Semaphore(most)
        self._connect = connect
        self._session: Session | None = None

    async def send(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes, most: int
    ) -> Answer:
        """Send one request; its connection is free again once the answer is read."""
        async with self._gate:
            session = self._session or await self._opened()
            return await session.send(method, url, headers, body, most)

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def _opened(self) -> "Session":
        # It takes as long to load as the whole service: not before the first answer, and not on the
        # event loop, where all others would wait for it.
        outgoing = await asyncio.to_thread(importlib.import_module, "server.outgoing")
        if self._session is None:  # no other call was sooner
            self._session = outgoing.Session(self._connect)
        return self._session
