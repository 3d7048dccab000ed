"""The floor: the very bytes of some calls, sent over a raw socket again and again.

What a client takes beyond the floor of its calls is its own time. What the floors of two clients
differ by is the endpoint's work for the one's longer expressions.
"""

import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from interlock._drivers.blocking.driver import Driver
from interlock._drivers.blocking.opening import open_driver
from interlock._protocol.requests import Call
from interlock._wire.credentials import Credentials
from interlock._wire.endpoints import parse
from interlock._wire.exchange import SERVICES, Exchange

Named: TypeAlias = tuple[str, Mapping[str, Any]]
"""A call: the name of its operation, and its parameters."""


class Floor:
    """Sends one call's bytes after the other's, in turn, over one connection."""

    def __init__(self, url: str, calls: Iterable[Named]) -> None:
        exchange = Exchange(SERVICES["dynamodb"], parse(url, "us-east-1"), {})
        keys, now = Credentials("local", "local"), time.time()
        self._requests = [exchange.request(Call(*call), keys, now) for call in calls]
        self._next = 0
        address = urlsplit(url)
        self._address = (address.hostname or "", address.port or 80)
        self._socket = self._connected()

    def send(self) -> None:
        """Send the next call's bytes and wait for the answer."""
        request = self._requests[self._next]
        self._next = (self._next + 1) % len(self._requests)
        self._socket.sendall(request)
        data = b""
        while not data.rstrip().endswith(b"}"):
            more = self._socket.recv(65536)
            if not more:  # an engine may end a connection after so many requests
                self._socket.close()
                self._socket, data = self._connected(), b""
                self._socket.sendall(request)
            data += more
        if not data.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"the floor's call was refused: {data!r}")

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def _connected(self) -> socket.socket:
        opened = socket.create_connection(self._address)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return opened


@contextmanager
def noted() -> Iterator[tuple[Driver, list[Named]]]:
    """Give a driver as a client would open it itself, and the calls that it makes meanwhile."""
    driver, calls = open_driver(None), list[Named]()
    send: Callable[..., Any] = driver.transport.send

    def note(call: Call, timeout: float | None) -> Any:
        calls.append((call.operation, call.params))
        return send(call, timeout)

    driver.transport.send = note  # type: ignore[method-assign]
    yield driver, calls
