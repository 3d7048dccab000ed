"""Eras, call by call: how one ends, how its entries become records, and how the next begins."""

import pytest

from interlock._protocol.counters import ledger
from interlock._protocol.counters.layout import belongs, era_of, integer, number
from interlock._protocol.counters.settling import fence, settle, sweep, sweep_by_the_way
from interlock._protocol.faults import NotSent, Refused
from interlock._protocol.retry import RetryBudget
from interlock.errors import TransactionConflict
from tests.unit.test_counter_adding import BORROW, READ_ALL, READ_ONE, WRITE, budget, handle
from tests.unit.test_counter_keyed import World as Given
from tests.unit.test_counter_keyed import known as laid_out
from tests.unit.test_counter_keyed import once


class World(Given):
    """A world that sees until when each call is waited for."""

    def __init__(self):
        super().__init__()
        self.deadlines = []

    def _perform(self, call):
        self.deadlines.append(call.deadline)
        return super()._perform(call)

    def enter(self, index, *keys, value=50):
        """Enter keyed changes into the ledger of a shard."""
        entries = {}
        for key in keys:
            entries[ledger.CALL + once(key).digest] = {"S": once(key).call(1, index, 0.0)}
            entries[ledger.DONE + once(key).digest] = number(value)
        self.change(index, **entries, kept=number(len(keys)))

    def without(self, index, *names):
        item = {name: value for name, value in self.item(index).items() if name not in names}
        self.store.perform("PutItem", {"TableName": "t", "Item": item})

    def keys(self, index=0):
        return {entry.key for entry in ledger.entries(self.item(index))}


@pytest.fixture
def world():
    return World()


def known(world, shards=1, **attributes):
    """Lay a counter out, and return a handle that knows it and declares its shards."""
    used = laid_out(world, shards, **attributes)
    used.declared_shards = shards
    return used


# Sweeping.


def test_a_sweep_moves_all_entries_to_records_and_begins_an_era(world):
    used = known(world)
    world.enter(0, "a", "b", value=7)
    world.run(sweep(used, 0, world.item(), budget()))
    assert world.calls == [BORROW, WRITE]
    assert world.keys() == set()
    assert integer(world.item(), "kept") == 0
    for key in "ab":
        assert (integer(world.record(key), "value"), integer(world.record(key), "amount")) == (7, 1)
    assert belongs(era_of(world.item()), 1)
    assert era_of(world.item()) != "1.e"
    assert used.eras == {0: era_of(world.item())}


def test_a_ledger_of_more_entries_than_a_transaction_takes_is_swept_by_several(world):
    used = known(world)
    names = [f"k{number_}" for number_ in range(150)]
    world.enter(0, *names)
    world.run(sweep(used, 0, world.item(), budget()))
    assert world.calls == [BORROW, BORROW, WRITE]
    assert all(world.record(name) is not None for name in names)


def test_an_entry_that_comes_during_a_sweep_stays_in_the_count(world):
    used = known(world)
    world.enter(0, "a")
    seen = world.item()
    world.change(0, kept=number(2))
    world.run(sweep(used, 0, seen, budget()))
    assert integer(world.item(), "kept") == 1


def test_an_era_that_another_ended_is_left_to_it(world):
    used = known(world)
    world.enter(0, "a")
    world.before = {1: lambda: world.change(0, era={"S": "1.f"})}
    world.run(sweep(used, 0, world.item(), budget()))
    assert (era_of(world.item()), world.keys()) == ("1.f", {"a"})
    assert used.eras == {}


def test_nothing_is_swept_where_no_era_has_begun_or_the_layout_is_not_known(world):
    used = known(world)
    world.enter(0, "a")
    world.run(sweep(handle(), 0, world.item(), budget()))
    assert world.calls == []
    world.without(0, "era")
    world.run(sweep(used, 0, world.item(), budget()))
    assert world.calls == []


@pytest.mark.parametrize("fault", [NotSent("no"), Refused("AccessDeniedException", "no")])
def test_a_sweep_by_the_way_is_tried_once_in_the_time_of_its_change(world, fault):
    used = known(world)
    world.enter(0, "a")
    world.instead = dict.fromkeys(range(50), fault)
    time = RetryBudget(handle().target, deadline=5.0, most=8)
    world.run(sweep_by_the_way(used, 0, world.item(), time))
    assert world.calls == [BORROW]
    assert world.deadlines == [5.0]
    assert used.eras == {}


# Ending an era.


def test_a_fence_ends_an_era_and_keeps_its_entries(world):
    used = known(world, 2)
    world.enter(1, "a")
    world.run(fence(used, 1, "2.e", budget()))
    assert world.calls == [WRITE]
    assert belongs(era_of(world.item(1)), 2)
    assert era_of(world.item(1)) != "2.e"
    assert era_of(world.item(0)) == "2.e"
    assert world.keys(1) == {"a"}
    assert used.eras == {0: "2.e"}


def test_an_era_that_is_over_needs_no_fence(world):
    used = known(world)
    world.change(0, era={"S": "1.f"})
    world.run(fence(used, 0, "1.e", budget()))
    assert era_of(world.item()) == "1.f"
    assert used.eras == {}


# Beginning eras.


def settled(world, shards):
    """Whether each shard has the same era, and no entries."""
    eras = {era_of(world.item(index)) for index in range(shards)}
    (era,) = eras
    return belongs(era, shards) and not any(world.keys(index) for index in range(shards))


def test_a_counter_that_is_settled_or_absent_is_left_alone(world):
    world.run(settle(handle(), budget()))
    assert world.calls == [READ_ONE]
    used = known(world, 2)
    world.run(settle(used, budget()))
    assert world.calls == [READ_ALL]


@pytest.mark.parametrize("shards", [1, 3])
def test_a_counter_of_the_first_version_gets_eras_in_one_write(world, shards):
    used = known(world, shards)
    for index in range(shards):
        world.without(index, "era", "kept", "format")
    world.run(settle(used, budget()))
    assert world.calls == [READ_ONE if shards == 1 else READ_ALL, BORROW]
    assert settled(world, shards)
    assert integer(world.item(), "format") == 2
    assert [integer(world.item(index), "kept") for index in range(shards)] == [0] * shards
    assert sum(world.values(shards)) == 50
    assert used.shards == shards
    assert used.eras == dict.fromkeys(range(shards), era_of(world.item()))


@pytest.mark.parametrize("lacking", [1, 2])
def test_eras_of_another_layout_are_taken_away_and_their_entries_recorded_before_new_ones(
    world, lacking
):
    used = known(world, 3)
    for index in range(3):
        world.change(index, era={"S": "2.old"})
        world.enter(index, f"k{index}")
    world.without(lacking, "era")

    def looked_at():
        assert all(era_of(world.item(index)) is None for index in range(3))
        assert world.keys(2) == {"k2"}

    world.before = {2: looked_at}
    world.run(settle(used, budget()))
    reading, freezing, record = READ_ALL, BORROW, BORROW
    assert world.calls == [reading, freezing, reading, record, record, record, BORROW]
    assert settled(world, 3)
    assert all(world.record(f"k{index}") is not None for index in range(3))


def closing(world, **attributes):
    """Lay out a counter of two shards, beside which two more are being folded away."""
    used = known(world, 4, value=50)
    for index in (2, 3):
        world.change(index, value=number(index), up=number(10 * index), down=number(index + 5))
    for index in range(4):
        world.without(index, "era")
    world.change(0, shards=number(2), **attributes)
    used.shards, used.eras = None, {}
    return used


@pytest.fixture
def rooms(world):
    return lambda shards, side: [integer(world.item(i), side) for i in range(shards)]


def test_what_closed_shards_hold_is_folded_into_the_header(world, rooms):
    used = closing(world)
    before = {side: rooms(4, side) for side in ("value", "up", "down")}
    world.run(settle(used, budget()))
    assert [world.item(index) for index in (2, 3)] == [None, None]
    assert (integer(world.item(), "span"), integer(world.item(), "shards")) == (2, 2)
    for side, (header, other, *closed) in before.items():
        assert rooms(2, side) == [header + sum(closed), other]
    assert settled(world, 2)
    assert (used.shards, sorted(used.eras)) == (2, [0, 1])


@pytest.mark.parametrize("side", ["value", "up", "down"])
def test_a_closed_shard_that_changes_meanwhile_is_looked_at_again(world, rooms, side):
    used = closing(world)
    total = sum(rooms(4, side))
    world.before = {1: lambda: world.change(3, **{side: number(integer(world.item(3), side) + 1)})}
    world.run(settle(used, budget()))
    assert sum(rooms(2, side)) == total + 1
    assert world.calls == [READ_ALL, BORROW, READ_ALL, BORROW]
    assert world.pauses == 1


def test_a_counter_that_another_settles_meanwhile_is_left_to_it(world):
    used = known(world, 2)
    for index in range(2):
        world.without(index, "era")

    def by_another():
        other = World()
        other.store, other.identifiers = world.store, 100
        other.run(settle(handle(declared_shards=2), budget()))

    world.before = {1: by_another}
    world.run(settle(used, budget()))
    assert world.calls == [READ_ALL, BORROW, READ_ALL]
    assert settled(world, 2)


@pytest.mark.parametrize("era", [None, "3.old"])
def test_a_counter_that_changes_each_time_is_given_up_in_the_end(world, era):
    used = known(world, 2)
    for index in range(2):
        world.without(index, "era")
        if era is not None:
            world.change(index, era={"S": era})
    revisions = iter(range(100, 1000))
    change = {
        position: lambda: world.change(0, revision=number(next(revisions)))
        for position in range(1, 99, 2)
    }
    world.before = change
    with pytest.raises(TransactionConflict):
        world.run(settle(used, budget()))
    assert world.pauses > 3
