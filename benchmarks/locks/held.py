"""A thousand locks held by one process: threads, memory, and heartbeats that are on time."""

import gc
import statistics
import threading
import time
import tracemalloc
from collections import defaultdict
from datetime import timedelta
from itertools import pairwise
from typing import Any

from benchmarks.history import note
from benchmarks.locks.peers import BEAT, OnBoto3, Peer, PythonDynamodbLock

LOCKS = 1000


class Beats:
    """Notes when which item was renewed: by UpdateItem calls on other threads than this one."""

    def __init__(self, client: Any) -> None:
        self.times: dict[str, list[float]] = defaultdict(list)
        self._here = threading.get_ident()
        client.meta.events.register("provide-client-params.dynamodb.UpdateItem", self._note)

    def _note(self, params: dict[str, Any], **_: Any) -> None:
        if threading.get_ident() != self._here:
            self.times[str(params["Key"])].append(time.monotonic())


def report(url: str, seconds: float) -> None:
    """Hold the locks for a while by both clients that have heartbeats, and print what it takes."""
    print(f"\n{LOCKS} held locks, a heartbeat each {BEAT.total_seconds():g} s, for {seconds:g} s")
    for name, kind in (("interlock", OnBoto3), ("python-dynamodb-lock", PythonDynamodbLock)):
        threads = threading.active_count()
        _hold(name, kind(url, timedelta(seconds=1)), threads, seconds)


def _hold(name: str, peer: Peer, threads: int, seconds: float) -> None:
    client = (
        peer.client if isinstance(peer, OnBoto3) else peer.locks._dynamodb_resource.meta.client  # type: ignore[attr-defined]  # noqa: SLF001 - it shows no client
    )
    beats = Beats(client)
    peer.acquire("warm-up")
    peer.release()
    gc.collect()
    tracemalloc.start()
    before, held = tracemalloc.get_traced_memory()[0], []
    for number in range(LOCKS):
        peer.acquire(f"held-{number}")
        held.append(peer.lock)  # type: ignore[attr-defined]
    gc.collect()
    each = (tracemalloc.get_traced_memory()[0] - before) / LOCKS
    tracemalloc.stop()
    beats.times.clear()
    time.sleep(seconds)
    gaps = [b - a for times in beats.times.values() for a, b in pairwise(times)]
    running = threading.active_count() - threads
    print(
        f"  {name:28} {running} threads more  {each / 1024:5.2f} KB a lock  "
        f"{len(beats.times)} renewed, {sum(map(len, beats.times.values()))} times; "
        f"from one to the next {statistics.median(gaps):.2f} s, {max(gaps):.2f} at most"
    )
    note(
        "locks",
        f"{LOCKS} locks held by one process",
        name,
        kilobytes_a_lock=each / 1024,
        beat_seconds=statistics.median(gaps),
        latest_beat_seconds=max(gaps),
    )
    for lock in held:
        lock.release()
    peer.close()
