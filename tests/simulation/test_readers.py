"""Readers and a writer are never in together, whatever fails, and none waits for ever."""

import pytest

from interlock._protocol.locks.client import LockOperations
from interlock._protocol.requests import monotonic, sleep
from tests.simulation.faults import CALM
from tests.simulation.locking import SETTINGS
from tests.simulation.mutation import mutated
from tests.simulation.scenarios import SCENARIOS
from tests.simulation.seeds import seeds
from tests.simulation.sharing import Plan, Sharing
from tests.simulation.sharing_mistakes import MISTAKES
from tests.simulation.world import Violation, World

IN = 6.0  # seconds that a reader is in at most


def run(scenario, seeds):
    for seed in seeds:
        SCENARIOS[scenario](seed).run()


@pytest.mark.parametrize("seeds", seeds(10, 200))
@pytest.mark.parametrize("scenario", [name for name in SCENARIOS if name.startswith("readers-")])
def test_no_reader_beside_a_writer_no_stale_write_and_everybody_served(scenario, seeds):
    run(scenario, seeds)


def test_readers_and_writers_commit_and_writers_become_readers_in_that_scenario():
    worlds = [Sharing(seed, CALM, Plan()) for seed in range(10)]
    for world in worlds:
        world.run()
    assert sum(world.reads for world in worlds) > 50
    assert sum(len(world.commits) for world in worlds) > 50
    assert sum(world.downgrades for world in worlds) > 10


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_is_found_within_500_seeds(mistake):
    with mutated(*mistake.edit), pytest.raises(Violation, match=mistake.says):
        run(mistake.scenario, mistake.seeds)


@pytest.mark.parametrize("readers", [1, 3, 10])
def test_a_writer_waits_only_for_the_readers_that_are_in(readers):
    """Among readers that come all the time, so many that there is always one in."""
    world = World(readers, faults=CALM)
    waits: list[float] = []
    reads: list[float] = []

    def read(locks):
        while len(waits) < 5:
            grant = yield from locks.read("l", readers).run()
            came = yield from monotonic()
            yield from sleep(IN * (0.5 + 0.5 * (world.rng.random())))
            assert (yield from monotonic()) < grant.until
            reads.append(came)
            yield from locks.release(grant)

    def write(locks):
        for _ in range(5):
            yield from sleep(20.0)
            began = yield from monotonic()
            grant = yield from locks.write("l", readers).run()
            waits.append((yield from monotonic()) - began)
            yield from locks.release(grant)

    for number in range(2 * readers):
        process = world.process(f"r{number}")
        process.start(read(LockOperations(SETTINGS, lambda: "r")))
    world.process("w").start(write(LockOperations(SETTINGS, lambda: "w")))
    world.run()
    assert max(waits) < IN + 2 * SETTINGS.poll + 1.0
    assert len(reads) > 20
