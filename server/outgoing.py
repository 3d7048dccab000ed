"""aiohttp's client, held to what it does not promise by itself.

- Nothing is sent twice: aiohttp would repeat by itself what it takes for idempotent, a DELETE too.
- Nothing that came unasked on an idle connection, its end included, is taken for an answer.
- It is told apart whether a request may have been acted on.
- No cookie is kept, no redirect is followed, no proxy and no password of the environment is used.
"""

import select
import ssl
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING
from weakref import WeakSet

import aiohttp
from botocore.httpsession import get_cert_path
from yarl import URL

from server.sender import Answer, Broken, TooLong, Unreachable

if TYPE_CHECKING:
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

_LONGEST_HEADER = 64 * 1024
_IDLE = 5.0  # seconds for which a connection is kept: far less than any server keeps its side


class Session:
    """Sends requests over kept connections, each made within `connect` seconds."""

    def __init__(self, connect: float) -> None:
        self._session = aiohttp.ClientSession(
            connector=_Connector(),
            cookie_jar=aiohttp.DummyCookieJar(),
            max_field_size=_LONGEST_HEADER,
            max_line_size=_LONGEST_HEADER,
            middlewares=(_once,),
            skip_auto_headers=("Content-Type",),
            timeout=aiohttp.ClientTimeout(total=None, connect=connect),
            trust_env=False,
        )

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, most: int
    ) -> Answer:
        """Send one request, and read its answer."""
        target = URL(url, encoded=True)
        response = await self._session.request(
            method,
            target,
            headers=headers,
            data=body or None,
            allow_redirects=False,
            ssl=certificates() if target.scheme == "https" else True,
        )
        try:
            content = await _read(response, most)
        except BaseException:
            response.close()  # with its connection: the rest may still be on the way
            raise
        return Answer(response.status, _joined(response.raw_headers), content)

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()


@cache
def certificates() -> ssl.SSLContext:
    """Return a context that trusts what botocore does. It takes tens of milliseconds, once."""
    return ssl.create_default_context(cafile=get_cert_path(verify=True))


class _Connector(aiohttp.TCPConnector):
    """Closes a kept connection on which anything has come since its last answer."""

    def __init__(self) -> None:
        super().__init__(limit=0, keepalive_timeout=_IDLE)
        self._used: WeakSet[ResponseHandler] = WeakSet()

    async def connect(
        self, req: aiohttp.ClientRequest, traces: "list[Trace]", timeout: aiohttp.ClientTimeout
    ) -> "Connection":
        """Return a connection that is new, or has been quiet."""
        while True:
            connection = await super().connect(req, traces, timeout)
            protocol = connection.protocol
            assert protocol is not None  # noqa: S101 - as it is while a connection is not released
            if protocol not in self._used:  # a new one: TLS may have more to say by itself
                self._used.add(protocol)
                return connection
            if not protocol.should_close and not _readable(connection):
                return connection
            connection.close()


def _readable(connection: "Connection") -> bool:
    """Return whether the socket has what the event loop has not seen yet."""
    transport = connection.transport
    if transport is None:
        return True
    waiting = select.poll()
    waiting.register(transport.get_extra_info("socket"), select.POLLIN)
    return bool(waiting.poll(0))


async def _once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Tell what happened by an exception of our own, after which aiohttp does not try again."""
    try:
        return await handler(request)
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        raise Unreachable(str(error)) from error
    except (aiohttp.ClientError, OSError) as error:
        raise Broken(f"{type(error).__name__}: {error}") from error


async def _read(response: aiohttp.ClientResponse, most: int) -> bytes:
    content = bytearray()
    try:
        async for chunk in response.content.iter_any():
            content += chunk
            if len(content) > most:
                raise TooLong(f"the answer has over {most} bytes")
    except (aiohttp.ClientError, OSError) as error:
        raise Broken(f"{type(error).__name__}: {error}") from error
    return bytes(content)


def _joined(lines: tuple[tuple[bytes, bytes], ...]) -> dict[str, str]:
    """Return headers by name, byte for byte: an ASGI server makes the same bytes of them."""
    found: dict[str, str] = {}
    for name, value in lines:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found
