"""Locks hold under every fault at once, and each mistake in their protocol would be noticed."""

from dataclasses import replace

import pytest

from interlock._protocol.locks.client import LockOperations
from interlock._protocol.requests import monotonic, sleep
from tests.simulation.exhaustive import search_all
from tests.simulation.faults import CALM, READ_TIMEOUT, Fate, Faults
from tests.simulation.locking import LEASE, SETTINGS, Plan, enter
from tests.simulation.mistakes import MISTAKES
from tests.simulation.mutation import mutated
from tests.simulation.scenarios import DISAGREEING, HANDED, SCENARIOS
from tests.simulation.seeds import seeds
from tests.simulation.world import Violation, World

SMALL = Plan(processes=2, rounds=1, timeouts=(None,), work=8.0)


def run(scenario, seeds):
    for seed in seeds:
        SCENARIOS[scenario](seed).run()


@pytest.mark.slow
def test_the_worst_of_everything_for_long():
    run("lock-storm", range(200, 1500))


@pytest.mark.parametrize("seeds", seeds(12, 200))
@pytest.mark.parametrize("scenario", [name for name in SCENARIOS if name.startswith("lock-")])
def test_one_holder_rising_fences_no_stale_write_and_everybody_served(scenario, seeds):
    run(scenario, seeds)


def test_locks_that_are_handed_over_in_that_scenario_are_adopted():
    adopted = exported = 0
    for seed in range(10):
        world = World(seed)
        referee = enter(world, HANDED, seed)[0].referee
        world.run()
        adopted += referee.adoptions
        exported += len(referee.exports)
    assert 0.5 * exported < adopted <= exported


def test_processes_are_told_of_another_number_of_permits_in_that_scenario():
    told = granted = 0
    for seed in range(10):
        world = World(seed)
        referee = enter(world, DISAGREEING, seed)[0].referee
        world.run()
        told += referee.mismatches
        granted += referee.grants
    assert told > 10
    assert granted == 10 * DISAGREEING.processes * DISAGREEING.rounds


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_is_found_within_500_seeds(mistake):
    with mutated(*mistake.edit), pytest.raises(Violation, match=mistake.says):
        run(mistake.scenario, mistake.seeds)


def operations():
    return LockOperations(SETTINGS, lambda: "a")


def take(locks):
    return (yield from locks.acquire("l").run())


def alone(program, faults):
    """Run a program in a world of its own; return its result and that world."""
    world = World(1, faults=faults)
    task = world.process("a").start(program)
    world.run()
    return task.result, world


def test_a_lost_reply_to_an_acquire_does_not_cost_a_lease():
    _, world = alone(take(operations()), Faults(lost_reply=1.0, until=1.0))
    assert any("reply lost" in row.detail for row in world.timeline.rows if row.event == "   !")
    assert world.now < READ_TIMEOUT + 1.0


@pytest.mark.parametrize(
    "faults",
    [
        Faults(lost_reply=1.0, until=0.5 * LEASE),
        Faults(lost_request=1.0, until=0.5 * LEASE),
        Faults(throttled=1.0, until=0.5 * LEASE),
        Faults(error_after=1.0, until=0.5 * LEASE),
    ],
    ids=["lost replies", "lost requests", "throttled", "500"],
)
def test_a_lock_whose_heartbeats_fail_for_half_its_lease_recovers(faults):
    def program():
        locks = operations()
        grant = yield from take(locks)
        held = yield from monotonic()
        while (yield from monotonic()) < held + 3 * LEASE:
            assert not grant.over
            assert (yield from monotonic()) < grant.until
            yield from sleep(max(0.0, grant.due - (yield from monotonic())))
            yield from locks.renew(grant)
        return (yield from locks.release(grant))

    released, world = alone(program(), faults)
    assert released
    assert "version" not in (world.store.item("coordination", "lock#l") or {"version"})


def test_a_release_whose_reply_is_lost_is_known_to_have_happened():
    def program():
        locks = operations()
        grant = yield from take(locks)
        yield from sleep(1.0)
        return (yield from locks.release(grant))

    world = World(1, faults=CALM)
    task = world.process("a").start(program())
    world.at(0.5, setattr, world, "faults", Faults(lost_reply=1.0, until=2.0))
    world.run()
    assert task.result
    assert "version" not in (world.store.item("coordination", "lock#l") or {"version"})


@pytest.mark.slow
def test_two_processes_keep_the_lock_in_every_interleaving():
    search = search_all(lambda world: enter(world, SMALL), window=0.02)
    assert search.complete
    assert search.bounded == 0
    assert search.states > 5_000


@pytest.mark.slow
@pytest.mark.parametrize("fates", [(fate,) for fate in (Fate.LOST_REQUEST, Fate.LOST_REPLY)])
def test_two_processes_keep_the_lock_with_one_message_lost_anywhere(fates):
    search = search_all(
        lambda world: enter(world, SMALL), faults=1, fates=fates, most_steps=24, window=0.02
    )
    assert search.complete
    assert search.states > 1_000


@pytest.mark.slow
def test_three_processes_keep_the_lock_in_every_interleaving_of_14_steps():
    crowd = replace(SMALL, processes=3)
    search = search_all(lambda world: enter(world, crowd), most_steps=14, window=0.02)
    assert search.complete
    assert search.states > 1_000


@pytest.mark.parametrize(
    "name",
    [
        "release without a condition",
        pytest.param("guard that accepts a successor", marks=pytest.mark.slow),
    ],
)
def test_the_search_finds_a_mistake_with_one_pause(name):
    (mistake,) = (one for one in MISTAKES if one.name == name)
    with mutated(*mistake.edit), pytest.raises(Violation, match="PAUSED"):
        search_all(
            lambda world: enter(world, SMALL),
            faults=1,
            fates=(),
            pause=1.2 * LEASE,
            window=0.011,
            most_steps=150,
        )
