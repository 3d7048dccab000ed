"""Processes that want one lock: sections a second, hand-over latency, calls for each grant."""

import multiprocessing
import random
import statistics
import time
from datetime import timedelta
from itertools import pairwise
from multiprocessing.synchronize import Barrier
from typing import Any, NamedTuple

from benchmarks.history import note
from benchmarks.locks.peers import ALONE, ON_BOTO3, PEERS

POLL = timedelta(milliseconds=50)
WORK = 0.002  # seconds in the section
REST = 0.050  # seconds at most outside of it: a waiter gets a chance
SPAWN = multiprocessing.get_context("spawn")


class Section(NamedTuple):
    """One stay in the critical section, on the clock that all processes of a machine share."""

    entered: float
    left: float
    process: int


class Outcome(NamedTuple):
    """The work of a crowd, and the seconds that it took."""

    sections: list[Section]
    calls: int
    seconds: float

    @property
    def rate(self) -> float:
        """Sections a second."""
        return len(self.sections) / self.seconds

    @property
    def handovers(self) -> list[float]:
        """Seconds from one process leaving (its release included) to the next one entering."""
        pairs = pairwise(sorted(self.sections))
        return [b.entered - a.left for a, b in pairs if a.process != b.process]

    @property
    def overlaps(self) -> int:
        """The number of times that two were in the section at once."""
        return sum(b.entered < a.left for a, b in pairwise(sorted(self.sections)))


def crowd(name: str, url: str, processes: int, seconds: float) -> Outcome:
    """Let processes contend for one lock of a peer."""
    start, answers = SPAWN.Barrier(processes), SPAWN.Queue()
    workers = [
        SPAWN.Process(target=_work, args=(name, url, number, seconds, start, answers))
        for number in range(processes)
    ]
    for worker in workers:
        worker.start()
    found = [answers.get(timeout=seconds + 120) for _ in workers]
    for worker in workers:
        worker.join()
    return Outcome(
        [section for sections, _ in found for section in sections],
        sum(calls for _, calls in found),
        seconds,
    )


def _work(  # noqa: PLR0917 - a process takes its arguments by position
    name: str, url: str, number: int, seconds: float, start: Barrier, answers: Any
) -> None:
    peer, dice = PEERS[name](url, POLL), random.Random(number)
    peer.acquire(f"warm-up-{number}")
    peer.release()
    start.wait()
    peer.calls, sections = 0, []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        peer.acquire("hot")
        entered = time.monotonic()
        time.sleep(WORK)
        sections.append(Section(entered, time.monotonic(), number))
        peer.release()
        time.sleep(REST * dice.random())
    answers.put((sections, peer.calls))
    peer.close()


def report(url: str, processes: int, seconds: float) -> None:
    """Run the crowd for each peer and print what came of it."""
    print(
        f"\n{processes} processes on one lock, {seconds:g} s, poll {POLL.total_seconds():g} s: "
        "sections a second, ratio, hand-over, calls a grant"
    )
    ours = 0.0
    for name in PEERS:
        if name in {*ALONE, ON_BOTO3}:
            continue
        outcome = crowd(name, url, processes, seconds)
        ours = ours or outcome.rate
        gaps = sorted(outcome.handovers)
        calls = outcome.calls / len(outcome.sections)
        print(
            f"  {name:28} {outcome.rate:6.1f}/s  {outcome.rate / ours:5.2f}x  "
            f"{statistics.median(gaps) * 1e3:6.1f} ms, {gaps[int(len(gaps) * 0.95)] * 1e3:7.1f} "
            f"at the 95th percentile  {calls:6.1f} calls  {outcome.overlaps} overlaps"
        )
        note(
            "locks",
            f"{processes} processes on one lock",
            name,
            sections_a_second=outcome.rate,
            calls_a_grant=calls,
            hand_over_seconds=statistics.median(gaps),
            overlaps=outcome.overlaps,
        )
