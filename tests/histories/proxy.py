"""A proxy over TCP that delays, cuts and replays the requests that pass through it.

It speaks as much HTTP/1.1 as the SDKs do: requests with a Content-Length, one after the other on a
connection. A replayed request is a copy that the network kept: it reaches the engine a second time,
seconds later, when its caller may have given up long ago.
"""

import asyncio
import contextlib
import random
import ssl
from dataclasses import dataclass

_BUFFER = 64 * 1024


@dataclass(frozen=True, slots=True)
class Faults:
    """How likely each is for one request; delays in seconds."""

    late: float = 0.06  # delayed, by up to `longest`
    cut_before: float = 0.02  # the connection ends, and the engine never sees the request
    cut_after: float = 0.03  # carried out, and the connection ends instead of an answer
    replayed: float = 0.03  # sent once more, later
    longest: float = 1.5
    longest_replay: float = 12.0


class Proxy:
    """Stands before the engine at `host:port` until it is closed."""

    def __init__(self, host: str, port: int, faults: Faults, rng: random.Random) -> None:
        self._upstream = (host, port)
        self._faults = faults
        self._rng = rng
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.counts = {"requests": 0, "late": 0, "cut before": 0, "cut after": 0, "replayed": 0}

    async def open(self, tls: ssl.SSLContext | None = None) -> int:
        """Listen on loopback, encrypted if so asked, and return the port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def settle(self) -> None:
        """Wait until every copy that was kept has reached the engine."""
        replays = [task for task in self._tasks if task.get_name() == "replay"]
        await asyncio.gather(*replays, return_exceptions=True)

    async def close(self) -> None:
        """Stop listening, and end what is open."""
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            up_reader, up_writer = await asyncio.open_connection(*self._upstream)
            try:
                while request := await _message(reader):
                    if not await self._forward(request, up_reader, up_writer, writer):
                        break
            finally:
                up_writer.close()
        writer.close()

    async def _forward(
        self,
        request: bytes,
        up_reader: asyncio.StreamReader,
        up_writer: asyncio.StreamWriter,
        writer: asyncio.StreamWriter,
    ) -> bool:
        """Carry one request there and its answer back; return whether the connection goes on."""
        self.counts["requests"] += 1
        if self._hit("late", self._faults.late):
            await asyncio.sleep(self._rng.uniform(0, self._faults.longest))
        if self._hit("cut before", self._faults.cut_before):
            return False
        if self._hit("replayed", self._faults.replayed):
            self._replay_later(request)
        up_writer.write(request)
        await up_writer.drain()
        answer = await _message(up_reader)
        if not answer or self._hit("cut after", self._faults.cut_after):
            return False
        writer.write(answer)
        await writer.drain()
        return True

    def _hit(self, what: str, likely: float) -> bool:
        hit = self._rng.random() < likely
        self.counts[what] += hit
        return hit

    def _replay_later(self, request: bytes) -> None:
        delay = self._rng.uniform(0.2, self._faults.longest_replay)

        async def replay() -> None:
            await asyncio.sleep(delay)
            with contextlib.suppress(OSError):
                reader, writer = await asyncio.open_connection(*self._upstream)
                writer.write(request)
                await writer.drain()
                await _message(reader)
                writer.close()

        task = asyncio.create_task(replay(), name="replay")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _message(reader: asyncio.StreamReader) -> bytes:
    """Return one HTTP message as it came, nothing at the end of the connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""
    lines = head.lower().split(b"\r\n")
    fields = dict(line.split(b":", 1) for line in lines[1:] if b":" in line)
    if b"chunked" in fields.get(b"transfer-encoding", b""):
        return head + await _chunks(reader)
    length = int(fields.get(b"content-length", b"0"))
    return head + (await reader.readexactly(length) if length else b"")


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    found = b""
    while True:
        line = await reader.readline()
        size = int(line.split(b";")[0], 16)
        found += line + await reader.readexactly(size + 2)
        if not size:
            return found
