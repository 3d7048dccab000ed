"""One leads at a time, and none for longer than its heartbeats are answered."""

import pytest

from tests.simulation.faults import CALM
from tests.simulation.leading import TERMS, Leading
from tests.simulation.leading_mistakes import MISTAKES
from tests.simulation.mutation import mutated
from tests.simulation.scenarios import SCENARIOS
from tests.simulation.seeds import seeds
from tests.simulation.world import Violation


def run(scenario, seeds):
    for seed in seeds:
        SCENARIOS[scenario](seed).run()


@pytest.mark.parametrize("seeds", seeds(30, 200))
@pytest.mark.parametrize("scenario", [name for name in SCENARIOS if name.startswith("leading")])
def test_one_leads_and_all_come_to_it(scenario, seeds):
    run(scenario, seeds)


def test_all_lead_as_often_as_they_want_to_in_that_scenario():
    world = Leading(1, CALM)
    world.run()
    assert world.led == 3 * TERMS


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_is_found_within_500_seeds(mistake):
    with mutated(*mistake.edit), pytest.raises(Violation, match=mistake.says):
        run(mistake.scenario, mistake.seeds)
