"""Reading a counter, call by call: as of one instant, or for less."""

import pytest

from interlock._protocol.counters import reading
from interlock._protocol.counters.bounds import Bounds
from interlock._protocol.counters.layout import number
from interlock._protocol.counters.ledger import Entry
from interlock._protocol.counters.reading import CounterState
from interlock.errors import CorruptRecord, CounterMismatch, Throttled, TransactionConflict
from tests.unit.test_counter_adding import BOUNDS, READ_ALL, READ_ONE, budget, handle
from tests.unit.test_counter_keyed import World as Given
from tests.unit.test_counter_keyed import once

BATCH = "BatchGetItem"
CORRUPT = {"N": "1.5"}


class World(Given):
    """A world whose batches may leave out all but some items."""

    def __init__(self):
        super().__init__()
        self.taken: dict[int, int] = {}  # by the number of a call: how many of its keys are read

    def _perform(self, call):
        position = len(self.calls)
        reply = super()._perform(call)
        if position in self.taken:
            wanted = call.params["RequestItems"]["t"]
            left = wanted["Keys"][self.taken[position] :]
            gone = [key["pk"] for key in left]
            found = [item for item in reply["Responses"]["t"] if item["pk"] not in gone]
            unprocessed = {"t": {**wanted, "Keys": left}}
            return {"Responses": {"t": found}, "UnprocessedKeys": unprocessed}
        return reply

    def read(self, function, used, *rest, **options):
        return self.run(function(used, *rest, budget(), **options))


@pytest.fixture
def world():
    return World()


# As of one instant.


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("how", ["shards", "declared_shards"])
def test_a_counter_whose_shards_are_known_or_declared_is_one_read(world, shards, how):
    world.lay_out(shards)
    used = handle(**{how: shards})
    seen = world.read(reading.snapshot, used)
    assert (seen.value, seen.shards, len(seen.items)) == (50, shards, shards)
    assert world.calls == [READ_ONE if shards == 1 else READ_ALL]
    assert used.shards == shards
    assert used.eras == dict.fromkeys(range(shards), f"{shards}.e")


def test_what_is_known_counts_before_what_is_declared(world):
    world.lay_out(3)
    world.read(reading.snapshot, handle(declared_shards=1, shards=3))
    assert world.calls == [READ_ALL]


def test_a_read_is_strongly_consistent(world):
    world.lay_out()
    world.read(reading.snapshot, handle())
    assert world.requests[0][1]["ConsistentRead"] is True


@pytest.mark.parametrize(("known", "calls"), [(None, [READ_ONE, READ_ALL]), (2, [READ_ALL] * 2)])
def test_another_layout_than_expected_is_read_as_it_is(world, known, calls):
    world.lay_out(3)
    assert world.read(reading.snapshot, handle(shards=known)).value == 50
    assert world.calls == calls


@pytest.mark.parametrize("read", [reading.snapshot, reading.estimate])
def test_a_layout_that_is_another_each_time_is_given_up_in_the_end(world, read):
    def grow(shards):
        return lambda: world.lay_out(shards)

    world.before = {position: grow(position + 2) for position in range(20)}
    with pytest.raises(TransactionConflict):
        world.read(read, handle())
    assert len(world.calls) == 8


def test_a_counter_that_is_not_there_is_forgotten(world):
    used = handle(shards=2)
    used.eras = {0: "2.e"}
    assert world.read(reading.snapshot, used) is None
    assert (used.shards, used.eras) == (None, {})


def closing(world):
    """Lay out a counter of one shard, beside which another is being folded away."""
    world.lay_out(2)
    world.change(0, shards=number(1))
    world.change(1, value=number(4))


def test_shards_that_are_being_folded_away_count_and_take_no_key(world):
    closing(world)
    used = handle(shards=2)
    seen = world.read(reading.snapshot, used)
    assert (seen.value, seen.shards, len(seen.items)) == (54, 1, 2)
    assert (used.shards, used.eras) == (1, {0: "2.e"})


@pytest.mark.parametrize("shards", [1, 2])
@pytest.mark.parametrize("attribute", [CORRUPT, None])
def test_an_item_that_is_corrupt_is_said_to_be(world, shards, attribute):
    world.lay_out(shards)
    item = {name: value for name, value in world.item(shards - 1).items() if name != "up"}
    if attribute is not None:
        item["up"] = attribute
    world.store.perform("PutItem", {"TableName": "t", "Item": item})
    for function in (reading.snapshot, reading.estimate):
        with pytest.raises(CorruptRecord):
            world.read(function, handle(shards=shards))
    with pytest.raises(CorruptRecord):
        world.read(reading.shard, handle(), shards - 1)


def test_a_state_says_what_the_counter_is(world):
    assert world.read(reading.state, handle()) is None
    world.lay_out(3)
    assert world.read(reading.state, handle()) == CounterState("c", 50, 0, 99, 3)


@pytest.mark.parametrize("declared", [Bounds(7, 9), BOUNDS])
def test_a_value_is_that_which_is_stored_or_would_be(world, declared):
    assert world.read(reading.value, handle(declared)) == declared.start
    assert world.read(reading.value, handle(declared), as_declared=True) == declared.start
    world.lay_out()
    assert world.read(reading.value, handle(declared)) == 50


def test_a_value_of_what_was_made_otherwise_is_refused_if_that_matters(world):
    world.lay_out()
    assert world.read(reading.value, handle(), as_declared=True) == 50
    with pytest.raises(CounterMismatch):
        world.read(reading.value, handle(Bounds(7, 9)), as_declared=True)


# For less.


@pytest.mark.parametrize("how", ["shards", "declared_shards"])
@pytest.mark.parametrize("shards", [1, 3])
def test_an_estimate_is_one_batch_that_is_not_consistent(world, shards, how):
    world.lay_out(shards)
    world.change(shards - 1, value=number(60))
    assert world.read(reading.estimate, handle(**{how: shards})) == 60 + 50 * (shards > 1)
    assert world.calls == [BATCH]
    assert world.requests[0][1]["RequestItems"]["t"]["ConsistentRead"] is False


def test_an_estimate_of_more_shards_than_were_known_is_made_again(world):
    world.lay_out(3)
    world.change(2, value=number(1))
    assert world.read(reading.estimate, handle()) == 51
    assert world.calls == [BATCH] * 2


def test_an_estimate_of_fewer_shards_than_were_known_is_good(world):
    world.lay_out(2)
    assert world.read(reading.estimate, handle(shards=3)) == 50
    assert world.calls == [BATCH]


def test_an_estimate_of_what_is_not_there_is_where_it_would_start(world):
    assert world.read(reading.estimate, handle(Bounds(7, 9))) == 7
    world.lay_out(2)
    world.delete(1)  # the header alone
    assert world.read(reading.estimate, handle(Bounds(7, 9), shards=2)) == 7


def test_what_a_batch_leaves_out_is_asked_for_after_a_pause(world):
    world.lay_out(3)
    world.taken = {0: 1, 1: 1}
    assert world.read(reading.estimate, handle(shards=3)) == 50
    assert (world.calls, world.pauses) == ([BATCH] * 3, 2)
    asked = [len(params["RequestItems"]["t"]["Keys"]) for _, params in world.requests]
    assert asked == [3, 2, 1]


def test_a_batch_that_always_leaves_something_out_is_given_up_in_the_end(world):
    world.lay_out(3)
    world.taken = dict.fromkeys(range(100), 0)
    with pytest.raises(Throttled):
        world.read(reading.estimate, handle(shards=3))


def test_a_batch_is_consistent_if_that_is_asked_for(world):
    world.lay_out()
    keys = [handle().key()]
    (item,) = world.run(reading.batch("t", keys, budget(), consistent=True))
    assert item == world.item()
    assert world.requests[0][1]["RequestItems"]["t"]["ConsistentRead"] is True


# One item.


def test_a_shard_is_read_as_it_is(world):
    assert world.read(reading.shard, handle(), 1) is None
    world.lay_out(2)
    assert world.read(reading.shard, handle(), 1) == world.item(1)
    assert world.calls == [READ_ONE]


RECORDED = [Entry("k", 5, 55, 4600, None), Entry("k", 5, 55, 4600, 3)]


@pytest.mark.parametrize("entry", RECORDED, ids=str)
def test_a_record_says_what_was_done_under_its_key(world, entry):
    assert world.read(reading.record, handle(), once()) is None
    (put,) = entry.record(handle()).values()
    world.store.perform("PutItem", put)
    assert world.read(reading.record, handle(), once()) == entry
    assert world.calls == [READ_ALL]


def test_a_record_that_is_corrupt_is_said_to_be(world):
    (put,) = RECORDED[0].record(handle()).values()
    put["Item"]["amount"] = CORRUPT
    world.store.perform("PutItem", put)
    with pytest.raises(CorruptRecord):
        world.read(reading.record, handle(), once())
