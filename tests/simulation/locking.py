"""Processes that use locks by the library's own operations, and what must hold at every step."""

import random
from dataclasses import dataclass, field
from typing import Any

from interlock._protocol.faults import Fault, Refused
from interlock._protocol.locks import record
from interlock._protocol.locks.acquiring import Acquisition
from interlock._protocol.locks.grant import Grant
from interlock._protocol.locks.releasing import release
from interlock._protocol.locks.renewing import renew
from interlock._protocol.locks.settings import Settings, Wish
from interlock._protocol.locks.sightings import Sightings
from interlock._protocol.requests import Operation, call, draw, monotonic, sleep
from interlock.errors import LockTimeout, ServiceUnavailable, Throttled
from tests.simulation.faults import CALM, Faults
from tests.simulation.referee import DATA, Referee
from tests.simulation.world import World

TABLE = "coordination"
LEASE = 10.0
SETTINGS = Settings(TABLE, lease=LEASE, poll=1.0)
GIVEN_UP = (ServiceUnavailable, Throttled)


@dataclass(frozen=True, slots=True)
class Plan:
    """What the processes of a world do. Times are seconds.

    `timeouts` are what an acquisition may wait, drawn for each; `work` is the longest time that a
    lock is held, `rest` the longest between two rounds, `freezes` how often a holder stops for
    longer than its lease. All has to be over `within` this.
    """

    settings: Settings = SETTINGS
    names: tuple[str, ...] = ("l",)
    processes: int = 3
    rounds: int = 2
    timeouts: tuple[float | None, ...] = (None, None, 5.0, 0.0)
    work: float = 12.0
    rest: float = 0.5
    freezes: float = 0.0
    within: float = 900.0


@dataclass(slots=True)
class User:
    """One process that takes locks, works under them and gives them back."""

    world: World
    name: str
    plan: Plan
    referee: Referee
    dice: random.Random
    sightings: Sightings = field(default_factory=Sightings)

    def start(self) -> None:
        """Put the process into the world."""
        process = self.world.process(self.name)
        self.referee.enter(process)
        process.start(self.life(), name="work")

    def life(self) -> Operation[None]:
        """Take a lock and work under it, as many times as planned."""
        for _ in range(self.plan.rounds):
            yield from sleep(self.plan.rest * (yield from draw()))
            grant = yield from self.take(self.dice.choice(self.plan.names))
            self.referee.granted(self.name, grant)
            self.process.start(self.beat(grant), name="heartbeat", awaited=False)
            yield from self.work(grant)
            yield from self.give_back(grant)

    @property
    def process(self) -> Any:
        """The process, as the world knows it."""
        return self.referee.processes[self.name]

    def take(self, name: str) -> Operation[Grant]:
        """Acquire until there is a grant."""
        while True:
            wish = Wish(
                name,
                self.plan.settings.lease,
                self.name,
                timeout=self.dice.choice(self.plan.timeouts),
            )
            acquisition = Acquisition(self.plan.settings, wish, self.sightings)
            try:
                return (yield from acquisition.run())
            except (LockTimeout, *GIVEN_UP):
                pass
            yield from acquisition.abandon()
            yield from sleep(0.5 * (yield from draw()))

    def beat(self, grant: Grant) -> Operation[None]:
        """Renew the lock when it is due, as the driver's heartbeat does."""
        while not grant.over:
            now = yield from monotonic()
            if now < grant.due:
                yield from sleep(grant.due - now)
            yield from renew(self.plan.settings, grant)

    def work(self, grant: Grant) -> Operation[None]:
        """Write under the lock, at first and in the end; the second write may come too late."""
        yield from self.write(grant)
        if self.dice.random() < self.plan.freezes:
            self.process.pause(1.5 * grant.lease)
        yield from sleep(self.plan.work * (yield from draw()))
        yield from self.write(grant)

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

    def give_back(self, grant: Grant) -> Operation[None]:
        """Release, and write once more, as a thread does that nobody has told."""
        try:
            if (yield from release(self.plan.settings, grant)):
                self.referee.released(grant)
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
    users = [
        User(world, name, plan, referee, random.Random(f"{seed} {name}"))  # noqa: S311 - repeatable
        for name in "abcdefgh"[: plan.processes]
    ]
    for user in users:
        user.start()
    return users
