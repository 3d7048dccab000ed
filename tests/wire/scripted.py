"""The two transports over a scripted connection, in virtual time: bytes in, bytes out.

What becomes of each request is drawn from a seed by `Script`; the connections of both halves ask
it, and let its events happen at their time. No socket, no sleep.
"""

import asyncio
import heapq
import random
import selectors
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from interlock._drivers.awaitable.connections import Stream
from interlock._drivers.awaitable.wire import WireTransport as AwaitableTransport
from interlock._drivers.blocking.wire import WireTransport as BlockingTransport
from interlock._protocol.faults import NotSent
from interlock._protocol.requests import Call
from interlock._wire.endpoints import Endpoint
from tests.wire.service import HONEST, LIES, Service, answer, chunked, parsed

EPOCH = 1_700_000_000.0
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_REGION": "us-east-1",
    "AWS_ENDPOINT_URL": "http://store.example",
    "AWS_CONFIG_FILE": "/nonexistent",
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
}
END, RESET = b"", None  # beside bytes: the connection is closed, or reset

Event = tuple[float, bytes | None]
"""Seconds after the request came, and what comes then."""

FATES = (
    "never carried out, reset",
    "never carried out, silence",
    "reset",
    "closed",
    "silence",
    "cut short and closed",
    "trickles",
    "late",
    "throttled",
    "request timeout",
    "throttled without a body",
    "another request's reply",
    *LIES,
)


@dataclass
class Script:
    """What becomes of each request, and of idle connections, by a seed."""

    rng: random.Random
    service: Service = field(default_factory=Service)
    wrong: float = 0.5  # how often a request does not meet its honest answer
    refused: float = 0.05  # how often no connection can be made
    dies_idle: float = 0.2  # how often a connection ends after its answer, and how
    fates: tuple[str, ...] = FATES
    fate: str | None = HONEST
    _told: bytes = field(default_factory=lambda: LIES["another item"](b""))

    def connects(self) -> bool:
        """Draw whether a connection can be made."""
        return self.rng.random() >= self.refused

    def events(self, request: Any) -> list[Event]:
        """Return what happens on the connection after a request has arrived."""
        rng, service = self.rng, self.service
        service.received.append(request)
        self.fate = fate = rng.choice(self.fates) if rng.random() < self.wrong else HONEST
        if fate.startswith("never"):
            return [(0.01, RESET)] if fate.endswith("reset") else []
        if fate in ("throttled", "request timeout", "throttled without a body"):
            return [(0.01, REFUSALS[fate])]
        honest = service.perform(request)
        told, events = self._told, self._disturbed(fate, honest)
        self._told = honest
        if fate == "another request's reply":
            return [(0.01, told)]
        if events is not None:
            return events
        return self._in_pieces(honest if rng.random() < 0.7 else chunked(honest, rng))

    def _disturbed(self, fate: str, honest: bytes) -> list[Event] | None:
        if fate in LIES:
            return [(0.01, LIES[fate](honest))]
        disturbed: dict[str, list[Event]] = {
            "reset": [(0.01, RESET)],
            "closed": [(0.01, END)],
            "silence": [],
            "cut short and closed": [
                (0.01, honest[: self.rng.randrange(len(honest))]),
                (0.02, END),
            ],
            "trickles": [(0.5 * n, honest[n : n + 1]) for n in range(len(honest))],
            "late": [(30.0, honest)],
        }
        return disturbed.get(fate)

    def _in_pieces(self, data: bytes) -> list[Event]:
        events: list[Event] = []
        at = 0.0
        while data:
            size = self.rng.randint(1, len(data))
            at += self.rng.random() * 0.02
            events.append((at, data[:size]))
            data = data[size:]
        if self.rng.random() < self.dies_idle:
            late = at + self.rng.random() * 2.0
            events.append((late, self.rng.choice((END, RESET, b"HTTP/1.1 408 X\r\n\r\n"))))
        return events


REFUSALS = {
    "throttled": answer(400, {"__type": "x#ThrottlingException", "message": "slow down"}),
    "request timeout": answer(408, {}),
    "throttled without a body": b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n",
}


def seeded(seed: int) -> random.Random:
    """Return a source of draws that is the same each time."""
    return random.Random(seed)  # noqa: S311 - repeatable on purpose


class Clock:
    """Virtual time for the blocking half."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        """Return the seconds since the start."""
        return self.now

    def wall(self) -> float:
        """Return the seconds since the epoch."""
        return EPOCH + self.now


class ScriptedSocket:
    """A blocking socket whose peer is a script."""

    def __init__(self, script: Script, clock: Clock) -> None:
        self.script, self.clock = script, clock
        self.closed = False
        self._timeout = 0.0
        self._sent = b""
        self._order = 0
        self._coming: list[tuple[float, int, bytes | None]] = []

    def settimeout(self, value: float | None) -> None:
        """Keep it."""
        assert value is not None
        self._timeout = value

    def send(self, data: Any) -> int:
        """Take some of it; the request that is whole by that meets its fate."""
        assert not self.closed
        if self._gone():
            raise ConnectionResetError("reset by peer")
        taken = self.script.rng.randint(1, len(data))
        self._sent += bytes(data[:taken])
        found = parsed(self._sent)
        if found is not None:
            request, size = found
            self._sent = self._sent[size:]
            for after, what in self.script.events(request):
                self._order += 1
                heapq.heappush(self._coming, (self.clock.now + after, self._order, what))
        return taken

    def recv(self, _size: int) -> bytes:
        """Return what comes next, if it comes in time."""
        assert not self.closed
        due = self._coming[0][0] if self._coming else float("inf")
        if due > self.clock.now + self._timeout:
            self.clock.now += self._timeout
            raise TimeoutError("timed out") if self._timeout else BlockingIOError()
        self.clock.now = max(self.clock.now, due)
        what = heapq.heappop(self._coming)[2]
        if what is RESET:
            raise ConnectionResetError("reset by peer")
        return what

    def close(self) -> None:
        """Close it."""
        self.closed = True

    def _gone(self) -> bool:
        return any(due <= self.clock.now and what is RESET for due, _, what in self._coming)


class Blocking:
    """The blocking transport over scripted sockets."""

    def __init__(self, script: Script, environ: Mapping[str, str] = ENVIRONMENT) -> None:
        self.script, self.clock = script, Clock()
        self.sockets: list[ScriptedSocket] = []
        self.transport = BlockingTransport(
            "dynamodb",
            environ=environ,
            connect=self._connect,
            monotonic=self.clock.monotonic,
            wall_clock=self.clock.wall,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.transport.close()

    def run(self, *calls: Call, timeout: float | None = None, pause: float = 0.0) -> list[Any]:
        """Return the reply or the fault of each call, made one after the other."""
        results: list[Any] = []
        for call in calls:
            began = self.clock.now
            try:
                results.append(self.transport.send(call, timeout))
            except Exception as fault:  # noqa: BLE001 - whatever it is, it is the result
                results.append(fault)
            self.took = self.clock.now - began
            self.clock.now += pause
        return results

    def open(self) -> int:
        """Return how many connections are open."""
        return sum(not one.closed for one in self.sockets)

    def _connect(self, _endpoint: Endpoint, timeout: float) -> ScriptedSocket:
        if not self.script.connects():
            self.clock.now += timeout * self.script.rng.random()
            raise NotSent("connection refused")
        self.sockets.append(made := ScriptedSocket(self.script, self.clock))
        return made


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to what happens next."""

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__(_Jumping(self))
        self._clock_resolution = 1e-6  # what is due within it is due: sums of floats are inexact

    def time(self) -> float:
        """Return the virtual time."""
        return self.now


class _Jumping(selectors.SelectSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        assert timeout is not None, "nothing will ever happen"
        self._loop.now += max(0.0, timeout)
        return super().select(0)


class ScriptedTransport(asyncio.Transport):
    """An asyncio transport whose peer is a script."""

    def __init__(self, script: Script, stream: Stream, loop: VirtualLoop) -> None:
        super().__init__()
        self.script, self.stream, self.loop = script, stream, loop
        self.closed = False
        self._sent = b""

    def is_closing(self) -> bool:
        """Return whether it is closed."""
        return self.closed

    def write(self, data: Any) -> None:
        """Take it; a request that is whole by that meets its fate."""
        self._sent += bytes(data)
        found = parsed(self._sent)
        if found is not None:
            request, size = found
            self._sent = self._sent[size:]
            for after, what in self.script.events(request):
                self.loop.call_later(after, self._happen, what)

    def abort(self) -> None:
        """Close it."""
        if not self.closed:
            self.closed = True
            self.loop.call_soon(self.stream.connection_lost, None)

    def _happen(self, what: bytes | None) -> None:
        if self.closed:
            return
        if what is RESET:
            self.closed = True
            self.stream.connection_lost(ConnectionResetError("reset by peer"))
        elif what == END:
            self.stream.eof_received()
            self.abort()
        else:
            self.stream.data_received(what)


class Awaitable:
    """The awaitable transport over scripted connections, on a loop in virtual time."""

    def __init__(self, script: Script, environ: Mapping[str, str] = ENVIRONMENT) -> None:
        self.script = script
        self.loop = VirtualLoop()
        self.sockets: list[ScriptedTransport] = []
        self.took = 0.0
        self.transport = AwaitableTransport(
            "dynamodb",
            environ=environ,
            connect=self._connect,
            monotonic=self.loop.time,
            wall_clock=lambda: EPOCH + self.loop.now,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End the loop as `asyncio.run` does."""
        self.until(self.loop.shutdown_asyncgens())
        self.loop.close()

    def run(self, *calls: Call, timeout: float | None = None, pause: float = 0.0) -> list[Any]:
        """Return the reply or the fault of each call, made one after the other."""
        results: list[Any] = self.until(self._run(calls, timeout, pause))
        return results

    def until(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine to its end on this loop."""
        return self.loop.run_until_complete(coroutine)

    def open(self) -> int:
        """Return how many connections are open."""
        return sum(not one.closed for one in self.sockets)

    async def _run(self, calls: Any, timeout: float | None, pause: float) -> list[Any]:
        results: list[Any] = []
        for call in calls:
            began = self.loop.now
            try:
                results.append(await self.transport.send(call, timeout))
            except Exception as fault:  # noqa: BLE001 - whatever it is, it is the result
                results.append(fault)
            self.took = self.loop.now - began
            await asyncio.sleep(pause)
        return results

    async def _connect(self, _endpoint: Endpoint, timeout: float) -> Stream:
        if not self.script.connects():
            await asyncio.sleep(timeout * self.script.rng.random())
            raise NotSent("connection refused")
        stream = Stream()
        made = ScriptedTransport(self.script, stream, self.loop)
        stream.connection_made(made)
        self.sockets.append(made)
        return stream


HALVES: tuple[Callable[[Script], Blocking | Awaitable], ...] = (Blocking, Awaitable)
