"""Connections to one endpoint on an event loop: opened as needed, kept for the next call.

The last one that was used is taken first, so that those which are not needed grow old. They end
with their loop; a child process closes what it inherits without a word on the wire.
"""

import asyncio
import socket
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from interlock._drivers import resolving
from interlock._drivers.sockets import prepare, readable
from interlock._protocol.faults import NoReply, NotSent, OutOfTime
from interlock._wire import limits
from interlock._wire.endpoints import Endpoint
from interlock._wire.exchange import answered
from interlock._wire.http1 import NotUnderstood, Response, ResponseReader

_RESOLUTION = 0.001  # seconds by which a timer may be early


class Stream(asyncio.Protocol):
    """One connection, for one request at a time. `used` is when it last was (monotonic)."""

    def __init__(self, connected: socket.socket | None = None) -> None:
        self.used = 0.0
        self._socket = connected
        self._transport: Any = None
        self._reader = ResponseReader()
        self._answer: asyncio.Future[Response] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._left: limits.Left = lambda _carried: 0.0
        self._sent = 0

    def quiet(self) -> bool:
        """Return whether nothing has come that no request asked for: an end, a reset, a reply."""
        if self._transport.is_closing():
            return False
        # What has come may not have been seen by the loop yet.
        return self._socket is None or not readable(self._socket)

    async def exchange(self, request: bytes, left: limits.Left) -> Response:
        """Send a request and return the response to it, or raise `NotSent` or `NoReply`.

        Whatever it raises, the connection is of no more use.
        """
        seconds = left(0)
        if seconds <= 0 or self._transport.is_closing():
            raise NotSent("the connection was closed, or the time was up, before it was sent")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Response] = loop.create_future()
        self._reader, self._left, self._sent = ResponseReader(), left, len(request)
        self._answer = answer
        self._timer = loop.call_later(seconds, self._expire)
        try:
            self._transport.write(request)
            return await answer
        finally:
            self._answer = None
            self._timer.cancel()
            if answer.done() and not answer.cancelled():
                answer.exception()  # seen, also by a task that was cancelled at the same moment

    def close(self) -> None:
        """Close the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def disown(self) -> None:
        """Close the descriptor only: the connection and its loop are another process's."""
        if self._socket is not None:
            self._socket.close()

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take a part of the answer; what no request asked for ends the connection."""
        if self._answer is None or self._answer.done():
            self._transport.abort()
            return
        try:
            response = self._reader.feed(data)
        except NotUnderstood as error:
            self._lose(NoReply(f"the answer was lost: {error}"))
            return
        if response is not None:
            self._answer.set_result(response)

    def eof_received(self) -> None:
        """Lose the answer, if one is waited for."""
        try:
            self._reader.end()
        except NotUnderstood as error:
            self._lose(NoReply(f"the answer was lost: {error}"))

    def connection_lost(self, error: Exception | None) -> None:
        """Lose the answer, if one is waited for."""
        fault = NoReply(f"the answer was lost: {error or 'the connection was closed'}")
        fault.__cause__ = error or ConnectionAbortedError()
        self._lose(fault)

    def _lose(self, fault: NoReply) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(fault)
        self._transport.abort()

    def _expire(self) -> None:
        seconds = self._left(self._sent + self._reader.received)
        if seconds <= _RESOLUTION:
            self._lose(NoReply("no whole answer came in time"))
        else:  # it has carried much in the meantime, and may take longer
            self._timer = asyncio.get_running_loop().call_later(seconds, self._expire)


Connect = Callable[[float], Awaitable[Stream]]


class Pool:
    """The connections of one event loop to an endpoint, for all its tasks.

    `connect` opens one within so many seconds, or raises `NotSent`.
    """

    def __init__(self, connect: Connect, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._connect = connect
        self._monotonic = monotonic
        self._idle: list[Stream] = []
        self._open: set[Stream] = set()
        self._room = asyncio.Semaphore(limits.MOST_OPEN)
        self._ending: AsyncGenerator[None] | None = None
        self.opened = 0

    async def exchange(self, request: bytes, left: limits.Left, *, once: bool) -> Response:
        """Send a request over a connection and return its response, or raise what that raises.

        With `once`, only over one that was in use just now. A request for which a kept connection
        turns out to be closed goes over another one.
        """
        if self._ending is None:
            self._ending = self._until_the_loop_ends()
            await anext(self._ending)
        if self._room.locked():
            try:
                async with asyncio.timeout(max(0.0, left(0))):
                    await self._room.acquire()
            except TimeoutError as error:
                raise NotSent("all connections were in use until its time was up") from error
        else:
            await self._room.acquire()
        try:
            return await self._exchange(request, left, once=once)
        finally:
            self._room.release()

    def drop_idle(self) -> None:
        """Close the connections that no call is using."""
        while self._idle:
            self._close(self._idle.pop())

    def drop_all(self) -> None:
        """Close all connections; the calls that use one lose their answers."""
        self._idle.clear()
        for stream in list(self._open):
            self._close(stream)

    def disown(self) -> None:
        """Close all connections: they belong to another process."""
        for stream in self._open:
            stream.disown()

    async def _exchange(self, request: bytes, left: limits.Left, *, once: bool) -> Response:
        while (stream := self._kept(once=once)) is not None:
            try:
                return answered(await self._over(stream, request, left))
            except NotSent:
                if left(0) <= 0:
                    raise
            except NoReply as lost:
                if isinstance(lost.__cause__, ConnectionError):
                    self.drop_idle()  # what has cut this one is likely to have cut the others
                raise
        if (seconds := left(0)) <= 0:
            raise OutOfTime
        stream = await self._connect(min(seconds, limits.CONNECT_TIMEOUT))
        self._open.add(stream)
        self.opened += 1
        return await self._over(stream, request, left)

    async def _over(self, stream: Stream, request: bytes, left: limits.Left) -> Response:
        try:
            response = await stream.exchange(request, left)
        except BaseException:  # a cancellation too: its answer may still be on the way
            self._close(stream)
            raise
        if response.reusable and len(self._idle) < limits.MOST_IDLE:
            stream.used = self._monotonic()
            self._idle.append(stream)
        else:
            self._close(stream)
        return response

    def _kept(self, *, once: bool) -> Stream | None:
        most = limits.IDLE_LIMIT_ONCE if once else limits.IDLE_LIMIT
        while self._idle:
            stream = self._idle.pop()
            if self._monotonic() - stream.used <= most and stream.quiet():
                return stream
            self._close(stream)
        return None

    def _close(self, stream: Stream) -> None:
        self._open.discard(stream)
        stream.close()

    async def _until_the_loop_ends(self) -> AsyncGenerator[None]:
        """Close the connections when the loop shuts its generators down, as `asyncio.run` does."""
        try:
            yield
        finally:
            self.drop_all()


async def connect(endpoint: Endpoint, timeout: float, tls: Any = None) -> Stream:
    """Return a connection made within so many seconds in all, or raise `NotSent`.

    `tls` is the context to encrypt it by, None for none.
    """
    failure: Exception = TimeoutError("timed out")
    loop = asyncio.get_running_loop()
    end = loop.time() + timeout
    addresses = await _resolved(endpoint, timeout)
    for position, (family, host, port) in enumerate(addresses):
        left = end - loop.time()
        if left <= 0:
            break
        connected = socket.socket(family, socket.SOCK_STREAM)
        connected.settimeout(0.0)
        try:
            # An address that does not answer leaves time for the others.
            async with asyncio.timeout(left / (len(addresses) - position)):
                await loop.sock_connect(connected, (host, port))
            prepare(connected)
            async with asyncio.timeout(end - loop.time()):
                _, stream = await loop.create_connection(
                    lambda: Stream(connected),  # noqa: B023 - it is called here
                    sock=connected,
                    ssl=tls,
                    server_hostname=endpoint.host if tls is not None else None,
                )
        except OSError as error:
            connected.close()
            failure = error
        except BaseException:
            connected.close()
            raise
        else:
            return stream
    raise NotSent(f"no connection to {endpoint}: {failure}") from failure


async def _resolved(
    endpoint: Endpoint,
    timeout: float,
) -> list[resolving.Address]:
    found = resolving.literal(endpoint.host, endpoint.port)
    if found is not None:
        return found
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[list[resolving.Address]] = loop.create_future()

    def settle(addresses: list[resolving.Address] | None, error: OSError | None) -> None:
        if ended.done():
            return
        if addresses is None:
            ended.set_exception(error or OSError("no address"))
        else:
            ended.set_result(addresses)

    def done(addresses: list[resolving.Address] | None, error: OSError | None) -> None:
        try:
            loop.call_soon_threadsafe(settle, addresses, error)
        except RuntimeError:  # the loop was closed in the meantime
            return

    resolving.look_up(endpoint.host, endpoint.port, done)
    try:
        async with asyncio.timeout(timeout):
            return await ended
    except TimeoutError as error:
        raise NotSent(
            f"the name {endpoint.host} was not resolved within {timeout:.1f} s"
        ) from error
    except OSError as error:
        raise NotSent(f"the name {endpoint.host} is not known: {error}") from error
