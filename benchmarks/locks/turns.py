"""Waiting for one lock: calls and units while it is held, then hand-overs.

    python -m benchmarks.locks.turns [--endpoint http://127.0.0.1:8000]

Each waiter is a client of its own on a thread of its own, but in "one client", where all are
threads of one. The lock is held for a while before it changes hands.
"""

import argparse
import os
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import NamedTuple

from benchmarks.history import note
from benchmarks.locks.peers import Dlm, Interlock, Peer, PythonDynamodbLock, dynamodb, prepare
from benchmarks.transactions.__main__ import CREDENTIALS, endpoint

WAITERS = (1, 4, 16, 64, 100)
POLL = timedelta(milliseconds=500)  # the default
HELD = 7.0  # seconds that the lock is held before it changes hands
SETTLING = 4.0  # of these, until all wait
WORK = 0.05  # seconds that each holds it
ROUNDS = 2
HOUR = 3600.0


class InTurn(Interlock):
    """This library, first come, first served."""

    def acquire(self, name: str) -> None:
        """Take a lock."""
        self.lock = self.locks.acquire(name, fair=True)


class Shared(Interlock):
    """This library, by one client of several threads."""

    def __init__(self, of: Interlock) -> None:
        self.locks = of.locks
        self.calls, self.read_units, self.write_units = 0, 0.0, 0.0


class Sums(NamedTuple):
    """The sums of what all sent until now."""

    calls: int
    read_units: float
    write_units: float

    @classmethod
    def of(cls, peers: Sequence[Peer]) -> "Sums":
        """Add up what the clients sent."""
        return cls(
            sum(peer.calls for peer in peers),
            sum(peer.read_units for peer in peers),
            sum(peer.write_units for peer in peers),
        )


class Waiting(NamedTuple):
    """The price of waiting: while the lock was held, and when it changed hands."""

    calls_a_second: float
    read_units_an_hour: float
    write_units_an_hour: float
    calls_a_grant: float
    handovers: list[float]


def one_client(url: str, many: int) -> list[Peer]:
    """Return a client for the holder, and one whose threads all wait."""
    waiting = Interlock(url, POLL)
    return [Interlock(url, POLL), waiting, *(Shared(waiting) for _ in range(many - 1))]


def each(kind: Callable[[str, timedelta], Peer]) -> Callable[[str, int], list[Peer]]:
    """Return a function that makes the holder and each waiter a client of its own."""
    return lambda url, many: [kind(url, POLL) for _ in range(many + 1)]


WAYS: dict[str, Callable[[str, int], list[Peer]]] = {
    "interlock, in turn": each(InTurn),
    "interlock, by looking": each(Interlock),
    "interlock, one client": one_client,
    "python-dynamodb-lock": each(PythonDynamodbLock),
    "dynamo-dlm": each(Dlm),
}


def report(url: str) -> None:
    """Let all of them wait in each way, and print what it takes."""
    print(
        f"\none lock, {WORK * 1e3:g} ms in it, poll {POLL.total_seconds():g} s: calls a second and "
        "units an hour while it is held, then hand-overs"
    )
    for many in WAITERS:
        for name, make in WAYS.items():
            found = wait(make(url, many), f"turns-{many}-{name}")
            middle = statistics.median(found.handovers)
            late = found.handovers[int(len(found.handovers) * 0.99)]
            print(
                f"  {many:3} wait, {name:22} {found.calls_a_second:6.1f} calls/s "
                f"{found.read_units_an_hour:8,.0f} read, {found.write_units_an_hour:8,.0f} written "
                f" {middle * 1e3:6.1f} ms, {late * 1e3:7.1f} at the 99th percentile "
                f"{found.calls_a_grant:5.1f} calls a grant",
                flush=True,
            )
            note(
                "locks",
                f"{many} wait for one lock",
                name,
                calls_a_second=found.calls_a_second,
                read_units_an_hour=found.read_units_an_hour,
                write_units_an_hour=found.write_units_an_hour,
                hand_over_seconds=middle,
                p99_seconds=late,
                calls_a_grant=found.calls_a_grant,
            )


def wait(peers: list[Peer], name: str) -> Waiting:
    """Hold a lock by the first, let the others wait for it, and then each hold it in turn."""
    came: list[float] = []
    left: list[float] = []

    def work(peer: Peer) -> None:
        for _ in range(ROUNDS):
            peer.acquire(name)
            came.append(time.monotonic())
            time.sleep(WORK)
            left.append(time.monotonic())
            peer.release()

    holder, waiters = peers[0], peers[1:]
    holder.acquire(name)
    threads = [threading.Thread(target=work, args=(peer,)) for peer in waiters]
    for thread in threads:
        thread.start()
    time.sleep(SETTLING)
    before = Sums.of(waiters)
    time.sleep(HELD - SETTLING)
    held = [
        (now - then) / (HELD - SETTLING) for now, then in zip(Sums.of(waiters), before, strict=True)
    ]
    before = Sums.of(peers)
    left.append(time.monotonic())
    holder.release()
    for thread in threads:
        thread.join()
    calls = (Sums.of(peers).calls - before.calls) / len(came)
    for peer in peers:
        peer.close()
    gaps = sorted(b - a for a, b in zip(sorted(left), sorted(came), strict=False))
    return Waiting(held[0], held[1] * HOUR, held[2] * HOUR, calls, gaps)


def main() -> None:
    """Run it alone."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--endpoint")
    options = parser.parse_args()
    os.environ.update(CREDENTIALS)
    with endpoint(options.endpoint) as url:
        os.environ["AWS_ENDPOINT_URL"] = url
        prepare(dynamodb(url))
        report(url)


if __name__ == "__main__":
    main()
