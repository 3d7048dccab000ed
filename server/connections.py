"""Pooled connections to the API, each in a pool of its own.

httpcore looks at every connection of a pool for every request that begins or ends: at 64 at once
that is more work than all the rest of a request (8.4 ms of 9.3, measured). A stack of pools of one
connection each does the same for any number.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import cache
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    import ssl

MOST = 128
"""Connections at once; further requests wait for one of them."""


class Connections(httpx.AsyncBaseTransport):
    """Sends each request on the connection that was used last, of those that are free."""

    def __init__(self, most: int = MOST) -> None:
        self._gate = asyncio.Semaphore(most)
        self._free: list[httpx.AsyncBaseTransport] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; its connection is free again once the answer is read or closed."""
        await self._gate.acquire()
        connection = self._free.pop() if self._free else _connection()
        try:
            response = await connection.handle_async_request(request)
        except BaseException:
            self._give_back(connection)
            raise
        assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101 - as httpx promises
        response.stream = _Lent(response.stream, lambda: self._give_back(connection))
        return response

    async def aclose(self) -> None:
        """Close the connections that are free."""
        while self._free:
            await self._free.pop().aclose()

    def _give_back(self, connection: httpx.AsyncBaseTransport) -> None:
        self._free.append(connection)
        self._gate.release()


class _Lent(httpx.AsyncByteStream):
    """An answer's body, which gives its connection back when it is closed."""

    def __init__(self, stream: httpx.AsyncByteStream, give_back: Callable[[], None]) -> None:
        self._stream = stream
        self._give_back: Callable[[], None] | None = give_back

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            yield chunk

    async def aclose(self) -> None:
        give_back, self._give_back = self._give_back, None
        try:
            await self._stream.aclose()
        finally:
            if give_back is not None:
                give_back()


@cache
def _certificates() -> "ssl.SSLContext":
    """Made once, and when it is first needed: reading them takes tens of milliseconds."""
    return httpx.create_ssl_context(trust_env=False)


def _connection() -> httpx.AsyncHTTPTransport:
    one = httpx.Limits(max_connections=1, max_keepalive_connections=1)
    return httpx.AsyncHTTPTransport(verify=_certificates(), limits=one, trust_env=False)
