"""What the wire lets through breaks no promise, by the simulator's own judges."""

from collections import Counter

import pytest

from interlock._protocol.counters.layout import Bounds
from interlock._wire import shapes
from tests.simulation import counting
from tests.simulation.faults import CALM, STORM, Faults
from tests.simulation.locking import Plan, enter
from tests.simulation.seeds import seeds
from tests.simulation.test_counters import run
from tests.simulation.world import Violation
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


def count(monkeypatch, seeds, lies=0.2):
    worlds = []

    def make(seed, *, faults):
        worlds.append(WireWorld(seed, lies=lies, swaps=False, faults=faults))
        return worlds[-1]

    monkeypatch.setattr(counting, "World", make)
    for seed in seeds:
        run(seed, LYING, Bounds(0, 6), seed % 3 + 1, keyed=seed % 2 == 0).settle()
    return sum((Counter(world.told) for world in worlds), Counter())


@pytest.mark.parametrize("seeds", seeds(20, 200))
def test_counters_count_whatever_the_wire_says(monkeypatch, seeds):
    assert set(count(monkeypatch, seeds)) == set(LIES)


def test_replies_that_are_not_checked_are_noticed(monkeypatch):
    """Without this the test above would prove nothing."""
    monkeypatch.setattr(shapes, "checked", lambda _call, reply: reply)
    with pytest.raises(Violation):
        count(monkeypatch, range(50))
