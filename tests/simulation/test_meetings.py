"""None goes on from a barrier before all have come, whatever is lost, and none waits for ever."""

import pytest

from tests.simulation.faults import CALM
from tests.simulation.meeting import MEETINGS, PARTIES, PARTS, Meeting
from tests.simulation.meeting_mistakes import MISTAKES
from tests.simulation.mutation import mutated
from tests.simulation.scenarios import SCENARIOS
from tests.simulation.seeds import seeds
from tests.simulation.world import Violation


def run(scenario, seeds):
    for seed in seeds:
        SCENARIOS[scenario](seed).run()


@pytest.mark.parametrize("seeds", seeds(30, 200))
@pytest.mark.parametrize("scenario", [name for name in SCENARIOS if name.startswith("meetings")])
def test_all_come_before_any_goes_on(scenario, seeds):
    run(scenario, seeds)


def test_all_meet_each_time_in_that_scenario():
    world = Meeting(1, CALM)
    world.run()
    assert (world.passed, len(world.parts)) == (PARTIES * MEETINGS, PARTS)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_is_found_within_500_seeds(mistake):
    with mutated(*mistake.edit), pytest.raises(Violation, match=mistake.says):
        run(mistake.scenario, mistake.seeds)
