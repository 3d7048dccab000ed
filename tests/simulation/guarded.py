"""A holder whose threads commit under its lock without a rest, and the heartbeats of that lock.

Every guarded commit occupies the lock's row for a moment, and refuses a heartbeat that meets it.
Time is the simulator's: what is counted is the protocol's behaviour, the same on every machine.

    python -m benchmarks.transactions.guarded
"""

from dataclasses import dataclass, field
from typing import Any

from interlock._protocol.locks import record
from interlock._protocol.locks.client import LockOperations
from interlock._protocol.locks.grant import Grant
from interlock._protocol.locks.settings import Settings as LockSettings
from interlock._protocol.requests import Operation, monotonic, sleep
from interlock._protocol.transactions.idempotency import Committed
from interlock._protocol.transactions.run import TransactionRun
from interlock._protocol.transactions.settings import Settings
from interlock.errors import InterlockError
from interlock.testing._store.tables import Table
from tests.simulation.faults import Faults
from tests.simulation.process import Process
from tests.simulation.world import World

TABLE, ORDERS = "coordination", "orders"
LATENCY = 0.006  # seconds at most, to the store and back each


@dataclass
class Outcome:
    """What was committed, what ended in an error, and how the heartbeats fared.

    `in_a_row` is how many heartbeats of the lock failed one after the other, at most.
    """

    commits: int = 0
    errors: int = 0
    heartbeats: int = 0
    failures: int = 0
    in_a_row: int = 0
    lost: bool = False
    seconds: list[float] = field(default_factory=list)


class Held:
    """A lock as a transaction guards by it."""

    def __init__(self, grant: Grant, process: Process) -> None:
        self._grant = grant
        self._process = process

    @property
    def renewing(self) -> bool:
        """Whether commits wait for a heartbeat."""
        return self._grant.renewing(self._process.monotonic())

    def guard(self) -> Any:
        """Return the ConditionCheck."""
        return record.guard(TABLE, self._grant.name, self._grant.fence)


class Crowd:
    """The threads of one process, and the heartbeats of the lock that they share."""

    def __init__(self, seed: int, seconds: float, lease: float) -> None:
        tables = (Table(TABLE), Table(ORDERS))
        self.world = World(seed, faults=Faults(latency=LATENCY), tables=tables)
        self.process = self.world.process("holder")
        self.operations = LockOperations(LockSettings(TABLE, lease=lease), lambda: "holder")
        self.outcome = Outcome()
        self.seconds = seconds

    def hold(self, threads: int) -> Operation[None]:
        """Take the lock, and start the threads and the heartbeats."""
        grant = yield from self.operations.acquire("job").run()
        for number in range(threads):
            self.process.start(self.work(grant, number), name=f"thread {number}")
        self.process.start(self.beat(grant), name="heartbeat", awaited=False)

    def beat(self, grant: Grant) -> Operation[None]:
        """Renew the lock when it is due, as the driver's heartbeat does."""
        found = self.outcome
        while not grant.over:
            yield from sleep(max(0.0, grant.due - (yield from monotonic())))
            grant.turn.pop()
            yield from self.operations.renew(grant)
            grant.turn.append(True)
            found.heartbeats += 1
            found.failures += grant.failures > 0
            found.in_a_row = max(found.in_a_row, grant.failures)
        found.lost = True

    def work(self, grant: Grant, number: int) -> Operation[None]:
        """Commit without a rest."""
        lock = Held(grant, self.process)
        while self.world.now < self.seconds:
            began = self.world.now
            try:
                yield from put(lock, number)
            except InterlockError:
                self.outcome.errors += 1
            else:
                self.outcome.commits += 1
                self.outcome.seconds.append(self.world.now - began)


def put(lock: Held, number: int) -> Operation[None]:
    """Write an item of a thread's own, under the lock."""
    run = TransactionRun(Settings(TABLE), None)
    while True:
        attempt = yield from run.begin()
        assert not isinstance(attempt, Committed), "there is no idempotency key"
        attempt.guard(lock)
        attempt.put(ORDERS, {"pk": str(number)}, {}, None)
        if (yield from run.commit(attempt, None)) is not None:
            return


def commit_under_one_lock(
    seed: int, *, threads: int, seconds: float, lease: float = 4.0
) -> Outcome:
    """Let threads commit for some seconds under one lock of their process."""
    crowd = Crowd(seed, seconds, lease)
    crowd.process.start(crowd.hold(threads), name="hold")
    crowd.world.run()
    return crowd.outcome
