"""Waiters of one client come in their order, none is left behind, and other clients get their turn.

One lock, one holder: what holds of locks holds of those that a client hands on.
"""

import pytest

from tests.simulation.faults import CALM
from tests.simulation.line_mistakes import MISTAKES
from tests.simulation.lines import PLAN, WAITERS, InLine
from tests.simulation.mutation import mutated
from tests.simulation.scenarios import SCENARIOS
from tests.simulation.seeds import seeds
from tests.simulation.world import Violation


def run(scenario, seeds):
    for seed in seeds:
        SCENARIOS[scenario](seed).run()


@pytest.mark.parametrize("seeds", seeds(20, 200))
@pytest.mark.parametrize("scenario", [name for name in SCENARIOS if name.startswith("lines")])
def test_a_line_keeps_its_order_and_all_of_it_are_served(scenario, seeds):
    run(scenario, seeds)


def test_locks_are_handed_on_and_left_to_others_in_that_scenario():
    handed = ended = given_up = 0
    for seed in range(5):
        world = InLine(seed, CALM)
        world.run()
        assert world.referee.grants == 3 * WAITERS * PLAN.rounds
        handed += world.handed
        ended += world.ended
        given_up += world.given_up
    assert handed > 50
    assert ended > 5
    assert given_up > 5


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_is_found_within_500_seeds(mistake):
    with mutated(*mistake.edit), pytest.raises(Violation, match=mistake.says):
        run(mistake.scenario, mistake.seeds)
