"""Measure the service beside API Gateway itself, and how soon it answers after its start.

    python -m benchmarks.service [--seconds 4] [--rounds 3]

The application is deployed to the emulator of `make demo`. The same call, a read of one counter, is
made straight to API Gateway, signed, and through one instance of the service, which signs it. The
two ways take turns, so that a slower minute slows both. The instance is called directly: the
emulator's load balancer is a part of the emulator, and not of the service.

The client is a bare socket, and the straight call is signed once beforehand: whatever the service
does for a request is on its side of the comparison, and nothing is on the other.
"""

import argparse
import asyncio
import os
import statistics
import sys
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from benchmarks.history import note
from local import ROOT, STATE
from local.application import Application, application
from local.emulator import REGION
from local.ports import LOOPBACK, free_port
from local.processes import Process
from local.progress import Progress
from local.requests import request

CONNECTIONS = (1, 16, 64)
COUNTER = "benchmark"
MOST_OVERHEAD = 1.3
"""Times the median of the straight call that the median through the service may take."""
LATEST_START = 1.0
"""Seconds until the first answer."""
STARTS = 5
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


def head_of(url: str, headers: dict[str, str]) -> bytes:
    """Return a GET as it goes over the wire."""
    parts = urlsplit(url)
    lines = [f"GET {parts.path} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items())]
    if "Host" not in headers:
        lines.insert(1, f"Host: {parts.netloc}")
    return "\r\n".join([*lines, "", ""]).encode()


def signed(url: str, api_key: str) -> dict[str, str]:
    """Return the headers of a signature, which is good for minutes."""
    headers = {"Host": urlsplit(url).netloc, "x-api-key": api_key}
    call = AWSRequest(method="GET", url=url, headers=headers)
    SigV4Auth(Credentials("test", "test"), "execute-api", REGION).add_auth(call)
    return dict(call.headers.items())


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


def compare(running: Application, connections: int, seconds: float, rounds: int) -> bool:
    """Print one row of the table; return whether it is within the bounds."""
    path = f"/counters/{COUNTER}"
    straight_url = running.api_url + path
    through_url = f"{running.fleet.instances[0].url}/api{path}"
    straight = Way(
        "straight", straight_url, head_of(straight_url, signed(straight_url, running.api_key))
    )
    through = Way("through", through_url, head_of(through_url, {}))
    for number in range(rounds + 1):
        for way in (straight, through):
            asyncio.run(load(way, connections, seconds))
            if number == 0:  # the first round warms up
                way.spent, way.errors, way.seconds = [], 0, 0.0
    overhead = through.percentile(50) / straight.percentile(50)
    fine = overhead <= MOST_OVERHEAD and not through.errors and not straight.errors
    for way in (straight, through):
        print(
            f"{connections:11} {way.name:9} {way.rate:8.0f} {way.percentile(50):8.1f} "
            f"{way.percentile(99):8.1f} {way.errors:7}",
            end="" if way is through else "\n",
        )
    print(f"   {overhead:.2f} x{'' if fine else '  OVER THE BOUND'}")
    note(
        "service",
        "through one instance",
        f"{connections} connections",
        straight_p50_ms=straight.percentile(50),
        through_p50_ms=through.percentile(50),
        through_p99_ms=through.percentile(99),
        overhead=overhead,
    )
    return fine


def first_answer(running: Application) -> float:
    """Start an instance; return the seconds from the start of its process to its first answer."""
    port = free_port()
    environment = running.emulator.environment | {
        "INTERLOCK_HOST": LOOPBACK,
        "INTERLOCK_PORT": str(port),
        "INTERLOCK_API_URL": running.api_url,
        "INTERLOCK_API_KEY": running.api_key,
        "INTERLOCK_TABLE": running.deployment.outputs["TableName"],
        "INTERLOCK_INSTANCE_ID": "i-benchmark",
    }
    began = time.perf_counter()
    with Process(
        "i-benchmark",
        [sys.executable, "-m", "server"],
        log=STATE / "logs" / "i-benchmark.log",
        environment=environment,
        directory=ROOT,
    ) as process:
        while True:
            try:
                request("GET", f"http://{LOOPBACK}:{port}/healthz")
            except OSError:
                if process.returncode is not None:
                    raise
                time.sleep(0.002)
            else:
                return time.perf_counter() - began


def main() -> int:
    """Run; return 0 if all is within the bounds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.service", description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each turn")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each way")
    arguments = parser.parse_args()
    # One address makes all the calls here; inherited by the service.
    os.environ["INTERLOCK_RATE"] = os.environ["INTERLOCK_BURST"] = "1000000"
    # The ways are compared without signing in, which only one of them would have.
    with application(instances=1, people=False, progress=Progress()) as running:
        made = request("PUT", f"{running.balancer_url}/api/counters/{COUNTER}", {})
        assert made.status in {200, 201}, made.content
        print("\nconnections way       answers/s  p50 ms   p99 ms  errors   overhead at p50")
        rows = [compare(running, each, arguments.seconds, arguments.rounds) for each in CONNECTIONS]
        starts = sorted(first_answer(running) for _ in range(STARTS))
        soon = statistics.median(starts) < LATEST_START
        note(
            "service",
            "start to first answer",
            "an instance",
            seconds=statistics.median(starts),
            slowest_seconds=starts[-1],
        )
        print(
            f"\nstart to first answer: {statistics.median(starts):.2f} s "
            f"(median of {STARTS}, slowest {starts[-1]:.2f} s)"
        )
    return 0 if all(rows) and soon else 1


if __name__ == "__main__":
    sys.exit(main())
