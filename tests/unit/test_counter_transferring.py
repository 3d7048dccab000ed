"""Moving an amount from one counter to another, call by call: both or neither, once for a key."""

import pytest

from interlock._protocol.counters import ledger
from interlock._protocol.counters.adding import add
from interlock._protocol.counters.bounds import Bounds
from interlock._protocol.counters.keyed import add_once
from interlock._protocol.counters.layout import Handle, era_of, integer, new_items, number
from interlock._protocol.counters.reading import value
from interlock._protocol.counters.transferring import transfer
from interlock._protocol.faults import CancellationReason, NoReply, NotSent, Refused
from interlock.errors import (
    CorruptRecord,
    CounterLimitExceeded,
    CounterNotFound,
    IdempotencyMismatch,
    InvalidValue,
    OutcomeUnknown,
    ServiceUnavailable,
)
from tests.unit.test_counter_adding import BORROW, READ_ONE, budget
from tests.unit.test_counter_keyed import LOST, once
from tests.unit.test_counter_keyed import World as Given

BOUNDS = Bounds(0, 99)


class World(Given):
    """A world with two counters, `s` with 50 and `t` with 20, and a process that knows neither."""

    def __init__(self):
        super().__init__()
        self.source, self.target = Handle("t", "s", Bounds()), Handle("t", "t", Bounds())

    def made(self, name, shards=1, value=50, **attributes):
        items = new_items(
            Handle("t", name, BOUNDS), BOUNDS, shards, value, revision=7, era=f"{shards}.e"
        )
        for attribute, numbers in attributes.items():
            for item, given in zip(items, numbers, strict=True):
                item[attribute] = number(given)
        for item in items:
            self.store.perform("PutItem", {"TableName": "t", "Item": item})

    def part(self, name, index=0):
        return self.store.item("t", f"counter#{name}#{index}" if index else f"counter#{name}")

    def set(self, name, **attributes):
        item = {**self.part(name), **attributes}
        self.store.perform("PutItem", {"TableName": "t", "Item": item})

    def both(self):
        return integer(self.part("s"), "value"), integer(self.part("t"), "value")

    def move(self, amount, key=None, draws=(), to=None):
        asked = None if key is None else once(key)
        target = to or self.target
        return self.run(transfer(self.source, target, amount, asked, budget()), *draws)

    def record_of_it(self, key="k"):
        return self.store.item("t", self.source.record_key(key)["pk"]["S"])


@pytest.fixture
def world():
    world = World()
    world.made("s")
    world.made("t", value=20)
    return world


KEYS = pytest.mark.parametrize("key", [None, "k"])


@KEYS
def test_an_amount_moves_and_both_changes_are_told(world, key):
    done = world.move(5, key)
    assert (done.source.value, done.source.amount, done.source.shard) == (45, -5, None)
    assert (done.target.value, done.target.amount, done.target.shard) == (25, 5, None)
    assert not done.replayed
    assert world.both() == (45, 25)
    assert world.calls == [READ_ONE, READ_ONE, BORROW]


@KEYS
def test_counters_of_several_shards_tell_which_were_changed(key):
    world = World()
    world.made("s", 2)
    world.made("t", 3, 20)
    world.source.shards, world.target.shards = 2, 3
    done = world.move(5, key, draws=(0.9,) if key else (0.9, 0.5))
    assert done.source.shard == (once().home(2) if key else 1)
    assert done.target.shard == (2 if key else 1)
    assert done.source.value == integer(world.part("s", done.source.shard), "value")
    assert done.target.value == integer(world.part("t", done.target.shard), "value")


@KEYS
def test_a_counter_is_no_target_of_its_own(world, key):
    with pytest.raises(InvalidValue):
        world.move(5, key, to=Handle("t", "s", Bounds()))
    assert world.calls == []


@KEYS
@pytest.mark.parametrize("missing", ["s", "t"])
def test_a_counter_that_is_not_there_is_named(key, missing):
    world = World()
    world.made("t" if missing == "s" else "s")
    with pytest.raises(CounterNotFound) as error:
        world.move(5, key)
    assert f"'{missing}'" in str(error.value)
    assert BORROW not in world.calls


@KEYS
@pytest.mark.parametrize(("amount", "name", "value"), [(51, "s", 50), (50, None, 0), (49, None, 0)])
def test_a_source_gives_all_that_it_has_and_no_more(world, key, amount, name, value):
    if name is None:
        world.move(amount, key)
        assert world.both() == (50 - amount, 20 + amount)
        return
    with pytest.raises(CounterLimitExceeded) as full:
        world.move(amount, key)
    assert (full.value.name, full.value.value, full.value.floor) == (name, value, 0)
    assert world.both() == (50, 20)


@KEYS
def test_a_target_that_has_no_room_is_named(world, key):
    world.made("t", value=97)
    with pytest.raises(CounterLimitExceeded) as full:
        world.move(3, key)
    assert (full.value.name, full.value.value, full.value.ceiling) == ("t", 97, 99)
    assert world.both() == (50, 97)


@KEYS
def test_a_transfer_that_was_outpaced_looks_again(world, key):
    world.before = {2: lambda: world.set("s", value=number(40), up=number(59), down=number(40))}
    done = world.move(5, key)
    assert done.source.value == 35
    assert world.both() == (35, 25)
    assert world.pauses == 1


# Without a key.


def test_a_transfer_whose_reply_was_lost_is_sent_again_under_its_token(world):
    world.lost_replies = {2}
    assert world.move(5).source.value == 45
    assert world.both() == (45, 25)
    tokens = [params["ClientRequestToken"] for name, params in world.requests if name == BORROW]
    assert len(tokens) == 2
    assert len(set(tokens)) == 1


def test_a_refusal_after_a_lost_reply_leaves_it_open(world):
    reasons = (CancellationReason("ConditionalCheckFailed"), CancellationReason("None"))
    world.instead = {2: LOST, 3: Refused("TransactionCanceledException", reasons=reasons)}
    with pytest.raises(OutcomeUnknown):
        world.move(5)


# With a key.


def test_a_key_moves_once_and_replays(world):
    first = world.move(5, "k")
    again = world.move(5, "k")
    assert (again.source.value, again.source.amount) == (first.source.value, -5)
    assert (again.target.value, again.target.amount) == (first.target.value, 5)
    assert again.replayed
    assert again.source.replayed
    assert again.target.replayed
    assert world.both() == (45, 25)


def test_a_key_of_several_shards_replays_which_were_changed():
    world = World()
    world.made("s", 2)
    world.made("t", 3, 20)
    first = world.move(5, "k", draws=(0.9,))
    again = world.move(5, "k", draws=(0.1,))
    assert (again.source.shard, again.target.shard) == (first.source.shard, first.target.shard)
    assert (again.source.value, again.target.value) == (first.source.value, first.target.value)


def test_a_replay_needs_no_room_and_no_counters(world):
    world.move(5, "k")
    world.set("t", up=number(0))
    assert world.move(5, "k").replayed
    for name in ("s", "t"):
        world.store.perform(
            "DeleteItem", {"TableName": "t", "Key": {"pk": {"S": f"counter#{name}"}}}
        )
    assert world.move(5, "k").replayed


def test_full_is_not_said_of_a_source_that_a_transfer_of_the_same_key_has_emptied():
    world = World()
    world.made("s", value=5)
    world.made("t", value=20)
    world.instead = dict.fromkeys(range(2, 50), LOST)
    with pytest.raises(OutcomeUnknown):
        world.move(5, "k")
    world.instead = {}
    copy = world.store.begin(world.requests[2][1])
    copy.write_one(1)  # of the record, the source and the target
    assert world.both() == (0, 20)
    world.before = {3: copy.commit}
    assert world.move(5, "k").replayed
    assert world.both() == (0, 25)


@pytest.mark.parametrize("room", [0, 79])
@pytest.mark.parametrize("name", ["amount", "source_value", "target_value"])
def test_a_record_that_another_program_has_changed_is_corrupt(world, room, name):
    world.move(5, "k")
    record = {**world.record_of_it(), name: {"S": "x"}}
    world.store.perform("PutItem", {"TableName": "t", "Item": record})
    world.set("t", up=number(room))
    with pytest.raises(CorruptRecord) as corrupt:
        world.move(5, "k")
    assert corrupt.value.attribute == name


def test_another_amount_or_target_under_the_same_key_is_a_mismatch(world):
    world.made("u")
    world.move(5, "k")
    with pytest.raises(IdempotencyMismatch):
        world.move(6, "k")
    with pytest.raises(IdempotencyMismatch):
        world.move(5, "k", to=Handle("t", "u", Bounds()))
    assert world.both() == (45, 25)


def test_a_mismatch_is_told_though_a_copy_is_under_way(world):
    def another():
        twin = World()
        twin.store = world.store
        twin.move(6, "k")

    world.instead, world.before = {2: LOST}, {3: another}
    with pytest.raises(IdempotencyMismatch):
        world.move(5, "k")
    assert world.both() == (44, 26)
    assert world.late(2).reasons


@pytest.mark.parametrize("amount", [5, 56])
def test_a_key_of_an_increment_is_none_of_a_transfer(world, amount):
    world.run(add_once(Handle("t", "s", BOUNDS), 5, once(), budget()))
    with pytest.raises(IdempotencyMismatch):
        world.move(amount, "k")
    assert world.both() == (55, 20)


def test_an_increment_that_is_first_by_a_moment_is_found_by_the_store(world):
    def another():
        twin = World()
        twin.store = world.store
        used = Handle("t", "s", BOUNDS)
        twin.run(add_once(used, 5, once(), budget()))
        twin.run(add_once(used, -5, once("l"), budget()))

    world.before = {2: another}
    with pytest.raises(IdempotencyMismatch):
        world.move(5, "k")
    assert world.both() == (50, 20)
    assert world.calls == [READ_ONE, READ_ONE, BORROW]


def test_a_key_of_a_transfer_is_none_of_an_increment(world):
    used = Handle("t", "s", BOUNDS)
    world.run(add_once(used, 1, once("other"), budget()))
    world.move(5, "k")
    with pytest.raises(IdempotencyMismatch):
        world.run(add_once(used, 5, once(), budget()))
    assert world.both() == (46, 25)


def test_a_transfer_with_a_key_ends_the_era_of_its_home(world):
    era = era_of(world.part("s"))
    world.move(5, "k")
    assert era_of(world.part("s")) != era
    assert world.source.eras == {0: era_of(world.part("s"))}
    assert world.source.eras[0].startswith("1.")


def test_a_record_is_kept_for_as_long_as_keys_are_remembered(world):
    world.move(5, "k")
    assert world.record_of_it()["expires"] == number(3600)


def test_a_key_whose_reply_was_lost_moves_once(world):
    world.lost_replies = {2}
    done = world.move(5, "k")
    assert done.replayed
    assert (done.source.value, done.target.value) == (45, 25)
    assert world.both() == (45, 25)


def test_a_key_whose_request_was_lost_moves_once(world):
    world.instead = {2: LOST}
    assert world.move(5, "k").source.value == 45
    assert world.both() == (45, 25)


def test_full_is_said_only_when_no_late_copy_can_make_it_untrue(world):
    world.instead = {2: LOST}
    world.before = {3: lambda: world.set("t", up=number(0))}
    with pytest.raises(CounterLimitExceeded):
        world.move(5, "k")
    world.set("t", up=number(79))
    assert world.late(2).reasons
    assert world.both() == (50, 20)


@pytest.mark.parametrize(
    ("fault", "error"), [(NoReply("no"), OutcomeUnknown), (NotSent("no"), ServiceUnavailable)]
)
@KEYS
def test_what_is_not_answered_is_unknown_and_what_was_not_sent_is_not(world, key, fault, error):
    world.instead = dict.fromkeys(range(2, 50), fault)
    with pytest.raises(error):
        world.move(5, key)


def test_a_copy_that_lands_before_its_era_is_ended_is_what_was_done(world):
    def lands_late():
        world.set("t", up=number(79))
        world.store.perform(*world.requests[2])

    # The transfer, its repetition, which finds no room, the end of the era; then a look.
    world.before = {3: lambda: world.set("t", up=number(0)), 4: lands_late}
    world.instead = {2: LOST, **dict.fromkeys(range(6, 50), NotSent("no"))}
    assert world.move(5, "k").replayed
    assert world.both() == (45, 25)


def test_a_fence_that_fails_leaves_a_copy_in_doubt(world):
    world.before = {3: lambda: world.set("t", up=number(0))}
    world.instead = {2: LOST, **dict.fromkeys(range(4, 50), NotSent("no"))}
    with pytest.raises(OutcomeUnknown):
        world.move(5, "k")


def test_a_source_whose_eras_have_not_begun_is_settled_first(world):
    item = {name: value for name, value in world.part("s").items() if name != "era"}
    world.store.perform("PutItem", {"TableName": "t", "Item": item})
    assert world.move(5, "k").source.value == 45
    assert ledger.entries(world.part("s")) == []
    assert era_of(world.part("s")) is not None
    assert world.pauses == 0


USES = {
    "nothing": None,
    "a read": lambda used: value(used, budget()),
    "an increment without a key": lambda used: add(used, 1, budget()),
    "an increment with another key": lambda used: add_once(used, 1, once("other"), budget()),
}


def laid_out(shards):
    world = World()
    world.made("s", shards)
    world.made("t", value=20)
    return world


@pytest.mark.parametrize("shards", [1, 2])
@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_a_transfer_that_shows_nothing_but_its_end_of_an_era_has_used_its_key(use, shards):
    world, twin = laid_out(shards), laid_out(shards)
    twin.move(5, "k")
    commit = world.store.begin(twin.requests[-1][1])
    commit.write_one(1)  # the home of the key; its record is written last
    used = Handle("t", "s", Bounds())
    if use is not None:
        world.run(use(used))
    world.before = {2 if use is None else 1: commit.commit}
    with pytest.raises(IdempotencyMismatch):
        world.run(add_once(used, -5, once(), budget()))
