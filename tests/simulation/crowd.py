"""Workers that transfer between few accounts without a pause, over a network with real latencies.

Time is the simulator's: what is measured here is the protocol's behaviour under contention, and is
the same on every machine.
"""

import random
import statistics
from dataclasses import dataclass

from interlock._protocol.requests import Operation
from interlock._protocol.transactions.attempt import Attempt
from interlock._protocol.transactions.idempotency import Committed
from interlock._protocol.transactions.reporting import TransactionReport
from interlock._protocol.transactions.run import TransactionRun
from interlock._protocol.transactions.settings import Settings
from interlock.testing._store.tables import Table
from interlock.testing._store.throttling import PartitionLimit
from tests.simulation.faults import Faults
from tests.simulation.world import World

ACCOUNTS, RECORDS = "accounts", "coordination"
BALANCE = 1000


@dataclass
class Outcome:
    """What each worker's transactions took, and the sum of all accounts at the end."""

    reports: list[list[TransactionReport]]
    total: int

    @property
    def done(self) -> list[int]:
        """How many transfers each worker has made."""
        return [len(reports) for reports in self.reports]

    @property
    def attempts(self) -> float:
        """How many runs of the function a commit took, on average."""
        return statistics.mean(report.attempts for mine in self.reports for report in mine)

    def slowest(self, share: float) -> float:
        """The seconds that this share of the transfers stayed under."""
        seconds = sorted(report.seconds for mine in self.reports for report in mine)
        return seconds[int(len(seconds) * share)]


def crowd(seed: int, *, workers: int, accounts: int, seconds: float) -> Outcome:
    """Let workers make transfers for some seconds, and finish those under way."""
    world = World(
        seed,
        faults=Faults(latency=0.006),
        tables=(Table(ACCOUNTS), Table(RECORDS)),
        limit=PartitionLimit(),
    )
    for account in range(accounts):
        item = {"pk": {"S": str(account)}, "n": {"N": str(BALANCE)}}
        world.store.perform("PutItem", {"TableName": ACCOUNTS, "Item": item})
    reports: list[list[TransactionReport]] = [[] for _ in range(workers)]
    settings = Settings(RECORDS)

    def work(number: int) -> Operation[None]:
        dice = random.Random(number)  # noqa: S311 - repeatable on purpose
        while world.now < seconds:
            source, target = dice.sample(range(accounts), 2)
            report = yield from _transfer(settings, str(source), str(target))
            reports[number].append(report)

    for number in range(workers):
        world.process(f"worker {number}").start(work(number))
    world.run()
    total = sum(int(item["n"]["N"]) for item in world.store.items(ACCOUNTS))
    return Outcome(reports, total)


def _transfer(settings: Settings, source: str, target: str) -> Operation[TransactionReport]:
    run = TransactionRun(settings, None)
    while True:
        attempt = yield from run.begin()
        assert not isinstance(attempt, Committed), "there is no idempotency key"
        yield from _move(attempt, source, target)
        if (yield from run.commit(attempt, None)) is not None:
            return (yield from run.report())


def _move(attempt: Attempt, source: str, target: str) -> Operation[None]:
    for account, change in ((source, -1), (target, 1)):
        item = yield from attempt.get(ACCOUNTS, {"pk": account})
        assert item is not None
        values = {"n": item["n"] + change}
        attempt.update(ACCOUNTS, {"pk": account}, values=values, add={}, remove=(), condition=None)
