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

from benchmarks.counters.__main__ import TABLE, dynamodb, prepare
from benchmarks.transactions.__main__ import CREDENTIALS, endpoint
from interlock import CounterClient
from interlock.errors import InterlockError

CLIENTS = (1, 2, 8, 32)
OFFERED, SENDERS = 100, 32  # calls a second, and how many threads make them

Call = Callable[[], object]


class Loop(NamedTuple):
    """Measurements of clients: the seconds of each call, by client, and how many calls failed."""

    taken: list[list[float]]
    failed: int
    seconds: float


def clients(url: str, many: int, *, keyed: bool) -> list[Call]:
    """Return an increment of one counter for each client."""

    def one(counters: CounterClient) -> Call:
        counter = counters.counter(f"contended-{many}-{keyed}")
        if keyed:
            return lambda: counter.increment(idempotency_key=str(uuid.uuid4()))
        return counter.increment

    return [one(CounterClient(TABLE, client=dynamodb(url))) for _ in range(many)]


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


def line(name: str, loop: Loop) -> str:
    """Return a row of the table."""
    taken = sorted(one for client in loop.taken for one in client)
    middle, late = statistics.median(taken), taken[int(len(taken) * 0.99)]
    share = min(map(len, loop.taken)) * len(loop.taken) / len(taken)
    return (
        f"  {name:24} {len(taken) / loop.seconds:8.0f}/s  p50 {middle * 1e3:7.1f} ms  "
        f"p99 {late * 1e3:7.1f} ms  failed {loop.failed:3}  least share {share:4.2f}"
    )


def main() -> None:
    """Run both loops and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoint")
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()
    os.environ.update(CREDENTIALS)
    with endpoint(options.endpoint) as url:
        prepare(dynamodb(url))
        print("\none counter, one shard, closed loop")
        for many in CLIENTS:
            for name, keyed in (("plain", False), ("with a key", True)):
                loop = closed(clients(url, many, keyed=keyed), options.seconds)
                print(line(f"{many} clients, {name}", loop), flush=True)
        print(f"\n{OFFERED} calls a second offered, {SENDERS} clients")
        for name, keyed in (("plain", False), ("with a key", True)):
            calls = clients(url, SENDERS, keyed=keyed)
            print(line(name, offered(calls, OFFERED, options.seconds)), flush=True)


if __name__ == "__main__":
    main()
