"""Random transactions at once on the same few items, checked for a serial order."""

from collections.abc import Callable
from typing import Any

from interlock._protocol.requests import Operation
from interlock._protocol.transactions.attempt import Attempt
from tests.simulation.contention import TABLE, Contention, Faults
from tests.simulation.world import Violation

KEYS = "wxyz"


class Mixture:
    """Some transactions, of which each reads and writes a few of four items, one of them absent."""

    def __init__(self, seed: int, faults: Faults | None = None) -> None:
        self.seed = seed
        self.world = Contention(seed, faults or Faults())
        for key in KEYS[:3]:
            item = {"pk": {"S": key}, "n": {"N": "1"}}
            self.world.store.perform("PutItem", {"TableName": TABLE, "Item": item})
        self.world.versions.clear()
        for _ in range(self.world.rng.choice([3, 6, 10])):
            self.world.start(any_transaction(self.world))

    def run(self) -> None:
        """Run to the end; raise `Violation` if there is no serial order that real time allows."""
        self.world.run()
        problems = self.world.problems()
        if problems:
            told = [f"seed {self.seed}", *problems, self.world.timeline()]
            raise Violation("\n".join(told))


def any_transaction(world: Contention) -> Callable[[Attempt], Operation[None]]:
    """A transaction of random reads and writes: one item or several, blind or not."""
    rng = world.rng
    reads = rng.sample(KEYS, rng.choice([0, 1, 1, 2, 3]))
    targets = [*reads, rng.choice(KEYS)]
    writes = set(rng.sample(targets, rng.randint(0 if reads else 1, min(2, len(set(targets))))))
    kinds = {key: rng.choice(["put", "update", "update", "add", "delete"]) for key in writes}

    def body(attempt: Attempt) -> Operation[None]:
        total = 0
        for key in reads:
            total += yield from world.read(attempt, key)
        for key, kind in kinds.items():
            mark = world.deleted if kind == "delete" else world.wrote
            mark(attempt, key)
            match kind:
                case "put":
                    attempt.put(TABLE, {"pk": key}, {"n": total}, None)
                case "update":
                    changes: dict[str, Any] = {"values": {"n": total}, "add": {}, "remove": ()}
                    attempt.update(TABLE, {"pk": key}, **changes, condition=None)
                case "add":
                    changes = {"values": {}, "add": {"n": 1}, "remove": ()}
                    attempt.update(TABLE, {"pk": key}, **changes, condition=None)
                case "delete":
                    attempt.delete(TABLE, {"pk": key}, None)

    return body
