"""Commits under one lock, and its heartbeats: what the row of a lock takes, in simulated time.

    python -m benchmarks.transactions.guarded [--seconds 30]

Neither ministack nor DynamoDB Local refuses what meets a transaction under way; the simulator's
store does, as DynamoDB does, with 7 ms a call.
"""

import argparse
import logging

from benchmarks.history import note
from tests.simulation.guarded import commit_under_one_lock


def report(seconds: float = 30.0) -> None:
    """Print the rates and the failures for several numbers of threads."""
    print(f"\nthreads that commit under one lock of their process, lease 4 s, {seconds:g} s")
    print("  threads  commits/s  errors  heartbeats  failed  in a row  slowest commit")
    for threads in (1, 2, 4, 8, 16, 48):
        found = commit_under_one_lock(1, threads=threads, seconds=seconds)
        rate = found.commits / seconds
        print(
            f"  {threads:7}  {rate:9.0f}  {found.errors:6}  {found.heartbeats:10}  "
            f"{found.failures:6}  {found.in_a_row:8}  {max(found.seconds):12.1f} s"
        )
        note(
            "transactions",
            "guarded by one lock",
            f"{threads} threads",
            rate=rate,
            failed_heartbeats=found.failures,
        )


def main() -> None:
    """Run it once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    logging.disable(logging.CRITICAL)
    report(parser.parse_args().seconds)


if __name__ == "__main__":
    main()
