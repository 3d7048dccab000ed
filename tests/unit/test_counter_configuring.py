"""Making, changing and deleting a counter, call by call: all of it or nothing, and never twice."""

import pytest

from interlock._protocol.counters import ledger
from interlock._protocol.counters.bounds import Bounds
from interlock._protocol.counters.configuring import configure, create, delete, reset
from interlock._protocol.counters.layout import Handle, belongs, era_of, integer, number
from interlock._protocol.counters.reading import CounterState
from interlock._protocol.faults import CancellationReason, NotSent, Refused
from interlock.errors import (
    CounterChanged,
    CounterLimitExceeded,
    OutcomeUnknown,
    ServiceUnavailable,
)
from tests.unit.test_counter_adding import BORROW, READ_ONE, budget
from tests.unit.test_counter_keyed import LOST, once
from tests.unit.test_counter_keyed import World as Given

BOUNDS = Bounds(0, 99)
MAKING = "TransactWriteItems"
TICKET = "PutItem"


class World(Given):
    """A world whose counter is made, changed and deleted."""

    def does(self, operation, *arguments, used=None, expected=None):
        """Run an operation on a counter; without `used` by a process that knows nothing of it."""
        more = () if operation is create else (expected,)
        return self.run(operation(used or handle(), *arguments, budget(), *more))

    def rooms(self, shards, edge):
        return [integer(self.item(index), edge) for index in range(shards)]

    def tickets(self):
        found = self.store.perform("Scan", {"TableName": "t"})["Items"]
        return [item for item in found if "#new#" in item["pk"]["S"]]

    def sound(self, shards):
        """Whether the escrow of all shards is what the bounds leave."""
        value = sum(self.values(shards))
        header = self.item()
        least, most = integer(header, "floor"), integer(header, "ceiling")
        return (sum(self.rooms(shards, "up")), sum(self.rooms(shards, "down"))) == (
            most - value,
            value - least,
        )


def handle(bounds=BOUNDS, **known):
    return Handle("t", "c", bounds, **known)


@pytest.fixture
def world():
    return World()


def state(value=50, shards=1, floor=0, ceiling=99):
    return CounterState("c", value, floor, ceiling, shards)


# Making.


@pytest.mark.parametrize("shards", [None, 3])
def test_a_counter_is_made_once_and_leaves_no_ticket(world, shards):
    used = handle(declared_shards=shards)
    assert world.does(create, used=used) is True
    assert world.calls == [TICKET, MAKING]
    assert used.shards == (shards or 1)
    assert len(set(used.eras)) == (shards or 1)
    assert world.tickets() == []
    assert world.does(create) is False
    assert world.tickets() == []
    assert world.values(shards or 1) == [0] * (shards or 1)


def test_a_counter_that_is_there_is_left_as_it_is(world):
    world.lay_out(2)
    before = [world.item(index) for index in range(2)]
    assert world.does(create, used=handle(Bounds(0, 7), declared_shards=1)) is False
    assert [world.item(index) for index in range(2)] == before


def test_a_making_that_was_refused_in_doubt_is_not_made_later(world):
    world.lay_out()
    world.instead = {1: LOST}
    assert world.does(create) is False
    world.delete(1)
    assert world.late(1).reasons
    assert world.item() is None


def test_a_ticket_whose_reply_was_lost_is_not_used(world):
    world.lost_replies = {0}
    assert world.does(create) is True
    assert world.calls == [TICKET, TICKET, MAKING]
    assert world.pauses == 1
    (left,) = world.tickets()
    assert integer(left, "expires") >= 24 * 3600


def test_a_ticket_that_cannot_be_taken_away_leaves_a_making_in_doubt_open(world):
    world.lay_out()
    world.instead = {1: LOST, **dict.fromkeys(range(3, 50), NotSent("no"))}
    with pytest.raises(OutcomeUnknown):
        world.does(create)


def test_a_ticket_that_cannot_be_taken_away_is_left_where_nothing_is_in_doubt(world):
    world.lay_out()
    world.instead = dict.fromkeys(range(2, 50), NotSent("no"))
    assert world.does(create) is False


# Configuring.


def test_what_is_as_asked_for_is_not_written(world):
    world.lay_out()
    assert world.does(configure, BOUNDS, 1) is False
    assert world.calls == [READ_ONE]


def test_a_counter_that_is_not_there_is_made_as_configured(world):
    assert world.does(configure, Bounds(5, 9), 2, used=handle(Bounds())) is True
    assert world.values(2) == [5, 0]
    assert world.rooms(2, "up") == [2, 2]


@pytest.mark.parametrize(
    "bounds", [Bounds(0, 60), Bounds(0, 50), Bounds(50, 99), Bounds(20, 200), Bounds(-7, 99)]
)
@pytest.mark.parametrize("shards", [1, 3])
def test_bounds_move_and_the_escrow_with_them(world, bounds, shards):
    world.lay_out(shards)
    revision = integer(world.item(), "revision")
    assert world.does(configure, bounds, shards) is False
    header = world.item()
    assert (integer(header, "floor"), integer(header, "ceiling")) == (bounds.floor, bounds.ceiling)
    assert world.sound(shards)
    assert min(world.rooms(shards, "up") + world.rooms(shards, "down")) >= 0
    assert sum(world.values(shards)) == 50
    assert integer(header, "revision") != revision


@pytest.mark.parametrize(("value", "bounds"), [(99, Bounds(0, 120)), (0, Bounds(-20, 99))])
def test_a_bound_moves_away_from_a_counter_that_is_full(world, value, bounds):
    world.lay_out(value=value)
    assert world.does(configure, bounds, 1) is False
    assert (world.sound(1), world.pauses) == (True, 0)


def test_a_bound_that_goes_is_no_attribute_any_more(world):
    world.lay_out()
    world.does(configure, Bounds(), 1)
    assert not {"floor", "ceiling"} & set(world.item())


@pytest.mark.parametrize("bounds", [Bounds(0, 49), Bounds(51, 99)])
def test_bounds_that_the_value_is_beyond_are_refused(world, bounds):
    world.lay_out(2)
    with pytest.raises(CounterLimitExceeded) as full:
        world.does(configure, bounds, 2)
    assert (full.value.value, full.value.floor, full.value.ceiling) == (
        50,
        bounds.floor,
        bounds.ceiling,
    )
    assert world.sound(2)


def test_a_bound_does_not_come_below_what_is_added_meanwhile(world):
    world.lay_out()
    world.before = {1: lambda: world.change(0, value=number(90), up=number(9), down=number(90))}
    with pytest.raises(CounterLimitExceeded):
        world.does(configure, Bounds(0, 60), 1)
    assert integer(world.item(), "ceiling") == 99


@pytest.mark.parametrize(("old", "new"), [(1, 3), (3, 1), (2, 4), (4, 2)])
def test_shards_change_and_all_counts_stay(world, old, new):
    world.lay_out(old)
    for index in range(old):
        world.change(index, value=number(index + 1))
    world.change(0, value=number(50 - sum(range(2, old + 1))))
    assert world.does(configure, BOUNDS, new) is False
    assert sum(world.values(new)) == 50
    assert world.sound(new)
    header = world.item()
    assert (integer(header, "shards"), integer(header, "span")) == (new, new)
    eras = {era_of(world.item(index)) for index in range(new)}
    assert len(eras) == 1
    assert belongs(eras.pop(), new)
    assert all(world.item(index) is None for index in range(new, max(old, new)))
    assert not any("closed" in world.item(index) for index in range(new))


def test_keys_are_remembered_over_a_change_of_shards(world):
    world.lay_out(2)
    assert world.add(3, handle(shards=2)).value
    world.does(configure, BOUNDS, 3)
    assert world.record() is not None
    assert world.add(3).replayed
    assert all(ledger.entries(world.item(index)) == [] for index in range(3))


def test_a_change_that_came_first_is_looked_at_again(world):
    world.lay_out()
    world.before = {1: lambda: world.change(0, revision=number(8))}
    assert world.does(configure, Bounds(0, 60), 1) is False
    assert world.pauses == 1
    assert integer(world.item(), "ceiling") == 60
    assert world.sound(1)


@pytest.mark.parametrize("bounds", [BOUNDS, Bounds(0, 60)])
def test_a_counter_that_is_not_settled_is_settled_before_it_is_changed(world, bounds):
    world.lay_out(2)
    for index in range(2):
        world.change(index, era={"S": "3.old"})
    assert world.does(configure, bounds, 2) is False
    assert all(belongs(era_of(world.item(index)), 2) for index in range(2))
    assert integer(world.item(), "ceiling") == bounds.ceiling
    assert world.pauses == 0


def test_a_change_in_doubt_whose_revision_stands_cannot_be_made_later(world):
    world.lay_out()
    reasons = (CancellationReason("None"), CancellationReason("ConditionalCheckFailed"))
    world.instead = {1: LOST, 2: Refused("TransactionCanceledException", reasons=reasons)}
    assert world.does(configure, Bounds(0, 60), 1) is False
    position = world.calls.index(BORROW)
    assert world.late(position).reasons
    assert world.sound(1)


@pytest.mark.parametrize("operation", ["configure", "reset", "delete"])
def test_a_change_in_doubt_that_cannot_be_ruled_out_is_unknown(world, operation):
    world.lay_out()
    if operation == "delete":
        item = {name: value for name, value in world.item().items() if name != "era"}
        world.store.perform("PutItem", {"TableName": "t", "Item": item})
    reasons = (CancellationReason("None"), CancellationReason("ConditionalCheckFailed"))
    world.instead = {
        1: LOST,
        2: Refused("TransactionCanceledException", reasons=reasons),
        **dict.fromkeys(range(3, 50), NotSent("no")),
    }
    calls = {
        "configure": (configure, Bounds(0, 60), 1),
        "reset": (reset, 7),
        "delete": (delete,),
    }
    with pytest.raises(OutcomeUnknown):
        world.does(*calls[operation])


def test_a_counter_that_was_moved_and_not_settled_is_no_failure(world):
    world.lay_out(2)
    world.instead = dict.fromkeys(range(2, 50), NotSent("no"))
    assert world.does(configure, BOUNDS, 1, used=handle(shards=2)) is False
    assert world.item(1)["closed"] == {"BOOL": True}
    world.instead = {}
    assert world.add(3).value == 53
    assert world.values(1) == [53]


@pytest.mark.parametrize("shards", [1, 3])
def test_a_change_of_shards_takes_the_eras_from_all_of_them(world, shards):
    world.lay_out(2)
    world.instead = dict.fromkeys(range(2, 50), NotSent("no"))
    world.does(configure, BOUNDS, shards, used=handle(shards=2))
    assert integer(world.item(), "shards") == shards
    assert [era_of(world.item(index)) for index in range(2)] == [None, None]


# Resetting.


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize(("to", "value"), [(None, 0), (7, 7), (99, 99), (0, 0)])
def test_a_reset_sets_the_value_and_what_the_bounds_leave(world, shards, to, value):
    world.lay_out(shards)
    assert world.does(reset, to) == value
    assert world.values(shards) == [value] + [0] * (shards - 1)
    assert world.sound(shards)


@pytest.mark.parametrize("to", [-20, 0, 7])
def test_a_reset_leaves_room_down_to_a_floor_below_0(world, to):
    world.lay_out(2)
    world.does(configure, Bounds(-20, 99), 2)
    assert world.does(reset, to) == to
    assert world.sound(2)


@pytest.mark.parametrize(("to", "there"), [(100, True), (-1, True), (100, False)])
def test_a_reset_beyond_a_bound_is_refused(world, to, there):
    if there:
        world.lay_out(2)
    with pytest.raises(CounterLimitExceeded) as full:
        world.does(reset, to)
    assert full.value.value == (50 if there else 0)
    assert (full.value.floor, full.value.ceiling) == (0, 99)
    assert (world.item() is not None) is there


@pytest.mark.parametrize(("declared", "values"), [(None, [7]), (2, [7, 0])])
def test_a_reset_makes_the_counter_where_there_is_none(world, declared, values):
    assert world.does(reset, 7, used=handle(declared_shards=declared)) == 7
    assert integer(world.item(), "shards") == len(values)
    assert world.values(len(values)) == values


def test_a_reset_takes_what_was_added_before_it_and_nothing_after(world):
    world.lay_out()
    world.before = {1: lambda: world.change(0, revision=number(8), value=number(60))}
    assert world.does(reset, 7) == 7
    assert world.values(1) == [7]
    assert world.pauses == 1


def test_a_reset_leaves_nothing_in_a_shard_that_is_being_folded_away(world):
    world.lay_out(2)
    world.change(0, shards=number(1))
    world.change(1, closed={"BOOL": True}, value=number(9))
    assert world.does(reset, 7) == 7
    assert world.values(2) == [7, 0]
    assert world.rooms(2, "up") == [92, 0]
    assert world.rooms(2, "down") == [7, 0]


# Deleting.


@pytest.mark.parametrize("shards", [1, 3])
def test_a_deleted_counter_leaves_the_records_of_its_keys_and_nothing_else(world, shards):
    world.lay_out(shards)
    world.add(3, handle(shards=shards))
    used = handle(shards=shards)
    assert world.does(delete, used=used) is True
    left = world.store.perform("Scan", {"TableName": "t"})["Items"]
    assert [item["pk"] for item in left] == [handle().record_key("k")["pk"]]
    assert used.shards is None
    assert world.pauses == 0
    assert world.does(delete) is False


def test_a_deletion_that_another_was_faster_than_is_made_after_a_pause(world):
    world.lay_out()
    world.before = {3: lambda: world.change(0, revision=number(9))}
    assert world.does(delete) is True
    assert world.item() is None
    assert world.pauses == 1


def test_a_counter_that_was_written_anew_meanwhile_is_deleted_with_its_keys(world):
    world.lay_out()
    world.before = {2: lambda: world.change(0, era={"S": "1.new"}, revision=number(9))}
    assert world.does(delete) is True
    assert world.item() is None


@pytest.mark.parametrize("lacking", [None, 1])
def test_a_key_that_is_entered_as_the_counter_goes_is_remembered(world, lacking):
    """Also where a shard has no era, as a change of the layout leaves it."""

    def by_another():
        twin = World()
        twin.store, twin.identifiers = world.store, 100
        twin.add(3, handle(shards=2), key)

    world.lay_out(2)
    if lacking is not None:
        item = {name: value for name, value in world.item(lacking).items() if name != "era"}
        world.store.perform("PutItem", {"TableName": "t", "Item": item})
    key = next(key for key in "abcdef" if once(key).home(2) == 0)
    world.before = {1: by_another}
    assert world.does(delete, used=handle(shards=2)) is True
    assert world.item() is None
    assert world.record(key) is not None


def test_a_deletion_in_doubt_cannot_be_made_later(world):
    world.lay_out()
    world.instead = {3: LOST}
    world.before = {4: lambda: world.change(0, value=number(51))}
    with pytest.raises(CounterChanged):
        world.does(delete, expected=state())
    world.change(0, value=number(50))  # as the copy demands
    assert world.late(3).reasons
    assert world.values(1) == [50]


# While the counter is as expected.


@pytest.mark.parametrize(
    "call",
    [(configure, Bounds(0, 60), 1), (reset, 7), (delete,)],
    ids=lambda call: call[0].__name__,
)
def test_a_counter_that_is_another_than_expected_is_left_alone(world, call):
    world.lay_out()
    before = world.item()
    with pytest.raises(CounterChanged):
        world.does(*call, expected=state(value=49))
    assert world.item() == before
    with pytest.raises(CounterChanged):
        World().does(*call, expected=state())


@pytest.mark.parametrize("call", [(configure, Bounds(0, 60), 2), (reset, 7)])
def test_an_addition_in_between_is_found_by_the_store(world, call):
    world.lay_out(2)
    added = {"value": number(1), "up": number(23), "down": number(26)}
    world.before = {2: lambda: world.change(1, **added)}
    with pytest.raises(CounterChanged):
        world.does(*call, expected=state(shards=2))
    assert world.values(2) == [50, 1]


@pytest.mark.parametrize("position", [1, 2, 3])
def test_a_delete_does_not_take_an_addition_that_was_not_expected(world, position):
    world.lay_out()
    world.before = {position: lambda: world.change(0, value=number(51))}
    with pytest.raises(CounterChanged):
        world.does(delete, expected=state())
    assert world.values(1) == [51]


@pytest.mark.parametrize("call", [(configure, Bounds(0, 60), 1), (reset, 7), (delete,)])
def test_what_was_never_sent_changes_nothing(world, call):
    world.lay_out()
    world.instead = dict.fromkeys(range(50), NotSent("no"))
    with pytest.raises(ServiceUnavailable):
        world.does(*call)
    assert world.values(1) == [50]
