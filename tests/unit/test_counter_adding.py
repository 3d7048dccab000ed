"""Adding without a key, call by call: what is asked of the store, and what its refusals mean."""

from typing import TYPE_CHECKING

import pytest

from interlock._protocol.counters.adding import add, add_expecting, is_full
from interlock._protocol.counters.bounds import Bounds
from interlock._protocol.counters.layout import Handle, integer, new_items, number
from interlock._protocol.counters.reading import CounterState, examined
from interlock._protocol.faults import CancellationReason, Fault, NoReply, Refused
from interlock._protocol.requests import (
    Call,
    Draw,
    Monotonic,
    NewId,
    Sleep,
    Time,
    TimeOfDay,
    WallClock,
)
from interlock._protocol.retry import RetryBudget
from interlock.errors import (
    CorruptRecord,
    CounterChanged,
    CounterLimitExceeded,
    CounterMismatch,
    OutcomeUnknown,
    RequestRefused,
)
from interlock.testing._store.store import Store
from interlock.testing._store.tables import Table

if TYPE_CHECKING:
    from collections.abc import Callable

BOUNDS = Bounds(0, 99)
FAILED = Refused("ConditionalCheckFailedException")


class World:
    """A store, and a process whose draws are given: the last of them is drawn for ever."""

    def __init__(self):
        self.store = Store(Table("t"))
        self.calls: list[str] = []
        self.draws: list[float] = []
        self.drawn = self.pauses = self.identifiers = 0
        # By the number of a call: what is thrown for it, and what happens before it.
        self.instead: dict[int, Fault] = {}
        self.before: dict[int, Callable[[], object]] = {}

    def lay_out(self, shards=1, value=50, **attributes):
        """Lay the counter out; `up=(1, 2)` gives its shards so much room above."""
        items = new_items(handle(), BOUNDS, shards, value, revision=7, era=f"{shards}.e")
        for name, numbers in attributes.items():
            for item, given in zip(items, numbers, strict=True):
                item[name] = number(given)
        for item in items:
            self.store.perform("PutItem", {"TableName": "t", "Item": item})

    def change(self, index, **attributes):
        item = {**self.item(index), **attributes}
        self.store.perform("PutItem", {"TableName": "t", "Item": item})

    def delete(self, shards):
        for index in range(shards):
            key = handle().key(index)
            self.store.perform("DeleteItem", {"TableName": "t", "Key": key})

    def item(self, index=0):
        return self.store.item("t", "counter#c" if index == 0 else f"counter#c#{index}")

    def values(self, shards):
        return [integer(self.item(i), "value") for i in range(shards)]

    def run(self, operation, *draws):
        """Run an operation to its end."""
        self.calls, self.drawn, self.pauses = [], 0, 0
        self.draws = list(draws) or [0.0]
        reply, fault = None, None
        while True:
            try:
                request = operation.send(reply) if fault is None else operation.throw(fault)
            except StopIteration as done:
                return done.value
            reply, fault = None, None
            match request:
                case Call():
                    try:
                        reply = self._perform(request)
                    except Fault as raised:
                        fault = raised
                case Draw():
                    self.drawn += 1
                    reply = self.draws.pop(0) if len(self.draws) > 1 else self.draws[0]
                case Monotonic() | WallClock():
                    reply = 0.0
                case TimeOfDay():
                    reply = Time(0.0, 0.0)
                case NewId():
                    self.identifiers += 1
                    reply = f"id-{self.identifiers}"
                case Sleep():
                    self.pauses += 1

    def _perform(self, call):
        position = len(self.calls)
        self.calls.append(call.operation)
        self.before.get(position, lambda: None)()
        if position in self.instead:
            raise self.instead[position]
        return self.store.perform(call.operation, call.params)


@pytest.fixture
def world():
    return World()


def handle(bounds=BOUNDS, **known):
    return Handle("t", "c", bounds, **known)


def budget():
    return RetryBudget(handle().target, most=8)


WRITE = "UpdateItem"
READ_ONE, READ_ALL = "GetItem", "TransactGetItems"
BORROW = "TransactWriteItems"


@pytest.mark.parametrize("declared", [None, 1])
def test_the_first_increment_makes_the_counter_in_one_call(world, declared):
    used = handle(declared_shards=declared)
    change = world.run(add(used, 3, budget()))
    assert (change.value, change.amount, change.shard) == (3, 3, None)
    assert (world.calls, world.drawn) == ([WRITE], 0)
    assert integer(world.item(), "revision") > 0
    assert used.shards == 1
    assert world.run(add(used, 1, budget())).value == 4
    assert (world.calls, world.drawn) == ([WRITE], 0)


def test_a_counter_that_is_to_have_several_shards_is_made_first(world):
    used = handle(declared_shards=2)
    change = world.run(add(used, 3, budget()), 0.9)
    assert (change.value, change.shard) == (3, 1)
    assert world.calls.count(WRITE) == 1
    assert world.values(2) == [0, 3]


def test_a_counter_of_several_shards_is_read_once_and_then_written_alone(world):
    world.lay_out(2)
    used = handle(declared_shards=2)
    assert world.run(add(used, 3, budget())).shard == 0
    assert world.calls == [READ_ALL, WRITE]
    assert world.run(add(used, 3, budget())).shard == 0
    assert world.calls == [WRITE]


def test_a_counter_that_is_another_than_declared_is_refused_as_it_is_read(world):
    world.lay_out(2)
    with pytest.raises(CounterMismatch):
        world.run(add(handle(declared_shards=3), 1, budget()))
    assert WRITE not in world.calls


@pytest.mark.parametrize(
    ("shards", "drawn", "shard"),
    [(2, 0.0, 0), (2, 0.49, 0), (2, 0.5, 1), (4, 0.3, 1), (4, 0.99, 3)],
)
def test_the_draw_decides_which_shard_is_added_to(world, shards, drawn, shard):
    world.lay_out(shards)
    change = world.run(add(handle(shards=shards), 1, budget()), drawn)
    assert (change.shard, world.calls, world.drawn) == (shard, [WRITE], 1)
    assert change.value == integer(world.item(shard), "value")


def test_a_counter_whose_shards_are_being_folded_away_is_told_by_its_shard(world):
    world.lay_out(2)
    world.change(0, shards=number(1))
    assert world.run(add(handle(shards=1), 1, budget())).shard == 0


@pytest.mark.parametrize(
    ("index", "span", "room", "full"),
    [
        (0, 1, 2, True),
        (0, 1, 3, False),
        (0, 1, 4, False),
        (0, 2, 2, False),
        (1, 1, 2, False),
        (1, 0, 2, False),
    ],
)
@pytest.mark.parametrize(("amount", "edge"), [(3, "up"), (-3, "down")])
def test_a_shard_is_all_of_the_counter_only_if_it_is_the_only_one(  # noqa: PLR0917 - pytest passes them by name
    index, span, room, full, amount, edge
):
    item = {"span": number(span), edge: number(room)}
    assert is_full(item, index, amount) is full


def test_a_full_counter_of_one_shard_is_told_by_its_refusal_alone(world):
    world.lay_out(up=[2])
    with pytest.raises(CounterLimitExceeded) as full:
        world.run(add(handle(shards=1), 3, budget()))
    assert (full.value.value, full.value.floor, full.value.ceiling) == (50, 0, 99)
    assert full.value.name == "c"
    assert world.calls == [WRITE]


def test_a_full_counter_of_several_shards_is_read_at_one_instant(world):
    world.lay_out(2, up=[1, 1])
    with pytest.raises(CounterLimitExceeded) as full:
        world.run(add(handle(shards=2), 3, budget()))
    assert (full.value.value, full.value.floor, full.value.ceiling) == (50, 0, 99)
    assert full.value.name == "c"
    assert world.calls == [WRITE, READ_ALL]


def test_a_refused_declaration_is_told_before_a_bound(world):
    world.lay_out(up=[0])
    with pytest.raises(CounterMismatch):
        world.run(add(handle(Bounds(0, 10), shards=1), 1, budget()))


def test_what_the_service_does_not_take_is_told_after_a_look_for_what_is_corrupt(world):
    def added(used):
        time = budget()
        return world.run(examined(add(used, 1, time), time, used))

    world.lay_out()
    world.instead = {0: Refused("ValidationException", "no")}
    with pytest.raises(RequestRefused):
        added(handle(shards=1))
    assert world.calls == [WRITE, READ_ONE]
    world.change(0, value={"S": "x"})
    with pytest.raises(CorruptRecord):
        added(handle(shards=1))


# Refusals.


def test_a_counter_that_is_gone_is_made_anew(world):
    used = handle(shards=1)
    assert world.run(add(used, 3, budget())).value == 3
    assert world.calls == [WRITE, WRITE]


def test_a_counter_that_is_gone_is_not_made_beyond_its_bounds(world):
    with pytest.raises(CounterLimitExceeded) as full:
        world.run(add(handle(Bounds(5, 9), shards=1), 5, budget()))
    assert (full.value.value, full.value.floor, full.value.ceiling) == (5, 5, 9)
    assert world.calls == [WRITE]
    assert world.run(add(handle(Bounds(5, 9), shards=1), 4, budget())).value == 9


@pytest.mark.parametrize("declared", [None, 2])
def test_a_shard_that_is_gone_is_looked_for_and_its_counter_made_anew(world, declared):
    used = handle(shards=2, declared_shards=declared)
    change = world.run(add(used, 3, budget()), 0.9)
    assert change.value == 3
    assert READ_ALL in world.calls or READ_ONE in world.calls
    assert sum(world.values(declared or 1)) == 3


def test_a_header_of_several_shards_that_is_gone_is_looked_for(world):
    used = handle(shards=2, declared_shards=2)
    world.run(add(used, 3, budget()))
    assert world.calls.index(WRITE) < world.calls.index(READ_ALL)
    assert world.values(2) == [3, 0]


def test_a_closed_shard_takes_nothing_and_tells_of_the_new_layout(world):
    world.lay_out(2)
    world.change(0, shards=number(1))
    world.change(1, closed={"BOOL": True})
    used = handle(shards=2)
    assert world.run(add(used, 3, budget()), 0.9, 0.0).shard == 0
    assert used.shards == 1
    assert world.calls == [WRITE, READ_ONE, READ_ALL, WRITE]
    assert world.values(2) == [53, 0]


def test_a_refused_header_tells_how_many_shards_there_are(world):
    world.lay_out(3, up=[0, 0, 9])
    used = handle(shards=1)
    change = world.run(add(used, 3, budget()), 0.0)
    assert (change.value, used.shards) == (53, 3)
    assert world.calls == [WRITE, READ_ALL, BORROW]


def test_a_refusal_by_a_corrupt_record_is_said_to_be_one(world):
    world.lay_out()
    world.change(0, up={"S": "x"})
    with pytest.raises(CorruptRecord):
        world.run(add(handle(shards=1), 1, budget()))
    assert world.calls == [WRITE]


@pytest.mark.parametrize("room", [3, 4])
def test_a_shard_that_has_room_again_is_added_to_after_a_pause(world, room):
    world.lay_out(2, up=[room, 0])
    refusal = Refused(FAILED.code, item=world.item())
    world.instead = {0: refusal}
    change = world.run(add(handle(shards=2), 3, budget()))
    assert (change.shard, world.calls, world.pauses) == (0, [WRITE, WRITE], 1)


# Borrowing.


def test_a_shard_borrows_what_it_lacks(world):
    world.lay_out(3, up=[1, 1, 9])
    change = world.run(add(handle(shards=3), 5, budget()), 0.0, 0.4)
    assert (change.value, change.amount, change.shard) == (5, 5, 1)
    assert world.calls == [WRITE, READ_ALL, BORROW]
    assert (world.values(3), world.pauses) == ([50, 5, 0], 0)


def test_a_borrower_that_was_outpaced_looks_again(world):
    world.lay_out(2, up=[1, 9])
    world.before = {2: lambda: world.change(1, up=number(0), down=number(40))}
    with pytest.raises(CounterLimitExceeded):
        world.run(add(handle(shards=2), 5, budget()))
    assert world.calls == [WRITE, READ_ALL, BORROW, WRITE, READ_ALL]
    assert world.pauses == 1


def test_a_borrower_whose_refused_write_had_left_a_copy_knows_nothing(world):
    world.lay_out(2, up=[1, 9])
    reasons = (CancellationReason("ConditionalCheckFailed"), CancellationReason("None"))
    world.instead = {
        2: NoReply("lost"),
        3: Refused("TransactionCanceledException", reasons=reasons),
    }
    with pytest.raises(OutcomeUnknown):
        world.run(add(handle(shards=2), 5, budget()))


def test_a_counter_that_goes_while_it_is_borrowed_from_is_made_anew(world):
    world.lay_out(2, up=[1, 9])
    world.before = {1: lambda: world.delete(2)}
    assert world.run(add(handle(shards=2), 5, budget())).value == 5
    assert world.values(1) == [5]


def test_a_counter_that_changes_while_it_is_borrowed_from_is_compared_with_the_declaration(world):
    world.lay_out(2, up=[1, 9])
    world.before = {1: lambda: world.change(0, ceiling=number(60))}
    with pytest.raises(CounterMismatch):
        world.run(add(handle(shards=2), 5, budget()))


# Adding while the counter is as expected.


def expected(value=50, shards=1):
    return CounterState("c", value, 0, 99, shards)


@pytest.mark.parametrize(("shards", "shard"), [(1, None), (2, 0)])
def test_a_counter_is_added_to_while_it_is_as_expected(world, shards, shard):
    world.lay_out(shards)
    change = world.run(add_expecting(handle(), 3, budget(), expected(shards=shards)))
    assert (change.value, change.amount, change.shard) == (53, 3, shard)
    assert WRITE not in world.calls


@pytest.mark.parametrize("state", [expected(value=51), expected(shards=2)])
def test_a_counter_that_is_another_than_expected_is_left_alone(world, state):
    world.lay_out()
    with pytest.raises(CounterChanged):
        world.run(add_expecting(handle(), 3, budget(), state))
    assert world.values(1) == [50]


def test_a_counter_that_is_not_there_is_not_as_expected(world):
    with pytest.raises(CounterChanged):
        world.run(add_expecting(handle(), 3, budget(), expected()))


def test_a_write_between_the_look_and_the_addition_is_found_by_the_store(world):
    world.lay_out(2)
    world.before = {1: lambda: world.change(1, value=number(1))}
    with pytest.raises(CounterChanged):
        world.run(add_expecting(handle(shards=2), 3, budget(), expected(shards=2)))
    assert (world.calls, world.pauses) == ([READ_ALL, BORROW, READ_ALL], 1)
    assert world.values(2) == [50, 1]
