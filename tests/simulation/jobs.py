"""Processes that call one job, and what must hold of its runs, their record and their results."""

import json
import random
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NamedTuple, cast

from interlock._protocol.locks.client import LockOperations
from interlock._protocol.locks.grant import Grant
from interlock._protocol.locks.jobs import Job, JobAcquisition, Otherwise, must_stay
from interlock._protocol.locks.runs import entry, run_fence
from interlock._protocol.locks.settings import PREFIX, Settings
from interlock._protocol.locks.state import JobRun, LossReason
from interlock._protocol.requests import Monotonic, Operation, WallClock, draw, sleep
from interlock.errors import LockLost, LockTimeout
from interlock.testing._store.tables import Change
from tests.simulation.faults import Faults
from tests.simulation.locking import GIVEN_UP, SETTINGS, TABLE
from tests.simulation.referee import Referee
from tests.simulation.world import World

NAME = "l"
LOOK = 0.5  # seconds between two looks at times that others may have changed


@dataclass(frozen=True, slots=True)
class Plan:
    """What the processes of a world do. Times are seconds.

    `work` is the longest time that a run takes, `rest` the longest between two calls of a process,
    `otherwise` what those do that may not run the job, drawn for each. `hesitates` is how often a
    process stops between the grant and the begin of its run, for up to one and a half first leases.
    """

    settings: Settings = SETTINGS
    processes: int = 3
    calls: int = 4
    at_least: float = 25.0
    at_most: float = 30.0
    work: float = 35.0
    rest: float = 30.0
    otherwise: tuple[Otherwise, ...] = ("skip", "wait", "result", "result")
    hesitates: float = 0.1
    within: float = 1800.0

    def job(self, otherwise: Otherwise) -> Job:
        """Return the job as one process has it."""
        return Job.of(
            self.settings,
            NAME,
            at_least=timedelta(seconds=self.at_least),
            at_most=timedelta(seconds=self.at_most),
            otherwise=otherwise,
            timeout=None,
        )


class Came(NamedTuple):
    """The fences, when a caller came, of the run on record, and of the one under way."""

    recorded: int
    running: int


class JobReferee:
    """Watches the runs of a job: when they begin, what is recorded of them, and who gets what."""

    def __init__(self, world: World, plan: Plan) -> None:
        self.world = world
        self.plan = plan
        self.locks = Referee(world, TABLE)
        self.runs = self.delivered = self.skipped = 0
        self._began = float("-inf")
        self._running: dict[int, tuple[str, Grant]] = {}
        self._results: dict[int, str] = {}
        world.store.on_change(self.changed)

    def came(self) -> Came:
        """Note that a caller comes."""
        running = [
            fence for fence, (process, grant) in self._running.items() if self._runs(process, grant)
        ]
        return Came(self._recorded(), max(running, default=0))

    def begins(self, process: str, grant: Grant) -> None:
        """Judge that a run begins."""
        since = self.world.now - self._began
        assert since >= self.plan.at_least, f"{process} runs the job again after {since} s"
        others = [holder for holder, held in self._running.values() if self._runs(holder, held)]
        assert not others, f"{process} runs the job while {others} do"
        self._began = self.world.now
        self._running[grant.fence] = process, grant
        self.runs += 1

    def ends(self, grant: Grant, result: str) -> None:
        """Note what a run returns; from now on the process does not act as the lock's holder."""
        self._running.pop(grant.fence)
        self.locks.held.pop(NAME, None)
        self._results[grant.fence] = result

    def gets(self, process: str, came: Came, run: JobRun) -> None:
        """Judge the result that a caller gets."""
        self.delivered += 1
        fence = run.fencing_token
        assert run.result == self._results.get(fence), f"{process} gets what {fence} never returned"
        assert fence >= came.running, f"{process} gets the result of a run before the one it met"
        assert fence >= came.recorded, f"{process} gets a result that was out of date"

    def changed(self, change: Change) -> None:
        """Judge a write of the record."""
        if change.place.key[0] != PREFIX + NAME or change.after is None:
            return
        before, after = _run(change.before), _run(change.after)
        if before == after:
            return
        old, new = run_fence(change.before), run_fence(change.after)
        assert after is not None, "the record of a run was deleted"
        assert new > old, f"the record of the last run went from {old} to {new}"
        assert json.loads(after["M"]["result"]["S"]) == self._results[new]

    def _recorded(self) -> int:
        return run_fence(self.world.store.item(TABLE, PREFIX + NAME))

    def _runs(self, process: str, grant: Grant) -> bool:
        clock = self.locks.processes[process]
        return clock.alive and not grant.over and clock.monotonic() < grant.until


@dataclass(slots=True)
class Caller:
    """One process that calls the job, as a client does."""

    name: str
    plan: Plan
    referee: JobReferee
    dice: random.Random
    operations: LockOperations = field(init=False)

    def __post_init__(self) -> None:
        self.operations = LockOperations(self.plan.settings, lambda: self.name)

    @property
    def process(self) -> Any:
        """The process, as the world knows it."""
        return self.referee.locks.processes[self.name]

    def life(self) -> Operation[None]:
        """Call the job as many times as planned."""
        for _ in range(self.plan.calls):
            yield from sleep(self.plan.rest * (yield from draw()))
            yield from self.call(self.plan.job(self.dice.choice(self.plan.otherwise)))

    def call(self, job: Job) -> Operation[None]:
        """Call it once."""
        came, acquisition = self.referee.came(), self.operations.job(job)
        try:
            yield from cast("Operation[Any]", acquisition.run())
        except (LockTimeout, *GIVEN_UP):
            if (yield from acquisition.abandon()):
                self.referee.locks.done(self.name)
            return
        for grant in acquisition.granted:
            yield from self.run(job, grant)
            return
        assert isinstance(acquisition, JobAcquisition)
        if acquisition.found is None:
            self.referee.skipped += 1
        else:
            self.referee.gets(self.name, came, acquisition.found)
        if acquisition.leftovers:
            yield from acquisition.abandon()

    def run(self, job: Job, grant: Grant) -> Operation[None]:
        """Run it under its lock."""
        self.referee.locks.granted(self.name, grant)
        self.process.start(self.beat(grant), name="heartbeat", awaited=False)
        if self.dice.random() < self.plan.hesitates:
            self.process.pause(1.5 * self.dice.random() * grant.lease)
            yield from sleep(0.0)
        try:
            while not self.operations.begin(grant, job, (yield Monotonic())):
                lease = timedelta(seconds=job.first_lease(self.plan.settings))
                yield from self.in_turn(grant, self.operations.extend(grant, lease))
        except (LockLost, *GIVEN_UP):
            yield from self.give_back(grant)
            return
        self.referee.begins(self.name, grant)
        wall, began = (yield WallClock()), (yield Monotonic())
        yield from sleep(self.plan.work * (yield from draw()))
        now = yield Monotonic()
        if grant.expired(now) or grant.closed:
            return
        result = f"{self.name} {grant.fence}"
        self.referee.ends(grant, result)
        grant.run = entry(
            grant.fence, grant.owner, began=wall, took=now - began, result=json.dumps(result)
        )
        if not must_stay(grant, now):
            yield from self.give_back(grant)
            return
        try:
            yield from self.in_turn(grant, self.operations.reserve(grant))
        except LockLost:
            return

    def beat(self, grant: Grant) -> Operation[None]:
        """Renew the lock when it is due, and give it back when its time is over, as a driver does.

        The times may become sooner while this sleeps.
        """
        while not grant.over:
            now = yield Monotonic()
            if grant.expired(now):
                break
            if now < grant.due or not grant.turn:
                yield from sleep(min(max(grant.due - now, 0.01), LOOK))
                continue
            yield from self.in_turn(grant, self.operations.renew(grant))
        wanted = grant.loss is LossReason.HELD_TOO_LONG or grant.run is not None
        if wanted and not grant.closed:
            yield from self.give_back(grant)

    def in_turn(self, grant: Grant, operation: Operation[Any]) -> Operation[None]:
        """Run what takes the place of a heartbeat."""
        while not grant.turn:
            yield from sleep(0.1)
        grant.turn.pop()
        try:
            yield from operation
        finally:
            grant.turn.append(True)

    def give_back(self, grant: Grant) -> Operation[None]:
        """Release the lock, beside a call of the same process perhaps."""
        if not grant.closed:
            with suppress(*GIVEN_UP):
                yield from self.operations.release(grant)


def scheduled(seed: int, *, faults: Faults, plan: Plan | None = None) -> World:
    """Return a world whose processes call one job, with everything watched."""
    plan = plan or Plan()
    world = World(seed, faults=faults, within=plan.within)
    enter(world, plan, seed)
    return world


def enter(world: World, plan: Plan, seed: int = 0) -> JobReferee:
    """Put calling processes into a world."""
    referee = JobReferee(world, plan)
    for name in "abcdefgh"[: plan.processes]:
        process = world.process(name)
        referee.locks.enter(process)
        dice = random.Random(f"{seed} {name}")  # noqa: S311 - repeatable on purpose
        process.start(Caller(name, plan, referee, dice).life(), name="call")
    return referee


def _run(item: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    return None if item is None else item.get("last_run")
