"""Many clients on one counter, with a key and without, in a closed loop and at an offered rate.

    python -m benchmarks.counters.contended [--endpoint http://127.0.0.1:8000] [--seconds 5]

Each client is a `CounterClient` of its own on a thread of its own, and every call a new key. In the
closed loop each makes the next call when the last has returned; at an offered rate calls begin by
the clock, and what waits is counted as time that it took. Prints calls a second, percentiles, the
calls that failed, and the least share of a client against a fair one.
"""

import argparse
import os
import statistics
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import NamedTuple

from benchmarks.counters.tables import TABLE, dynamodb, prepare
from benchmarks.history import note
from benchmarks.transactions.__main__ import CREDENTIALS, endpoint
from interlock import CounterClient
from interlock.errors import InterlockError

CLIENTS = (1, 2, 8, 32)
WAYS = (("plain", False), ("with a key", True))
OFFERED, SENDERS = 100, 32  # calls a second, and how many threads make them

Call = Callable[[], object]


class Loop(NamedTuple):
    """Measurements of clients: the seconds of each call, by client, and how many calls failed."""

    taken: list[list[float]]
    failed: int
    seconds: float


def clients(many: int, *, keyed: bool) -> list[Call]:
    """Return an increment of one counter for each client."""

    def one(counters: CounterClient) -> Call:
        counter = counters.counter(f"contended-{many}-{keyed}")
        if keyed:
            return lambda: counter.increment(idempotency_key=str(uuid.uuid4()))
        return counter.increment

    return [one(CounterClient(TABLE)) for _ in range(many)]


def closed(calls: list[Call], seconds: float) -> Loop:
    """Let each client make calls, one after another, for so many seconds."""
    ready = threading.Barrier(len(calls))

    def starts(call: Call) -> Iterator[float]:
        call()
        ready.wait()
        end = time.perf_counter() + seconds
        while (now := time.perf_counter()) < end:
            yield now

    return loop_of(calls, starts, seconds)


def offered(calls: list[Call], rate: int, seconds: float) -> Loop:
    """Begin calls by the clock; one that has to wait for a free client takes as much longer."""
    tickets, total = count(), int(rate * seconds)
    began = time.perf_counter() + 0.1

    def starts(_: Call) -> Iterator[float]:
        while (ticket := next(tickets)) < total:
            due = began + ticket / rate
            time.sleep(max(0.0, due - time.perf_counter()))
            yield due

    return loop_of(calls, starts, seconds)


def loop_of(calls: list[Call], starts: Callable[[Call], Iterator[float]], seconds: float) -> Loop:
    """Have each client make a call at each of its starts, from which its time counts."""

    def run(call: Call) -> tuple[list[float], int]:
        taken, failed = [], 0
        for began in starts(call):
            try:
                call()
            except InterlockError:
                failed += 1
            taken.append(time.perf_counter() - began)
        return taken, failed

    with ThreadPoolExecutor(len(calls)) as pool:
        results = list(pool.map(run, calls))
    return Loop([taken for taken, _ in results], sum(failed for _, failed in results), seconds)


def show(table: str, name: str, loop: Loop) -> None:
    """Print and note a row of a table."""
    taken = sorted(one for client in loop.taken for one in client)
    middle, late = statistics.median(taken), taken[int(len(taken) * 0.99)]
    share = min(map(len, loop.taken)) * len(loop.taken) / len(taken)
    rate = len(taken) / loop.seconds
    print(
        f"  {name:24} {rate:8.0f}/s  p50 {middle * 1e3:7.1f} ms  p99 {late * 1e3:7.1f} ms  "
        f"failed {loop.failed:3}  least share {share:4.2f}",
        flush=True,
    )
    note(
        "counters",
        table,
        name,
        calls_a_second=rate,
        p50_seconds=middle,
        p99_seconds=late,
        failed=loop.failed,
        least_share=share,
    )


def report(seconds: float) -> None:
    """Run both loops and print them."""
    closed_loop = "one counter, one shard, closed loop"
    print(f"\n{closed_loop}")
    for many in CLIENTS:
        for name, keyed in WAYS:
            loop = closed(clients(many, keyed=keyed), seconds)
            show(closed_loop, f"{many} clients, {name}", loop)
    open_loop = f"{OFFERED} calls a second offered, {SENDERS} clients"
    print(f"\n{open_loop}")
    for name, keyed in WAYS:
        show(open_loop, name, offered(clients(SENDERS, keyed=keyed), OFFERED, seconds))


def main() -> None:
    """Run it alone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoint")
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()
    os.environ.update(CREDENTIALS)
    with endpoint(options.endpoint) as url:
        os.environ["AWS_ENDPOINT_URL"] = url  # of the clients that the library makes itself
        prepare(dynamodb(url))
        report(options.seconds)


if __name__ == "__main__":
    main()
