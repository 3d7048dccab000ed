"""The queue of a lock: turns in order, none lost, none doubled, at a cost that does not grow."""

import statistics
from dataclasses import dataclass, field, replace

import pytest

from interlock._protocol.locks import queue
from interlock._protocol.locks.client import LockOperations
from interlock._protocol.locks.grant import Grant
from interlock._protocol.requests import Operation, monotonic, sleep
from tests.simulation.fair_mistakes import MISTAKES
from tests.simulation.faults import CALM, Faults
from tests.simulation.locking import SETTINGS, enter
from tests.simulation.mutation import mutated
from tests.simulation.process import Process
from tests.simulation.scenarios import FAIR, ORDERLY, SCENARIOS
from tests.simulation.seeds import seeds
from tests.simulation.world import Violation, World

LEASE = 20.0
QUICK = Faults(latency=0.004)  # 1 to 5 ms each way
TRIP = 0.006


def run(scenario, seeds):
    for seed in seeds:
        SCENARIOS[scenario](seed).run()


@pytest.mark.parametrize("seeds", seeds(8, 200))
@pytest.mark.parametrize("scenario", [name for name in SCENARIOS if name.startswith("fair-")])
def test_one_holder_no_ghosts_and_everybody_served(scenario, seeds):
    run(scenario, seeds)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_is_found_within_500_seeds(mistake):
    with mutated(*mistake.edit), pytest.raises(Violation, match=mistake.says):
        run(mistake.scenario, mistake.seeds)


@pytest.mark.parametrize("plan", [FAIR, ORDERLY])
def test_waiters_queue_and_are_named_heirs_in_that_scenario(plan):
    queued = inherited = 0
    for seed in range(5):
        world = World(seed, faults=CALM, within=plan.within)
        referee = enter(world, plan, seed)[0].referee
        world.run()
        queued += referee.queued
        inherited += referee.inherited
    assert queued >= inherited > 20


@dataclass
class Line:
    """Processes that take one lock in turn; who holds it first, for how long, and what came of it.

    Process 0 holds it for `first` seconds, the others come meanwhile and hold it for `hold`.
    """

    waiters: int
    first: float
    hold: float = 0.0
    rounds: int = 1
    apart: float = 0.02
    fair: bool = True
    entered: list[int] = field(default_factory=list)
    given: list[float] = field(default_factory=list)
    got: list[float] = field(default_factory=list)
    processes: list[Process] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.world = World(self.waiters, faults=QUICK, within=36_000.0)
        for number in range(self.waiters + 1):
            process = self.world.process(f"p{number}")
            self.processes.append(process)
            process.start(self.use(process, number))

    def use(self, process: Process, number: int) -> Operation[None]:
        """Take the lock and give it back, as often as planned."""
        locks = LockOperations(replace(SETTINGS, lease=LEASE), lambda: process.name)
        yield from sleep(number * self.apart)
        for count in range(self.rounds):
            grant = yield from locks.acquire("l", fair=self.fair).run()
            self.entered.append(number)
            self.got.append(self.world.now)
            process.start(self.beat(locks, grant), awaited=False)
            yield from sleep(self.first if number == count == 0 else self.hold)
            self.given.append(self.world.now)
            assert (yield from locks.release(grant))

    def beat(self, locks: LockOperations, grant: Grant) -> Operation[None]:
        """Keep the lock."""
        while not grant.over:
            now = yield from monotonic()
            if now < grant.due:
                yield from sleep(grant.due - now)
            yield from locks.renew(grant)

    def calls(self, since: float, until: float) -> int:
        """Count what was sent."""
        rows = self.world.timeline.rows
        return sum(row.event.startswith("->") and since <= row.time < until for row in rows)

    @property
    def handovers(self) -> list[float]:
        """The seconds from the beginning of each release to the next one's entry."""
        return [got - given for given, got in zip(self.given, self.got[1:], strict=False)]


@pytest.mark.parametrize("apart", [0.02, 0.0001])
@pytest.mark.parametrize("waiters", [1, 2, 20, 100])
def test_a_lock_that_is_held_costs_as_much_however_many_wait_and_however_they_came(waiters, apart):
    line = Line(waiters, first=60.0, apart=apart)
    line.world.run()
    assert line.calls(10.0, 60.0) / 50.0 < 25


def test_who_is_far_back_does_not_look_at_each_turn():
    line = Line(64, first=10.0, hold=0.05)
    line.world.run()
    assert line.calls(10.0, line.got[-1]) / 64 < 20


def test_a_crowd_that_comes_at_once_enters_with_few_refusals():
    line = Line(99, first=10.0, apart=0.0001)
    line.world.run()
    assert line.calls(0.0, 1.0) < 99 * 12


@pytest.mark.parametrize("hold", [0.05, 0.1])
@pytest.mark.parametrize("waiters", [2, 20, 100])
def test_a_hand_over_takes_two_round_trips_and_20_ms(waiters, hold):
    line = Line(waiters, first=3.0, hold=hold, rounds=3)
    line.world.run()
    assert statistics.median(line.handovers) < 2 * TRIP + 0.020


@pytest.mark.parametrize("first", [10.0, 60.0])
@pytest.mark.parametrize("waiters", [4, 20, 64, 99])
def test_after_a_long_hold_the_turns_lose_one_longest_pause_and_not_one_each(waiters, first):
    line = Line(waiters, first=first)
    line.world.run()
    assert sum(line.handovers) < queue.longest_pause(waiters - 1, waiters) + waiters * 0.1


@pytest.mark.parametrize("first", [3.0, 60.0])
@pytest.mark.parametrize("waiters", [2, 20, 99])
def test_turns_are_in_the_order_of_arrival_also_when_a_lock_has_been_held_for_long(waiters, first):
    line = Line(waiters, first=first)
    line.world.run()
    assert line.entered == list(range(waiters + 1))


@pytest.mark.parametrize(("rank", "hold"), [(0, 0.05), (1, 5.0), (2, 5.0)])
def test_a_dead_waiter_costs_less_than_a_second(rank, hold):
    line = Line(4, first=10.0, hold=hold)
    line.world.at(5.0, line.processes[1 + rank].kill)
    line.world.run()
    assert line.entered == [number for number in range(5) if number != 1 + rank]
    assert line.got[1 + rank] - line.given[rank] < 1.0


def test_two_dead_waiters_do_not_cost_a_lease():
    line = Line(3, first=10.0)
    for dead in (1, 2):
        line.world.at(5.0, line.processes[dead].kill)
    line.world.run()
    assert line.entered == [0, 3]
    assert line.got[1] - line.given[0] < LEASE / 4


def test_a_dead_holder_costs_its_lease_and_the_order_stays():
    line = Line(3, first=100.0)
    line.world.at(5.0, line.processes[0].kill)
    line.world.run()
    assert line.entered == [0, 1, 2, 3]
    assert LEASE < line.got[1] < 5.0 + LEASE + 1.0
