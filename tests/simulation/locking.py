"""Processes that use locks by the library's own operations, and what must hold at every step."""

import random
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from interlock._protocol.faults import Fault, Refused
from interlock._protocol.locks import record
from interlock._protocol.locks.acquire import Acquiring
from interlock._protocol.locks.client import LockOperations
from interlock._protocol.locks.grant import Grant
from interlock._protocol.locks.settings import Settings
from interlock._protocol.requests import Operation, call, draw, monotonic, sleep
from interlock.errors import (
    LockLost,
    LockTimeout,
    PermitsMismatch,
    ServiceUnavailable,
    Throttled,
    TransactionConflict,
)
from tests.simulation.faults import CALM, Faults
from tests.simulation.process import Process, Task
from tests.simulation.referee import DATA, Referee
from tests.simulation.world import World

TABLE = "coordination"
LEASE = 10.0
INFINITE = float("inf")
SETTINGS = Settings(TABLE, lease=LEASE, poll=1.0)
GIVEN_UP = (ServiceUnavailable, Throttled, TransactionConflict)


@dataclass(frozen=True, slots=True)
class Plan:
    """What the processes of a world do. Times are seconds.

    `timeouts` are what an acquisition may wait, drawn for each; `work` is the longest time that a
    lock is held, `rest` the longest between two rounds, `freezes` how often a holder stops for
    longer than its lease, `together` how often two locks are taken at once, `handed` how often one
    is exported while it is held, for `heirs` processes that do nothing but adopt what they can.
    `extended` is how often a lock gets another lease while it is held, `fair` how often a lock is
    asked for in its turn; with `orderly` no turn may be missed. `brief` is how often a lock is held
    for a moment only.
    With `permits` each name is a semaphore; `believed` are the numbers that processes take it to
    have instead, one drawn for each. `breaks` is how often an operator comes by and breaks
    a lock, every few seconds. All has to be over `within` this.
    """

    settings: Settings = SETTINGS
    names: tuple[str, ...] = ("l",)
    processes: int = 3
    rounds: int = 2
    timeouts: tuple[float | None, ...] = (None, None, 5.0, 0.0)
    work: float = 12.0
    rest: float = 0.5
    freezes: float = 0.0
    together: float = 0.0
    permits: int = 0
    believed: tuple[int, ...] = ()
    handed: float = 0.0
    heirs: int = 0
    breaks: int = 0
    extended: float = 0.0
    fair: float = 0.0
    orderly: bool = False
    brief: float = 0.0
    within: float = 900.0


@dataclass(slots=True)
class User:
    """One process that takes locks, works under them and gives them back."""

    world: World
    name: str
    plan: Plan
    referee: Referee
    dice: random.Random
    operations: LockOperations = field(init=False)
    permits: int = field(init=False)

    def __post_init__(self) -> None:
        self.operations = LockOperations(self.plan.settings, lambda: self.name)
        believed = self.plan.believed
        self.permits = self.dice.choice(believed) if believed else self.plan.permits

    def start(self) -> Task:
        """Put the process into the world."""
        return self.enter().start(self.life(), name="work")

    def wait_for(self, testators: list[Task]) -> None:
        """Put the process into the world as an heir."""
        self.enter().start(self.inherit(testators), name="inherit")

    def enter(self) -> Process:
        """Make the process, and have it watched."""
        process = self.world.process(self.name)
        self.referee.enter(process)
        return process

    def life(self) -> Operation[None]:
        """Take a lock and work under it, as many times as planned."""
        for _ in range(self.plan.rounds):
            yield from sleep(self.plan.rest * (yield from draw()))
            count = 2 if self.dice.random() < self.plan.together else 1
            grants = yield from self.take(self.dice.sample(self.plan.names, count))
            self.referee.granted_together(self.name, grants)
            for grant in grants:
                self.keep(grant)
            for grant in grants:
                yield from self.work(grant)
            yield from self.give_back_all(grants)

    def inherit(self, testators: list[Task]) -> Operation[None]:
        """Adopt what they export, in competition with the other heirs."""
        seen = 0
        while seen < len(self.referee.exports) or not all(task.ended for task in testators):
            yield from sleep(0.2 * (yield from draw()))
            for text in self.referee.exports[seen:]:
                seen += 1
                try:
                    grant = yield from self.operations.adopt(text, [])
                except (LockLost, *GIVEN_UP):
                    continue
                self.referee.granted(self.name, grant)
                self.keep(grant)
                yield from self.work(grant)
                yield from self.give_back(grant)

    @property
    def process(self) -> Any:
        """The process, as the world knows it."""
        return self.referee.processes[self.name]

    def take(self, names: list[str]) -> Operation[list[Grant]]:
        """Acquire until there is a grant of each."""
        while True:
            drawn = self.dice.choice(self.plan.timeouts)
            timeout = None if drawn is None else timedelta(seconds=drawn)
            try:
                if len(names) > 1:
                    together = self.operations.acquire_all(names, timeout=timeout)
                    grants: list[Grant] = yield from self.attempted(together)
                    return grants
                return [(yield from self.attempted(self.single(names[0], timeout)))]
            except (LockTimeout, *GIVEN_UP):
                yield from sleep(0.5 * (yield from draw()))
            except PermitsMismatch as told:
                self.referee.mismatches += 1
                self.permits = told.agreed

    def single(self, name: str, timeout: timedelta | None) -> Acquiring[Grant]:
        """Take one lock, or one permit."""
        if self.permits:
            return self.operations.permit(name, self.permits, timeout=timeout)
        fair = self.plan.fair > 0 and self.dice.random() < self.plan.fair
        return self.operations.acquire(name, timeout=timeout, fair=fair)

    def attempted(self, acquisition: Acquiring[Any]) -> Operation[Any]:
        """Run an acquisition, and give back what one that failed may have been granted."""
        since = self.process.ids
        try:
            return (yield from acquisition.run())
        except (LockTimeout, *GIVEN_UP):
            if (yield from acquisition.abandon()):
                self.referee.done(self.name, since)
            raise

    def keep(self, grant: Grant) -> None:
        """Have a lock renewed as long as it is held."""
        self.process.start(self.beat(grant), name="heartbeat", awaited=False)

    def beat(self, grant: Grant) -> Operation[None]:
        """Renew the lock when it is due, as the driver's heartbeat does."""
        while not grant.over:
            now = yield from monotonic()
            if now < grant.due:
                # An extension may make it due sooner.
                yield from sleep(min(grant.due - now, 0.5 if self.plan.extended else INFINITE))
            if self.plan.extended and (not grant.turn or (yield from monotonic()) < grant.due):
                yield from sleep(0.1)
                continue
            grant.turn.pop()
            yield from self.operations.renew(grant)
            grant.turn.append(True)

    def extend(self, grant: Grant) -> Operation[None]:
        """Hold a lock for another lease from now on."""
        while not grant.turn:
            yield from sleep(0.1)
        grant.turn.pop()
        lease = timedelta(seconds=self.dice.choice((0.2, 0.5, 2.0, 4.0)) * LEASE)
        with suppress(LockLost, *GIVEN_UP):
            yield from self.operations.extend(grant, lease)
        grant.turn.append(True)

    def work(self, grant: Grant) -> Operation[None]:
        """Write under the lock, at first and in the end; the second write may come too late."""
        yield from self.write(grant)
        if self.dice.random() < self.plan.freezes:
            self.process.pause(1.5 * grant.lease)
        brief = self.plan.brief > 0 and self.dice.random() < self.plan.brief
        yield from sleep((0.01 if brief else self.plan.work) * (yield from draw()))
        if self.dice.random() < self.plan.extended:
            yield from self.extend(grant)
            yield from sleep(self.plan.work * (yield from draw()))
        yield from self.write(grant)
        if self.dice.random() < self.plan.handed and not grant.over:
            self.referee.exported(grant, self.operations.export(grant))

    def write(self, grant: Grant) -> Operation[None]:
        """Write what only the holder may write, guarded, whether the lock is still held or not."""
        item = {"pk": {"S": DATA + grant.name}, "fence": {"N": str(grant.fence)}}
        put = {"Put": {"TableName": TABLE, "Item": item}}
        check = record.guard(TABLE, grant.name, grant.fence)
        for _ in range(5):
            try:
                yield from call("TransactWriteItems", TransactItems=[check, put])
            except Refused as refusal:
                if not (refusal.throttled or refusal.conflicted):
                    return
            except Fault:
                pass
            else:
                return
            yield from sleep(0.1 * (yield from draw()))

    def break_locks(self) -> Operation[None]:
        """Break what is held, a few times."""
        for _ in range(self.plan.breaks):
            yield from sleep(8.0 * (yield from draw()))
            try:
                record = yield from self.operations.break_lock(
                    self.dice.choice(self.plan.names), because="it was time"
                )
            except GIVEN_UP:
                continue
            if record is not None:
                self.referee.broken(record)

    def give_back_all(self, grants: list[Grant]) -> Operation[None]:
        """Release what was taken together, by batches as far as they go: as the driver does."""
        own = [grant for grant in grants if not grant.closed]  # those that are were exported
        for grant in own:
            grant.close()
        for batch in self.operations.together.batches(own):
            yield from self.operations.together.free(batch)
        for grant in own:
            yield from self.release(grant)

    def give_back(self, grant: Grant) -> Operation[None]:
        """Release a lock that was not exported."""
        if not grant.closed:
            yield from self.release(grant)

    def release(self, grant: Grant) -> Operation[None]:
        """Release, and write once more, as a thread does that no client has told."""
        try:
            if grant.freed or (yield from self.operations.release(grant)):
                self.referee.released(self.name, grant)
        except GIVEN_UP:
            pass
        if (yield from draw()) < 0.3:
            yield from self.write(grant)


def contend(seed: int, *, faults: Faults = CALM, plan: Plan | None = None) -> World:
    """Return a world in which processes contend for locks, with everything watched."""
    plan = plan or Plan()
    world = World(seed, faults=faults, within=plan.within)
    enter(world, plan, seed)
    return world


def enter(world: World, plan: Plan, seed: int = 0) -> list[User]:
    """Put contending processes into a world."""
    referee = Referee(world, TABLE)
    referee.orderly = plan.orderly
    users: list[User] = []
    for name in "abcdefgh"[: plan.processes + plan.heirs]:
        dice = random.Random(f"{seed} {name}")  # noqa: S311 - repeatable on purpose
        users.append(User(world, name, plan, referee, dice))
    working = [user.start() for user in users[: plan.processes]]
    for heir in users[plan.processes :]:
        heir.wait_for(working)
    if plan.breaks:
        dice = random.Random(f"{seed} o")  # noqa: S311 - repeatable on purpose
        operator = User(world, "o", plan, referee, dice)
        operator.enter().start(operator.break_locks(), name="break")
    return users
