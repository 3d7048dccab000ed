"""Measure the service beside API Gateway itself, and how soon it answers after its start.

    python -m benchmarks.service [--seconds 4] [--rounds 3]

The application is deployed to the emulator of `make demo`. The same call, a read of one counter, is
made straight to API Gateway, signed, and through one instance of the service, which signs it. The
two ways take turns, so that a slower minute slows both. The instance is called directly: the
emulator's load balancer is a part of the emulator, and not of the service.

At last one instance stands before an API that answers at once, which shows what it can do by itself
(benchmarks.service.capacity).

The client is a bare socket, and the straight call is signed once beforehand: whatever the service
does for a request is on its side of the comparison, and nothing is on the other.
"""

import argparse
import asyncio
import os
import statistics
import sys
import time
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from benchmarks.history import note
from benchmarks.service.capacity import instance, measure
from benchmarks.service.load import Way, head_of, load
from local.application import Application, application
from local.emulator import REGION
from local.ports import LOOPBACK
from local.progress import Progress
from local.requests import request

CONNECTIONS = (1, 16, 64)
COUNTER = "benchmark"
MOST_OVERHEAD = 1.3
"""Times the median of the straight call that the median through the service may take."""
LATEST_START = 1.0
"""Seconds until the first answer."""
STARTS = 5


def signed(url: str, api_key: str) -> dict[str, str]:
    """Return the headers of a signature, which is good for minutes."""
    headers = {"Host": urlsplit(url).netloc, "x-api-key": api_key}
    call = AWSRequest(method="GET", url=url, headers=headers)
    SigV4Auth(Credentials("test", "test"), "execute-api", REGION).add_auth(call)
    return dict(call.headers.items())


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
                way.forget()
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
    environment = running.emulator.environment | {
        "INTERLOCK_HOST": LOOPBACK,
        "INTERLOCK_API_URL": running.api_url,
        "INTERLOCK_API_KEY": running.api_key,
        "INTERLOCK_TABLE": running.deployment.outputs["TableName"],
        "INTERLOCK_INSTANCE_ID": "i-benchmark",
    }
    began = time.perf_counter()
    with instance(environment):
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
    measure(arguments.seconds)
    return 0 if all(rows) and soon else 1


if __name__ == "__main__":
    sys.exit(main())
