"""Waiting for one lock in turn, and by looking: calls while it is held, and hand-overs."""

import statistics
import threading
import time
from datetime import timedelta

from benchmarks.history import note
from benchmarks.locks.peers import Interlock

WAITERS = (1, 4, 16, 64, 100)
POLL = timedelta(milliseconds=500)  # the default
HELD = 10.0  # seconds that the lock is held before it changes hands
SETTLING = 5.0  # of these, until all wait
WORK = 0.05  # seconds that each holds it
ROUNDS = 3


def report(url: str) -> None:
    """Let clients of one process wait in both ways, and print what it takes."""
    print(
        f"\none lock, {WORK * 1e3:g} ms in it, poll {POLL.total_seconds():g} s: calls a second "
        "while it is held, hand-over, calls a grant; in turn against by looking"
    )
    for waiters in WAITERS:
        found = {fair: _run(url, waiters, fair=fair) for fair in (True, False)}
        for fair, (held, calls, gaps) in found.items():
            other = found[not fair]
            name = "in turn" if fair else "by looking"
            middle, late = statistics.median(gaps), gaps[int(len(gaps) * 0.99)]
            print(
                f"  {waiters:3} wait {name:12} {held:6.1f} calls/s {held / other[0]:5.2f}x  "
                f"{middle * 1e3:6.1f} ms {middle / statistics.median(other[2]):5.2f}x, "
                f"{late * 1e3:7.1f} at the 99th percentile  {calls:5.1f} calls a grant"
            )
            note(
                "locks",
                f"{waiters} wait for one lock",
                name,
                calls_a_second=held,
                hand_over_seconds=middle,
                slowest_hand_over_seconds=late,
                calls_a_grant=calls,
            )


def _run(url: str, waiters: int, *, fair: bool) -> tuple[float, float, list[float]]:
    """Return calls a second while the lock is held, calls a grant, and the hand-overs in order."""
    name = f"turns-{waiters}-{fair}"
    peers = [Interlock(url, POLL) for _ in range(waiters + 1)]
    came: list[float] = []
    left: list[float] = []

    def work(peer: Interlock) -> None:
        for _ in range(ROUNDS):
            with peer.locks.acquire(name, fair=fair):
                came.append(time.monotonic())
                time.sleep(WORK)
                left.append(time.monotonic())

    holder = peers[0].locks.acquire(name, fair=fair)
    threads = [threading.Thread(target=work, args=(peer,)) for peer in peers[1:]]
    for thread in threads:
        thread.start()
    time.sleep(SETTLING)
    before = sum(peer.calls for peer in peers)
    time.sleep(HELD - SETTLING)
    held = (sum(peer.calls for peer in peers) - before) / (HELD - SETTLING)
    before = sum(peer.calls for peer in peers)
    left.append(time.monotonic())
    holder.release()
    for thread in threads:
        thread.join()
    calls = (sum(peer.calls for peer in peers) - before) / len(came)
    for peer in peers:
        peer.close()
    return held, calls, sorted(b - a for a, b in zip(left, came, strict=False))
