"""The load: the same request over and over on so many bare sockets."""

import asyncio
import statistics
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_OK = b"HTTP/1.1 200"


@dataclass
class Way:
    """One way to the API, and what was measured on it."""

    name: str
    url: str
    head: bytes
    spent: list[float] = field(default_factory=list)
    errors: int = 0
    seconds: float = 0.0

    def percentile(self, percent: int) -> float:
        """Milliseconds that `percent` of the calls stayed below."""
        return statistics.quantiles(self.spent, n=100, method="inclusive")[percent - 1] * 1000

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.spent) / self.seconds

    def forget(self) -> None:
        """Begin again, after a round that warmed up."""
        self.spent, self.errors, self.seconds = [], 0, 0.0


def head_of(url: str, headers: dict[str, str]) -> bytes:
    """Return a GET as it goes over the wire."""
    parts = urlsplit(url)
    lines = [f"GET {parts.path} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items())]
    if "Host" not in headers:
        lines.insert(1, f"Host: {parts.netloc}")
    return "\r\n".join([*lines, "", ""]).encode()


async def once(way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Make one call on an open connection; return whether the answer was 200."""
    writer.write(way.head)
    head = await reader.readuntil(b"\r\n\r\n")
    fields = head.lower()
    if b"transfer-encoding: chunked" in fields:
        while size := int(await reader.readuntil(b"\r\n"), 16):
            await reader.readexactly(size + 2)
        await reader.readexactly(2)
    else:
        length = fields.partition(b"content-length:")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length))
    return head.startswith(_OK)


async def load(way: Way, connections: int, seconds: float) -> None:
    """Call over and over on each connection, and note how long each call took."""
    parts = urlsplit(way.url)

    async def caller() -> None:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        while time.perf_counter() < until:
            began = time.perf_counter()
            try:
                fine = await once(way, reader, writer)
            except (OSError, EOFError, asyncio.IncompleteReadError):
                way.errors += 1
                writer.close()
                reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
                continue
            way.spent.append(time.perf_counter() - began)
            way.errors += not fine
        writer.close()

    began = time.perf_counter()
    until = began + seconds
    await asyncio.gather(*(caller() for _ in range(connections)))
    way.seconds += time.perf_counter() - began
