"""Adding with a key while the counter is as expected, and not when another was before."""

import pytest

from interlock._protocol.counters.layout import number
from interlock._protocol.counters.reading import CounterState
from interlock._protocol.counters.settling import sweep
from interlock.errors import CounterChanged, TransactionConflict
from tests.unit.test_counter_adding import WRITE, budget, handle
from tests.unit.test_counter_keyed import World, known


@pytest.fixture
def world():
    return World()


def expected(value=50, shards=1):
    return CounterState("c", value, 0, 99, shards)


def test_a_change_is_made_while_the_counter_is_as_expected(world):
    change = world.add(3, known(world), expected=expected())
    assert (change.value, change.replayed) == (53, False)
    assert WRITE not in world.calls


def test_what_was_done_under_the_key_counts_before_what_is_expected(world):
    used = known(world)
    world.add(3, used, expected=expected())
    assert world.add(3, used, expected=expected()).replayed
    with pytest.raises(CounterChanged):
        world.add(3, used, "l", expected=expected())
    assert world.values(1) == [53]


def swept_by_another(world):
    twin = World()
    twin.store, other = world.store, handle()
    twin.add(3, other, expected=expected())
    twin.run(sweep(other, 0, world.item(), budget()))


@pytest.mark.parametrize("deleted", [False, True])
def test_what_was_done_under_the_key_counts_though_its_entry_has_moved_meanwhile(world, deleted):
    used = known(world)

    def by_another():
        swept_by_another(world)
        if deleted:
            world.delete(1)

    world.before = {1: by_another}
    assert world.add(3, used, expected=expected()).replayed


@pytest.mark.parametrize(("shards", "index"), [(1, 0), (2, 0), (2, 1)])
def test_a_write_in_between_is_found_by_the_store(world, shards, index):
    used = known(world, shards)
    world.before = {2: lambda: world.change(index, value=number(7))}
    with pytest.raises(CounterChanged):
        world.add(3, used, expected=expected(shards=shards))
    assert world.values(shards) == [7 if i == index else 50 * (i == 0) for i in range(shards)]


def test_eras_that_others_end_each_time_are_told_when_no_attempt_is_left(world):
    used = known(world)

    def by_another():
        world.change(0, era={"S": f"1.{len(world.calls)}"})

    world.before = dict.fromkeys(range(200), by_another)
    with pytest.raises(TransactionConflict):
        world.add(3, used, expected=expected())
    assert world.values(1) == [50]


def test_a_counter_that_is_not_there_is_not_as_expected(world):
    with pytest.raises(CounterChanged):
        world.add(3, expected=expected())
    assert world.item() is None
