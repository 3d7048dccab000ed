"""Connections to one endpoint: opened as needed, kept for the next call, never shared.

The last one that was used is taken first, so that those which are not needed grow old. A child
process, and a process that is restored from a snapshot, close what they inherit without a word on
the wire: it is their parent's.
"""

import os
import socket
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, Protocol

from interlock._drivers import resolving
from interlock._drivers.sockets import prepare
from interlock._protocol.faults import NoReply, NotSent, OutOfTime
from interlock._wire import limits
from interlock._wire.endpoints import Endpoint
from interlock._wire.exchange import answered
from interlock._wire.http1 import NotUnderstood, Response, ResponseReader


class Socket(Protocol):
    """A socket as far as a connection needs it, plain or encrypted."""

    def settimeout(self, value: float | None, /) -> None:
        """Set the seconds that one `send` or `recv` may take; 0 for none at all."""

    def send(self, data: Any, /) -> int:
        """Send some of the data; return how many bytes were taken."""
        ...

    def recv(self, size: int, /) -> bytes:
        """Return what has come, b"" at the end."""
        ...

    def close(self) -> None:
        """Close it, without any farewell of the encryption."""


class Connection:
    """One connection, for one request at a time. `used` is when it last was (monotonic)."""

    __slots__ = ("_socket", "used")

    def __init__(self, connected: Socket, now: float) -> None:
        self._socket = connected
        self.used = now

    def quiet(self) -> bool:
        """Return whether nothing has come that no request asked for: an end, a reset, a reply."""
        try:
            self._socket.settimeout(0.0)
            self._socket.recv(1)
        except BlockingIOError:
            return True
        except OSError as error:
            return type(error).__name__ == "SSLWantReadError"  # ssl may not be imported
        return False

    def exchange(self, request: bytes, left: limits.Left) -> Response:
        """Send a request and return the response to it, or raise `NotSent` or `NoReply`.

        Whatever it raises, the connection is of no more use.
        """
        sent, view = 0, memoryview(request)
        try:
            while sent < len(request):
                self._socket.settimeout(_positive(left(sent)))
                sent += self._socket.send(view[sent:])
        except OSError as error:
            if sent == 0:
                raise NotSent(f"the request could not be sent: {error}") from error
            raise NoReply(f"the request was sent in part: {error}") from error
        reader = ResponseReader()
        try:
            while True:
                self._socket.settimeout(_positive(left(sent + reader.received)))
                data = self._socket.recv(limits.READ_SIZE)
                if not data:
                    reader.end()
                response = reader.feed(data)
                if response is not None:
                    return response
        except TimeoutError as error:
            raise NoReply("no whole answer came in time") from error
        except (OSError, NotUnderstood) as error:
            raise NoReply(f"the answer was lost: {error}") from error

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


class Pool:
    """The connections of one process to an endpoint. Safe to share between threads.

    `connect` opens a socket within so many seconds, or raises `NotSent`.
    """

    def __init__(
        self, connect: Callable[[float], Socket], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._connect = connect
        self._monotonic = monotonic
        self._process = os.getpid()
        # Taken from and added to by single steps of the interpreter, so that no lock is needed
        # which another thread might hold while the process forks.
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        self.opened = 0
        # Else each socket of a client that is dropped would be warned of. At the end of the process
        # there may still be locks to give back.
        weakref.finalize(self, _close_all, self._open).atexit = False

    def exchange(self, request: bytes, left: limits.Left, *, once: bool) -> Response:
        """Send a request over a connection and return its response, or raise what that raises.

        With `once`, only over one that was in use just now. A request that did not leave on a
        connection that was kept, not a byte of it, goes over another one.
        """
        while (connection := self._kept(once=once)) is not None:
            try:
                return answered(self._over(connection, request, left))
            except NotSent:
                if left(0) <= 0:
                    raise
            except NoReply as lost:
                if isinstance(lost.__cause__, ConnectionError):
                    self.drop_idle()  # what has cut this one is likely to have cut the others
                raise
        if (seconds := left(0)) <= 0:
            raise OutOfTime
        opened = self._connect(min(seconds, limits.CONNECT_TIMEOUT))
        connection = Connection(opened, self._monotonic())
        self._open.add(connection)
        self.opened += 1
        return self._over(connection, request, left)

    def drop_idle(self) -> None:
        """Close the connections that no call is using."""
        while (connection := self._last()) is not None:
            self._close(connection)

    def forget(self) -> None:
        """Close all connections: they belong to another process."""
        inherited, self._idle = list(self._open), []
        self._open.difference_update(inherited)
        self._process = os.getpid()
        for connection in inherited:
            connection.close()

    def _over(self, connection: Connection, request: bytes, left: limits.Left) -> Response:
        try:
            response = connection.exchange(request, left)
        except BaseException:  # an interrupt too: its answer may still be on the way
            self._close(connection)
            raise
        if response.reusable and len(self._idle) < limits.MOST_IDLE:
            connection.used = self._monotonic()
            self._idle.append(connection)
        else:
            self._close(connection)
        return response

    def _kept(self, *, once: bool) -> Connection | None:
        if self._process != os.getpid():
            self.forget()
        most = limits.IDLE_LIMIT_ONCE if once else limits.IDLE_LIMIT
        while (connection := self._last()) is not None:
            if self._monotonic() - connection.used <= most and connection.quiet():
                return connection
            self._close(connection)
        return None

    def _last(self) -> Connection | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _close(self, connection: Connection) -> None:
        self._open.discard(connection)
        connection.close()


def _close_all(connections: set[Connection]) -> None:
    while connections:
        connections.pop().close()


def _positive(seconds: float) -> float:
    """Return the seconds, or raise `TimeoutError` if none are left (0 would mean not to wait)."""
    if seconds <= 0:
        raise TimeoutError("the time is up")
    return seconds


def connect(endpoint: Endpoint, timeout: float, tls: Any = None) -> socket.socket:
    """Return a socket that is connected within so many seconds in all, or raise `NotSent`.

    `tls` is the context to encrypt it by, None for none.
    """
    end = time.monotonic() + timeout
    failure: Exception = TimeoutError("timed out")
    addresses = _resolved(endpoint, timeout)
    for position, (family, host, port) in enumerate(addresses):
        left = end - time.monotonic()
        if left <= 0:
            break
        connected = socket.socket(family, socket.SOCK_STREAM)
        try:
            # An address that does not answer leaves time for the others.
            connected.settimeout(left / (len(addresses) - position))
            connected.connect((host, port))
            prepare(connected)
            if tls is None:
                return connected
            connected.settimeout(_positive(end - time.monotonic()))
            encrypted: socket.socket = tls.wrap_socket(connected, server_hostname=endpoint.host)
        except OSError as error:
            connected.close()
            failure = error
        except BaseException:
            connected.close()
            raise
        else:
            return encrypted
    raise NotSent(f"no connection to {endpoint}: {failure}") from failure


def _resolved(endpoint: Endpoint, timeout: float) -> list[resolving.Address]:
    found = resolving.literal(endpoint.host, endpoint.port)
    if found is not None:
        return found
    results: list[tuple[list[resolving.Address] | None, OSError | None]] = []
    ended = threading.Event()

    def done(addresses: list[resolving.Address] | None, error: OSError | None) -> None:
        results.append((addresses, error))
        ended.set()

    resolving.look_up(endpoint.host, endpoint.port, done)
    if not ended.wait(timeout):
        raise NotSent(f"the name {endpoint.host} was not resolved within {timeout:.1f} s")
    addresses, error = results[0]
    if addresses is None:
        raise NotSent(f"the name {endpoint.host} is not known: {error}") from error
    return addresses
