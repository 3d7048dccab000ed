"""Duplicates of keyed transactions at once: of two operations, of two versions of the library."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from interlock._protocol.requests import Operation, Time, time_of_day
from interlock._protocol.retry import RetryBudget
from interlock._protocol.transactions.actions import Action
from interlock._protocol.transactions.attempt import Attempt
from interlock._protocol.transactions.idempotency import PREFIX, Findings, Once
from interlock._protocol.transactions.reads import read_one
from tests.simulation.contention import RECORDS, TABLE, Contention, Faults, Task
from tests.simulation.world import Violation

KEY = "order-42"
STORM = Faults(crash=0.03, late=0.1, lose_reply=0.15)


@dataclass(frozen=True, slots=True)
class EarlierOnce(Once):
    """A key as the version before keys belonged to operations treats it."""

    def find(self, budget: RetryBudget) -> Operation[Findings]:
        record = yield from read_one(budget, self.unscoped_address)
        if record is None or float(record["expires"]["N"]) <= (yield from time_of_day()).past:
            return Findings()
        return self.read(record)

    def read(self, record: Any) -> Findings:
        return Once.read(self, {k: v for k, v in record.items() if k != "operation"})

    def actions(
        self, attempt_id: str, result: Any, time: Time, *, occupied: bool
    ) -> tuple[Action, ...]:
        del occupied
        return Once.actions(self, attempt_id, result, time, occupied=False)[1:]


class Duplicates:
    """Five calls with one key, of which a share comes from processes of the earlier version.

    With `two`, they are of two operations, which have nothing to do with each other. `skew` is by
    how many seconds the clocks of the callers are off at most. With `ahead` they read their item
    together with the key.
    """

    def __init__(
        self,
        seed: int,
        *,
        earlier: float = 0.0,
        two: bool = False,
        skew: float = 0.0,
        ahead: bool = False,
    ) -> None:
        self.seed = seed
        self.world = Contention(seed, STORM)
        dice = self.world.rng
        self.tasks: list[tuple[str, Task]] = []
        for number in range(5):
            operation = "refund" if two and dice.random() < 0.5 else "ship"
            kind = EarlierOnce if dice.random() < earlier else Once
            once = kind.of(RECORDS, KEY, {"amount": 7}, 3600.0, operation=operation, unscoped=True)
            body = deposit(self.world, operation)
            task = self.world.start(body, once=once, ahead=[operation] if ahead else ())
            task.skew = skew * (2.0 * dice.random() - 1.0) if skew else 0.0
            task.wakes = self.world.now + dice.choice([0.0, 0.02, 0.2]) * number
            self.tasks.append((operation, task))

    def run(self) -> None:
        """Run to the end; raise `Violation` for an effect that came twice, or not at all."""
        self.world.run()
        problems = self.world.problems()
        for operation in ("ship", "refund"):
            results = {task.result for name, task in self.tasks if name == operation}
            stored = self.world.store.item(TABLE, operation)
            count = 0 if stored is None else int(stored["n"]["N"])
            if count > 1:
                problems.append(f"{operation} happened {count} times")
            if (results - {None}) and not count:
                problems.append(f"{operation} was reported, and has not happened")
            if len(results - {None}) > 1:
                problems.append(f"{operation} has several results: {results}")
        if problems:
            told = [f"seed {self.seed}", *problems, self.world.timeline()]
            raise Violation("\n".join(told))


def deposit(world: Contention, operation: str) -> Callable[[Attempt], Operation[str]]:
    """Count one more of an operation, sometimes after a read."""
    reads = world.rng.random() < 0.5

    def body(attempt: Attempt) -> Operation[str]:
        if reads:
            yield from world.read(attempt, operation)
        world.wrote(attempt, operation)
        changes: Any = {"values": {}, "add": {"n": 1}, "remove": ()}
        attempt.update(TABLE, {"pk": operation}, **changes, condition=None)
        return attempt.id

    return body


def record_of(world: Contention, operation: str) -> Any:
    """Return what is recorded of an operation."""
    return world.store.item(RECORDS, f"{PREFIX}{operation}#{KEY}")
