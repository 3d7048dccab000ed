"""One process of a history: it calls the library for a while and writes down what came of it.

`python -m tests.histories.worker NAME SEED SECONDS FILE`. Each line of the file is an event,
written before the next call begins, so that a process that is killed leaves what it knew. Times are
of the machine's monotonic clock, which all processes share.
"""

import json
import random
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from interlock import CounterClient, LockClient, TransactionClient
from interlock.errors import (
    CounterLimitExceeded,
    InterlockError,
    LockLost,
    LockTimeout,
    OutcomeUnknown,
)
from interlock.locks import Semaphore

TABLE = "histories"
ITEMS = [f"item-{number}" for number in range(5)]
LOCKS = ["lock-0", "lock-1"]
PERMITS = 2
FLOOR, CEILING, RAISED = 0, 60, 80
SHORT = timedelta(seconds=3)


class Worker:
    """What a process does, by the draws of its seed."""

    def __init__(self, name: str, seed: int, path: Path) -> None:
        self.name = name
        self.rng = random.Random(seed)
        self._file = path.open("a", buffering=1)
        self._number = 0
        self.locks = LockClient(
            TABLE, lease=timedelta(seconds=4), poll=timedelta(milliseconds=100), owner=name
        )
        self.transactions = TransactionClient(TABLE, timeout=timedelta(seconds=5))
        self.counters = CounterClient(TABLE, timeout=timedelta(seconds=5))
        self.permits = Semaphore(self.locks, "permits", permits=PERMITS)

    def run(self, seconds: float) -> None:
        """Call the library until the time is up."""
        choices: list[tuple[Callable[[], None], int]] = [
            (self.append, 6),
            (self.guarded, 4),
            (self.permit, 2),
            (self.count, 4),
            (self.transfer, 3),
            (self.configure, 1),
        ]
        acts, weights = zip(*choices, strict=True)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.rng.choices(acts, weights)[0]()
        self.locks.close()

    def append(self) -> None:
        """Read some items and append to some of them, in one transaction."""
        names = self.rng.sample(ITEMS, self.rng.randint(1, 3))
        writes = names[: self.rng.randint(0, len(names))]
        unique = self._unique()
        reads: dict[str, list[str]] = {}

        def body(tx: Any) -> None:
            for name in names:
                item = tx.get(TABLE, {"pk": name})
                reads[name] = list(item["list"]) if item else []
            for name in writes:
                tx.put(TABLE, {"pk": name}, {"list": [*reads[name], unique]})

        self._call(
            "append",
            lambda: self.transactions.run(body) or reads,
            {"unique": unique, "writes": writes},
        )

    def guarded(self) -> None:
        """Append the fence to a lock's log, under its guard, perhaps after a while."""
        name = self.rng.choice(LOCKS)
        grant = self._unique()
        try:
            began = time.monotonic()
            lock = self.locks.acquire(name, timeout=SHORT)
        except InterlockError:
            return
        fence = lock.fencing_token
        self._write("grant", lock=name, fence=fence, grant=grant, at=time.monotonic(), asked=began)
        try:
            for _ in range(self.rng.randint(1, 3)):
                time.sleep(self.rng.uniform(0, 0.3))
                seen = time.monotonic()
                lock.ensure()
                self._write("held", lock=name, fence=fence, at=seen)
                self._write_under(lock, name, fence)
            lock.release()
        except LockLost:
            self._write("lost", lock=name, fence=fence, at=time.monotonic())
        except InterlockError:
            pass  # it ends with its lease

    def _write_under(self, lock: Any, name: str, fence: int) -> None:
        unique = self._unique()

        def body(tx: Any) -> None:
            item = tx.get(TABLE, {"pk": f"log-{name}"})
            log = list(item["list"]) if item else []
            tx.put(TABLE, {"pk": f"log-{name}"}, {"list": [*log, [fence, unique]]})
            tx.guard(lock)

        self._call(
            "guarded",
            lambda: self.transactions.run(body),
            {"lock": name, "fence": fence, "unique": unique},
        )

    def permit(self) -> None:
        """Hold one of a few permits."""
        try:
            permit = self.permits.acquire(timeout=SHORT)
        except InterlockError:
            return
        fence, which = permit.fencing_token, permit.guard()["ConditionCheck"]["Key"]["pk"]["S"]
        self._write("grant", lock=which, fence=fence, grant=self._unique(), at=time.monotonic())
        try:
            time.sleep(self.rng.uniform(0, 0.5))
            seen = time.monotonic()
            permit.ensure()
            self._write("held", lock=which, fence=fence, at=seen)
            permit.release()
        except InterlockError:
            pass  # lost, or it ends with its lease

    def count(self) -> None:
        """Count under a key that other processes use too."""
        key = f"key-{self.rng.randrange(400)}"
        amount = 1 + sum(key.encode()) % 3  # the same for all that use the key
        up = sum(key.encode()) % 2 == 0
        counter = self.counters.counter("bounded")

        def act() -> Any:
            change = (counter.increment if up else counter.decrement)(amount, idempotency_key=key)
            return {"value": int(change.value), "shard": change.shard, "amount": int(change.amount)}

        self._call("count", act, {"key": key, "amount": amount if up else -amount})

    def transfer(self) -> None:
        """Move between two counters, whose sum stays."""
        source, target = self.rng.sample(["left", "right"], 2)
        key, amount = self._unique(), self.rng.randint(1, 5)

        def act() -> Any:
            self.counters.transfer(source, target, amount, idempotency_key=key)

        self._call("transfer", act, {"key": key, "from": source, "to": target, "amount": amount})

    def configure(self) -> None:
        """Change the bounded counter while it is in use."""
        counter = self.counters.counter("bounded")
        if self.rng.random() < 0.5:
            shards = self.rng.randint(1, 3)
            self._call("configure", lambda: counter.configure(shards=shards), {"shards": shards})
        else:
            self._call("read", lambda: int(counter.get()), {"counter": "bounded"})

    def _call(self, what: str, act: Callable[[], Any], about: dict[str, Any]) -> None:
        """Make one call between two lines of the history: it began, and how it ended."""
        number, began = self._unique(), time.monotonic()
        self._write("began", call=number, what=what, at=began, **about)
        try:
            result: Any = act()
            outcome = "done"
        except OutcomeUnknown:
            result, outcome = None, "unknown"
        except CounterLimitExceeded as full:
            result, outcome = {"value": int(full.value)}, "refused"
        except (InterlockError, LockTimeout) as error:
            result, outcome = type(error).__name__, "refused"
        self._write("ended", call=number, outcome=outcome, result=result, at=time.monotonic())

    def _unique(self) -> str:
        self._number += 1
        return f"{self.name}.{self._number}"

    def _write(self, event: str, **fields: Any) -> None:
        self._file.write(json.dumps({"event": event, "process": self.name, **fields}) + "\n")


if __name__ == "__main__":
    process, drawn, duration, log = sys.argv[1:]
    Worker(process, int(drawn), Path(log)).run(float(duration))
