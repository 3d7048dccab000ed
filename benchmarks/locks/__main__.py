"""Locks against two raw calls and three other clients: one endpoint, one run, ratios.

    python -m benchmarks.locks [--endpoint http://127.0.0.1:8000] [--rounds 500] [--seconds 8]

Without an endpoint a ministack is started on a free port and stopped again. The peers come with
`uv pip install --group bench`.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta

from benchmarks.comparing import medians
from benchmarks.history import note
from benchmarks.locks import checking, contention, held, slow, turns
from benchmarks.locks.peers import BEAT, PEERS, SPINNING, Interlock, Peer, dynamodb, prepare
from benchmarks.transactions.__main__ import CREDENTIALS, endpoint

IMPORTS = """
import time
began = time.perf_counter()
import boto3
boto = time.perf_counter()
import interlock
bare = time.perf_counter()
from interlock import LockClient
print(boto - began, bare - boto, time.perf_counter() - bare)
"""


def round_trips(url: str) -> None:
    """Count what each step sends, uncontended."""
    ours = Interlock(url, timedelta(seconds=1))
    ours.acquire("trips")
    acquired = ours.calls
    # A heartbeat is due after a quarter of the lease.
    version, deadline = ours.locks.inspect("trips"), time.monotonic() + 60
    before = ours.calls
    looks = 0
    while ours.locks.inspect("trips") == version:
        looks += 1
        assert time.monotonic() < deadline, "no heartbeat came"
        time.sleep(0.05)
    renewed = ours.calls - before - looks - 1
    before = ours.calls
    ours.release()
    print("\nround trips, uncontended")
    print(f"  acquire {acquired}, renew {renewed}, release {ours.calls - before}")
    ours.close()


def uncontended(url: str, rounds: int) -> None:
    """Take and give back, in turn, and print how they compare with the first."""
    peers = {name: make(url, contention.POLL) for name, make in PEERS.items() if name != SPINNING}
    middles = medians({name: _cycle(peer) for name, peer in peers.items()}, rounds)
    base = next(iter(middles.values()))
    print(f"\nacquire and release, uncontended: median of {rounds}, rate against the first")
    for name, middle in middles.items():
        print(f"  {name:28} {middle * 1e3:7.3f} ms  {base / middle:5.2f}x")
        note("locks", "uncontended", name, seconds=middle, rate_against_first=base / middle)
    ratio = middles["python-dynamodb-lock"] / middles["interlock"]
    print(f"  interlock against python-dynamodb-lock: {ratio:.2f}x")
    for peer in peers.values():
        peer.close()


def _cycle(peer: Peer) -> Callable[[int], None]:
    def cycle(_number: int) -> None:
        peer.acquire("uncontended")
        peer.release()

    return cycle


def imports(times: int = 9) -> None:
    """Measure the imports in new interpreters."""
    found = []
    for _ in range(times):
        run = subprocess.run(
            [sys.executable, "-c", IMPORTS], check=True, capture_output=True, text=True
        )
        found.append([float(seconds) * 1e3 for seconds in run.stdout.split()])
    boto, bare, locks = (statistics.median(column) for column in zip(*found, strict=True))
    print(f"\nimports, median of {times}")
    print(f"  boto3 {boto:.0f} ms, interlock {bare:.1f} ms more, LockClient {locks:.1f} ms more")


def main() -> None:
    """Run all comparisons and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoint")
    parser.add_argument("--rounds", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=8.0)
    options = parser.parse_args()
    os.environ.update(CREDENTIALS)
    with endpoint(options.endpoint) as url:
        os.environ["AWS_ENDPOINT_URL"] = url
        prepare(dynamodb(url))
        round_trips(url)
        uncontended(url, options.rounds)
        checking.report(options.rounds)
        for processes in (4, 16):
            contention.report(url, processes, options.seconds)
        turns.report(url)
        held.report(url, 3.2 * BEAT.total_seconds())
        slow.report(url)
    imports()


if __name__ == "__main__":
    main()
