"""Measure what one instance can do by itself: calls a second and processor time, at a free API.

The API is a server that gives each request the same answer, at once. What is left is the instance's
own work, of which the emulator of the other tables takes far more than half.

    python -m benchmarks.service.capacity [--seconds 4]
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.history import note
from benchmarks.service.load import Way, head_of, load
from benchmarks.transport.__main__ import fixed
from local import ROOT, STATE
from local.ports import LOOPBACK, free_port
from local.processes import Process
from local.requests import request

CONNECTIONS = (1, 64)
_ROUNDS = 3
_USER, _SYSTEM = 11, 12  # of the fields of /proc/<pid>/stat after the command's name
_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": "eu-west-1",
    "INTERLOCK_HOST": LOOPBACK,
    "INTERLOCK_INSTANCE_ID": "i-benchmark",
    "INTERLOCK_RATE": "1000000",  # one address makes all the calls here
    "INTERLOCK_BURST": "1000000",
}


@contextmanager
def instance(environment: dict[str, str]) -> Iterator[tuple[Process, str]]:
    """Run one instance for a while, from its first answer on; give its process and its URL."""
    port = free_port()
    with Process(
        "i-benchmark",
        [sys.executable, "-m", "server"],
        log=STATE / "logs" / "i-benchmark.log",
        environment=environment | {"INTERLOCK_PORT": str(port)},
        directory=ROOT,
    ) as process:
        url = f"http://{LOOPBACK}:{port}"
        while True:
            try:
                request("GET", f"{url}/healthz")
            except OSError:
                if process.returncode is not None:
                    raise
                time.sleep(0.002)
            else:
                break
        yield process, url


def spent(process: Process) -> float:
    """Return the seconds of processor time that a process has had."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[_USER]) + int(fields[_SYSTEM])) / os.sysconf("SC_CLK_TCK")


def measure(seconds: float) -> None:
    """Print the table."""
    print("\nconnections   answers/s  p50 ms   p99 ms  errors   CPU ms a call, of the instance")
    with fixed() as api:
        environment = {**os.environ, **_ENVIRONMENT, "INTERLOCK_API_URL": f"{api}/stage"}
        with instance(environment) as (process, url):
            for connections in CONNECTIONS:
                row(process, f"{url}/api/counters/benchmark", connections, seconds)


def row(process: Process, url: str, connections: int, seconds: float) -> None:
    """Measure, and print one row."""
    way = Way("through", url, head_of(url, {}))
    asyncio.run(load(way, connections, seconds / _ROUNDS))
    way.forget()
    before = spent(process)
    for _ in range(_ROUNDS):
        asyncio.run(load(way, connections, seconds / _ROUNDS))
    each = (spent(process) - before) / len(way.spent) * 1000
    print(
        f"{connections:11} {way.rate:11.0f} {way.percentile(50):7.1f} {way.percentile(99):8.1f} "
        f"{way.errors:7} {each:8.2f}"
    )
    note(
        "service",
        "one instance before an API that costs nothing",
        f"{connections} connections",
        rate=way.rate,
        p50_ms=way.percentile(50),
        cpu_ms=each,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.service.capacity")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each row")
    measure(parser.parse_args().seconds)
