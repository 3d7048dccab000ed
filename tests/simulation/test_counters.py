"""Counters under every fault: nothing lost, nothing counted twice, no bound passed at any step."""

import pytest

from interlock._protocol.counters.bounds import Bounds
from tests.simulation.counter_mistakes import COUNTER_MISTAKES
from tests.simulation.counting import Counting
from tests.simulation.faults import CALM, DELAYED, STORM
from tests.simulation.linearizability import linearizable
from tests.simulation.mutation import mutated
from tests.simulation.scenarios import SCENARIOS
from tests.simulation.seeds import seeds

LAYOUTS = [
    (Bounds(), 1),
    (Bounds(0, 6), 1),
    (Bounds(), 4),
    (Bounds(-3, 9), 3),
    (Bounds(0, 2), 5),  # a ceiling below the number of shards
]


def amounts(dice, *, keyed):
    drawn = [dice.choice([1, 1, 2, 5, -1, -2]) for _ in range(5)]
    keys = [f"k{dice.randrange(4)}:{a}" if keyed and dice.random() < 0.6 else None for a in drawn]
    return list(zip(drawn, keys, strict=True))


def run(seed, faults, bounds, shards, *, keyed=False):
    counting = Counting(seed, faults, bounds, shards)
    for name in "abcd":
        program = counting.adder(amounts(counting.dice, keyed=keyed), counting.handle(shards))
        counting.world.process(name).start(program)
    counting.world.process("reader").start(counting.reader(4))
    counting.world.run()
    return counting


@pytest.mark.parametrize(("bounds", "shards"), LAYOUTS)
@pytest.mark.parametrize("keyed", [False, True])
@pytest.mark.parametrize("faults", [CALM, STORM, DELAYED], ids=["calm", "storm", "delayed"])
@pytest.mark.parametrize("seeds", seeds(12, 200))
def test_sums_and_bounds_hold(bounds, shards, keyed, faults, seeds):
    for seed in seeds:
        run(seed, faults, bounds, shards, keyed=keyed).settle()


@pytest.mark.parametrize("bounds", [Bounds(), Bounds(-2, 4)])
@pytest.mark.parametrize("faults", [CALM, STORM, DELAYED], ids=["calm", "storm", "delayed"])
@pytest.mark.parametrize("seeds", seeds(12, 200))
def test_one_shard_is_linearizable(bounds, faults, seeds):
    for seed in seeds:
        counting = run(seed, faults, bounds, 1)
        assert linearizable(counting.history(), bounds.start), counting.world.report(
            "no order of the calls explains the answers"
        )


@pytest.mark.parametrize("faults", [CALM, STORM, DELAYED], ids=["calm", "storm", "delayed"])
@pytest.mark.parametrize("seeds", seeds(12, 200))
def test_layouts_change_while_in_use(faults, seeds):
    for seed in seeds:
        counting = Counting(seed, faults, Bounds(), 1)
        for name in "abcd":
            drawn = amounts(counting.dice, keyed=True)
            counting.world.process(name).start(counting.adder(drawn, counting.handle()))
        dice = counting.dice
        plans = [
            (Bounds(-dice.randrange(5, 20), dice.randrange(5, 20)), dice.randrange(1, 6))
            for _ in range(4)
        ]
        counting.world.process("configurer").start(counting.configurer(plans))
        counting.world.run()
        counting.settle()


def search(scenario, seeds):
    for seed in seeds:
        SCENARIOS[scenario](seed).run()


@pytest.mark.parametrize("seeds", seeds(16, 400))
@pytest.mark.parametrize("scenario", [name for name in SCENARIOS if name.startswith("counters")])
def test_all_calls_together_do_what_they_do_to_integers_one_at_a_time(scenario, seeds):
    search(scenario, seeds)


@pytest.mark.parametrize("mistake", COUNTER_MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_is_found_within_500_seeds(mistake):
    with mutated(*mistake.edit), pytest.raises(AssertionError, match=mistake.says):
        search(mistake.scenario, mistake.seeds)
