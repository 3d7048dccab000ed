"""Pooled connections to the API and to publishers of keys, each in a pool of its own.

httpcore looks at every connection of a pool for every request that begins or ends: at 64 at once
that is more work than all the rest of a request (8.4 ms of 9.3, measured). A stack of pools of one
connection each does the same for any number.

A connection whose request did not come to its end is never used again: httpcore's cleaning up can
be cancelled itself, and then the pool waits for ever for a request that is long gone.
"""

import asyncio
from collections.abc import AsyncIterator
from functools import cache, partial
from typing import TYPE_CHECKING, Protocol

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
        self._closing: set[asyncio.Task[None]] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; its connection is free again once the answer is read."""
        await self._gate.acquire()
        connection = self._free.pop() if self._free else _connection()
        try:
            response = await connection.handle_async_request(request)
        except BaseException:
            self._give_back(connection, sound=False)
            raise
        assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101 - as httpx promises
        response.stream = _PooledStream(response.stream, partial(self._give_back, connection))
        return response

    async def aclose(self) -> None:
        """Close the connections that are free."""
        while self._free:
            await self._free.pop().aclose()
        await asyncio.gather(*self._closing, return_exceptions=True)

    def _give_back(self, connection: httpx.AsyncBaseTransport, *, sound: bool) -> None:
        if sound:
            self._free.append(connection)
        else:
            # In a task of its own, which the caller's end does not end.
            closing = asyncio.ensure_future(connection.aclose())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
        self._gate.release()


class _PooledStream(httpx.AsyncByteStream):
    """An answer's body, which gives its connection back when it is closed."""

    def __init__(self, stream: httpx.AsyncByteStream, give_back: "_GiveBack") -> None:
        self._stream = stream
        self._give_back: _GiveBack | None = give_back
        self._read = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            yield chunk
        self._read = True

    async def aclose(self) -> None:
        give_back, self._give_back = self._give_back, None
        closed = False
        try:
            await self._stream.aclose()
            closed = True
        finally:
            if give_back is not None:
                give_back(sound=self._read and closed)


class _GiveBack(Protocol):
    def __call__(self, *, sound: bool) -> None: ...


@cache
def _certificates() -> "ssl.SSLContext":
    """Made once, and when it is first needed: reading them takes tens of milliseconds."""
    return httpx.create_ssl_context(trust_env=False)


def _connection() -> httpx.AsyncHTTPTransport:
    one = httpx.Limits(max_connections=1, max_keepalive_connections=1)
    return httpx.AsyncHTTPTransport(verify=_certificates(), limits=one, trust_env=False)
