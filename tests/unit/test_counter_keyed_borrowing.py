"""Adding with a key whose home lacks room: it borrows, once, and is full when all of it is."""

import pytest

from interlock._protocol.counters.layout import integer, number
from interlock._protocol.counters.settling import sweep
from interlock.errors import CounterLimitExceeded
from tests.unit.test_counter_adding import BORROW, READ_ALL, WRITE, budget, handle
from tests.unit.test_counter_keyed import LOST, World, known, once


@pytest.fixture
def world():
    return World()


def lacking(world):
    """Lay out a counter in which the home of the key has no room, and the others have."""
    home = once().home(3)
    return known(world, 3, up=[1 if i == home else 4 for i in range(3)]), home


def test_a_home_that_lacks_room_borrows_and_enters_the_key(world):
    used, home = lacking(world)
    change = world.add(5, used)
    assert (change.shard, change.replayed) == (home, False)
    assert change.value == integer(world.item(home), "value")
    assert world.calls == [READ_ALL, WRITE, READ_ALL, BORROW]
    assert world.add(5, handle()).replayed
    assert sum(world.values(3)) == 55


def test_a_counter_is_full_only_when_all_of_it_is(world):
    used, _ = lacking(world)
    with pytest.raises(CounterLimitExceeded) as full:
        world.add(10, used)
    assert (full.value.value, full.value.floor, full.value.ceiling) == (50, 0, 99)
    assert world.add(9, used, "k").amount == 9
    assert sum(world.values(3)) == 59


def test_a_loan_whose_reply_was_lost_counts_once(world):
    used, _ = lacking(world)
    world.lost_replies = {3}
    assert world.add(5, used).replayed
    assert sum(world.values(3)) == 55


def test_a_loan_that_is_refused_in_doubt_cannot_be_made_later(world):
    used, home = lacking(world)
    lender = (home + 1) % 3
    world.instead = {3: LOST}
    world.before = {
        4: lambda: [world.change(i, up=number(0)) for i in range(3)],
    }
    with pytest.raises(CounterLimitExceeded):
        world.add(5, used)
    for index in range(3):
        world.change(index, up=number(9))
    assert world.late(3).reasons
    assert integer(world.item(lender), "up") == 9
    assert sum(world.values(3)) == 50


def test_a_borrower_whose_key_was_entered_by_another_meanwhile_replays(world):
    used, _ = lacking(world)

    def by_another():
        twin = World()
        twin.store = world.store
        twin.add(5, handle())

    world.before = {3: by_another}
    assert world.add(5, used).replayed
    assert sum(world.values(3)) == 55


def test_a_key_that_was_entered_and_swept_before_the_counter_was_full_replays(world):
    used, home = lacking(world)

    def by_another():
        twin = World()
        twin.store, other = world.store, handle()
        twin.add(5, other)
        twin.run(sweep(other, home, world.item(home), budget()))

    world.before = {2: by_another}
    assert world.add(5, used).replayed
    assert sum(world.values(3)) == 55
