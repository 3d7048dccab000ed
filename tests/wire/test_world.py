"""What the wire lets through breaks no promise, by the simulator's own judges."""

from collections import Counter

import pytest

from tests.simulation.faults import CALM, STORM, Faults
from tests.simulation.locking import Plan, enter
from tests.simulation.seeds import seeds
from tests.wire.service import LIES
from tests.wire.world import WireWorld

SEVERAL = Plan(names=("l", "m"))
LYING = Faults(until=60.0)


def contend(seed, *, lies, faults, plan=SEVERAL):
    world = WireWorld(seed, lies=lies, faults=faults, within=plan.within)
    enter(world, plan, seed)
    world.run()
    return world


@pytest.mark.parametrize("seeds", seeds(10, 200))
@pytest.mark.parametrize("faults", [LYING, STORM], ids=["lies alone", "every fault"])
def test_locks_hold_whatever_the_wire_says(seeds, faults):
    told: Counter[str] = Counter()
    for seed in seeds:
        told.update(contend(seed, lies=0.2, faults=faults).told)
    assert set(told) >= set(LIES), f"only these were told: {sorted(told)}"


def test_the_wire_changes_nothing_that_it_is_not_asked_to():
    world = contend(1, lies=0.0, faults=CALM)
    assert not world.told
