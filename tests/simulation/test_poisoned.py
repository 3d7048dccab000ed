"""Nothing is believed of a record that something else has spoilt, and what is beside it is used."""

import pytest

from tests.simulation.faults import CALM
from tests.simulation.mutation import mutated
from tests.simulation.poison_mistakes import MISTAKES
from tests.simulation.poisoned import Poisoned
from tests.simulation.scenarios import SCENARIOS
from tests.simulation.seeds import seeds
from tests.simulation.world import Violation


def run(scenario, seeds):
    for seed in seeds:
        SCENARIOS[scenario](seed).run()


@pytest.mark.parametrize("seeds", seeds(30, 200))
@pytest.mark.parametrize("scenario", [name for name in SCENARIOS if name.startswith("spoilt")])
def test_a_corrupt_record_is_told_and_nothing_granted_by_it(scenario, seeds):
    run(scenario, seeds)


def test_records_are_spoilt_told_of_and_used_again_in_that_scenario():
    worlds = [Poisoned(seed, CALM) for seed in range(5)]
    for world in worlds:
        world.run()
    assert sum(world.spoilt for world in worlds) > 50
    assert sum(world.told for world in worlds) > 50
    assert sum(len(world.given) for world in worlds) > 50
    assert 0 < sum(world.added for world in worlds) < sum(world.asked for world in worlds)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_is_found_within_500_seeds(mistake):
    with mutated(*mistake.edit), pytest.raises(Violation, match=mistake.says):
        run(mistake.scenario, mistake.seeds)
