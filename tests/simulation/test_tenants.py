"""Clients of several layouts share a table with an application, and none meets another's items."""

import pytest

from tests.simulation.faults import CALM
from tests.simulation.mutation import mutated
from tests.simulation.scenarios import SCENARIOS
from tests.simulation.seeds import seeds
from tests.simulation.tenant_mistakes import MISTAKES
from tests.simulation.tenants import LAYOUTS, ROUNDS, Tenants
from tests.simulation.world import Violation


def run(scenario, seeds):
    for seed in seeds:
        SCENARIOS[scenario](seed).run()


@pytest.mark.parametrize("seeds", seeds(12, 200))
@pytest.mark.parametrize("scenario", [name for name in SCENARIOS if name.startswith("tenants")])
def test_each_sees_its_own_alone_and_all_promises_hold_for_it(scenario, seeds):
    run(scenario, seeds)


def test_all_lock_count_and_list_beside_the_application_in_that_scenario():
    world = Tenants(1, CALM)
    world.run()
    assert min(referee.grants for referee in world.referees) > 2
    assert len(world.counted) == len("".join(LAYOUTS)) * ROUNDS
    assert world.shown > 10
    assert len(world.theirs) > 3


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_is_found_within_500_seeds(mistake):
    with mutated(*mistake.edit), pytest.raises(Violation, match=mistake.says):
        run(mistake.scenario, mistake.seeds)
