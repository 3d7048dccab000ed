"""Random transactions at once on the same few items, checked for a serial order."""

from collections.abc import Callable
from typing import Any

from interlock._protocol.requests import Operation
from interlock._protocol.transactions.attempt import Attempt
from tests.simulation.contention import TABLE, Contention, Faults
from tests.simulation.world import Violation

KEYS = "wxyz"


class Mixture:
    """Some transactions, of which each reads and writes a few of four items, one of them absent.

    So many `readers` beside them read one item each, one after another. With `ahead`, most of
    them read one or two items ahead, be it those that they use or not.
    """

    def __init__(
        self, seed: int, faults: Faults | None = None, *, readers: int = 0, ahead: bool = False
    ) -> None:
        self.seed = seed
        self.world = Contention(seed, faults or Faults())
        for key in KEYS[:3]:
            item = {"pk": {"S": key}, "n": {"N": "1"}}
            self.world.store.perform("PutItem", {"TableName": TABLE, "Item": item})
        self.world.versions.clear()
        for _ in range(self.world.rng.choice([3, 6, 10])):
            body = any_transaction(self.world)
            read = self.world.rng.sample(KEYS, self.world.rng.randint(0, 2)) if ahead else ()
            self.world.start(body, ahead=read)
        for number in range(readers):
            task = self.world.start(single_read(self.world))
            task.wakes = self.world.now + 0.02 * number

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
    drawn = rng.sample(targets, rng.randint(0 if reads else 1, min(2, len(set(targets)))))
    writes = dict.fromkeys(drawn)  # in the order drawn, whatever the process's hashes are
    kinds = {key: rng.choice(["put", "update", "update", "add", "delete"]) for key in writes}
    at_once, fickle, runs = rng.random() < 0.2, rng.random() < 0.2, []

    def body(attempt: Attempt) -> Operation[None]:
        total = 0
        if at_once:
            total += yield from world.read_together(attempt, reads)
        for key in [] if at_once else reads:
            total += yield from world.read(attempt, key)
        runs.append(attempt.id)
        if fickle and len(runs) > 1:
            return  # what it reads now is not what it would change
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


def single_read(world: Contention) -> Callable[[Attempt], Operation[None]]:
    """A transaction that is one read of one item."""
    key = world.rng.choice(KEYS)

    def body(attempt: Attempt) -> Operation[None]:
        yield from world.read(attempt, key)

    return body
