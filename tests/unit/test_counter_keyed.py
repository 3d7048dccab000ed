"""Adding with a key, call by call: once, whether its entry is in the ledger or in a record."""

from typing import Any

import pytest

from interlock._protocol.counters import ledger
from interlock._protocol.counters.bounds import Bounds
from interlock._protocol.counters.keyed import add_once
from interlock._protocol.counters.layout import era_of, integer, number
from interlock._protocol.counters.ledger import Once
from interlock._protocol.faults import NoReply, Refused
from interlock.errors import (
    CounterLimitExceeded,
    CounterMismatch,
    IdempotencyMismatch,
    TransactionConflict,
)
from tests.unit.test_counter_adding import BORROW, READ_ALL, READ_ONE, WRITE, budget, handle
from tests.unit.test_counter_adding import World as Given

LOST = NoReply("lost")


class World(Given):
    """A world whose answers may be lost after a call was carried out, too."""

    def __init__(self):
        super().__init__()
        self.requests: list[tuple[str, Any]] = []
        self.lost_replies: set[int] = set()

    def _perform(self, call):
        position = len(self.calls)
        self.requests.append((call.operation, call.params))
        reply = super()._perform(call)
        if position in self.lost_replies:
            raise LOST
        return reply

    def add(self, amount, used=None, key="k", expected=None, draws=()):
        operation = add_once(used or handle(), amount, once(key), budget(), expected)
        return self.run(operation, *draws)

    def late(self, position):
        """Let a copy of a request of the last operation arrive now."""
        operation, params = self.requests[len(self.requests) - len(self.calls) + position]
        with pytest.raises(Refused) as refused:
            self.store.perform(operation, params)
        return refused.value

    def record(self, key="k"):
        return self.store.item("t", handle().record_key(key)["pk"]["S"])


@pytest.fixture
def world():
    return World()


def once(key="k"):
    return Once(key, 3600.0)


def known(world, shards=1, **attributes):
    """Lay a counter out, and return a handle that knows it."""
    world.lay_out(shards, **attributes)
    used = handle(shards=shards)
    used.eras = dict.fromkeys(range(shards), f"{shards}.e")
    return used


# Once.


def test_a_key_of_a_counter_that_is_known_takes_a_look_for_its_record_and_one_write(world):
    used = known(world)
    change = world.add(3, used)
    assert (change.value, change.amount, change.shard, change.replayed) == (53, 3, None, False)
    assert world.calls == [READ_ALL, WRITE]
    assert world.add(4, used, "l").value == 57
    assert world.calls == [READ_ALL, WRITE]


def test_the_first_change_makes_the_counter_and_counts_once(world):
    assert world.add(3).value == 3
    again = world.add(3)
    assert (again.value, again.replayed) == (3, True)
    assert world.values(1) == [3]


def test_the_same_handle_replays_too(world):
    used = known(world)
    first = world.add(3, used)
    again = world.add(3, used)
    assert (again.value, again.amount, again.shard, again.replayed) == (first.value, 3, None, True)
    assert world.values(1) == [53]


@pytest.mark.parametrize("fresh", [True, False])
def test_another_amount_under_the_same_key_is_a_mismatch(world, fresh):
    used = known(world)
    world.add(3, used)
    with pytest.raises(IdempotencyMismatch):
        world.add(4, None if fresh else used)
    assert world.values(1) == [53]


def test_a_change_is_written_to_the_home_of_its_key_and_says_so(world):
    used = known(world, 4)
    home = once().home(4)
    change = world.add(3, used)
    assert change.shard == home
    assert change.value == integer(world.item(home), "value")
    again = world.add(3, handle())
    assert (again.shard, again.value, again.replayed) == (home, change.value, True)


def test_a_counter_that_is_another_than_declared_is_refused_as_it_is_read(world):
    world.lay_out()
    with pytest.raises(CounterMismatch):
        world.add(3, handle(Bounds(0, 10)))
    assert world.calls == [READ_ONE]


def test_a_record_outlives_its_counter(world):
    used = known(world)
    for number_ in range(ledger.SWEPT_AT):
        world.add(1, used, f"k{number_}")
    world.delete(1)
    again = world.add(1, handle(), "k0")
    assert (again.value, again.replayed) == (51, True)
    assert world.item() is None


def test_the_first_change_beyond_a_bound_makes_no_counter(world):
    with pytest.raises(CounterLimitExceeded) as full:
        world.add(5, handle(Bounds(5, 9)))
    assert (full.value.value, full.value.floor, full.value.ceiling) == (5, 5, 9)
    assert world.item() is None
    assert world.add(4, handle(Bounds(5, 9))).value == 9


# Eras.


def test_a_change_that_finds_the_era_ended_looks_again_and_counts_once(world):
    used = known(world)
    world.change(0, era={"S": "1.f"})
    assert world.add(3, used).value == 53
    assert used.eras == {0: "1.f"}
    assert world.values(1) == [53]


def test_an_era_that_ends_right_after_it_was_read_lets_the_next_key_read_none(world):
    world.lay_out()
    used = handle(shards=1)
    world.before = {2: lambda: world.change(0, era={"S": "1.f"})}
    assert world.add(3, used).value == 53
    assert world.calls == [READ_ONE, READ_ALL, WRITE, READ_ALL, WRITE]
    assert world.add(4, used, "l").value == 57
    assert world.calls == [READ_ALL, WRITE]


def test_a_key_that_moved_to_its_record_in_between_is_found_there(world):
    used = known(world)
    other = handle(shards=1)
    other.eras = {0: "1.e"}

    def by_another():
        keeper = World()
        keeper.store = world.store
        for name in ("k", *(f"k{i}" for i in range(ledger.SWEPT_AT))):
            keeper.add(3, other, name)

    world.before = {1: by_another}
    change = world.add(3, used)
    assert (change.value, change.replayed) == (53, True)
    assert world.values(1) == [50 + 3 * (1 + ledger.SWEPT_AT)]


def test_a_ledger_is_swept_by_the_writer_that_fills_it(world):
    used = known(world)
    for number_ in range(ledger.SWEPT_AT - 1):
        world.add(1, used, f"k{number_}")
        assert world.calls == [READ_ALL, WRITE]
    assert world.record("k0") is None
    world.add(1, used, "last")
    assert world.calls == [READ_ALL, WRITE, BORROW, WRITE]
    assert ledger.entries(world.item()) == []
    assert integer(world.item(), "kept") == 0
    assert integer(world.record("k0"), "value") == 51
    assert used.eras == {0: era_of(world.item())}


def test_a_full_ledger_is_swept_before_the_next_entry(world):
    used = known(world)
    for number_ in range(ledger.SWEPT_AT - 1):
        world.add(1, used, f"k{number_}")
    world.change(0, kept=number(ledger.MOST_KEPT))
    assert world.add(1, used).value == 50 + ledger.SWEPT_AT
    assert world.record("k0") is not None


def test_a_ledger_that_others_fill_each_time_is_told_when_no_attempt_is_left(world):
    used = known(world)
    world.before = dict.fromkeys(range(200), lambda: world.change(0, kept=number(ledger.MOST_KEPT)))
    with pytest.raises(TransactionConflict):
        world.add(1, used)
    assert world.values(1) == [50]


def test_a_sweep_that_fails_undoes_no_change(world):
    used = known(world)
    for number_ in range(ledger.SWEPT_AT - 1):
        world.add(1, used, f"k{number_}")
    world.instead = {2: Refused("AccessDeniedException", "no")}
    assert world.add(1, used).value == 50 + ledger.SWEPT_AT
    assert world.record("k0") is None


def test_a_home_that_is_gone_is_looked_for_and_the_counter_made_anew(world):
    used = handle(shards=2, declared_shards=2)
    used.eras = {0: "2.e", 1: "2.e"}
    assert world.add(3, used).value == 3
    assert sum(world.values(2)) == 3
    assert world.pauses == 1


def test_a_counter_of_another_layout_is_settled_first(world):
    world.lay_out(2)
    for index in range(2):
        world.change(index, era={"S": "3.old"})
    used = handle(shards=2)
    change = world.add(3, used)
    assert era_of(world.item(0)) == era_of(world.item(1)) != "3.old"
    assert change.shard == once().home(2)
    assert sum(world.values(2)) == 53
