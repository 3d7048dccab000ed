"""A job runs once at a time and once in a period, and each mistake in that would be noticed."""

import pytest

from tests.simulation.faults import CALM, Faults
from tests.simulation.job_mistakes import MISTAKES
from tests.simulation.jobs import Plan, enter
from tests.simulation.mutation import mutated
from tests.simulation.scenarios import SCENARIOS
from tests.simulation.seeds import seeds
from tests.simulation.world import Violation, World


def run(scenario, seeds):
    for seed in seeds:
        SCENARIOS[scenario](seed).run()


@pytest.mark.parametrize("seeds", seeds(10, 300))
@pytest.mark.parametrize("scenario", [name for name in SCENARIOS if name.startswith("jobs-")])
def test_one_run_at_a_time_one_in_a_period_and_the_results_of_those_that_were_met(scenario, seeds):
    run(scenario, seeds)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_is_found_within_500_seeds(mistake):
    with mutated(*mistake.edit), pytest.raises(Violation, match=mistake.says):
        run(mistake.scenario, mistake.seeds)


def test_in_those_worlds_callers_run_skip_and_get_results():
    runs = skipped = delivered = 0
    for seed in range(10):
        world = World(seed)
        referee = enter(world, Plan(), seed)
        world.run()
        runs += referee.runs
        skipped += referee.skipped
        delivered += referee.delivered
    assert min(runs, skipped, delivered) >= 10


def test_a_job_whose_runners_crash_is_run_by_others_that_only_skip():
    runs = 0
    for seed in range(20):
        world = World(seed, faults=Faults(kill=0.1, most_kills=1))
        plan = Plan(otherwise=("skip",), calls=6, rest=60.0)
        referee = enter(world, plan, seed)
        world.run()
        assert world.kills == 1
        runs += referee.runs
    assert runs > 60


def test_a_calm_world_is_as_calm_as_it_says():
    world = World(1, faults=CALM)
    referee = enter(world, Plan(processes=1, calls=2, otherwise=("wait",), work=5.0), 1)
    world.run()
    assert referee.runs == 2
