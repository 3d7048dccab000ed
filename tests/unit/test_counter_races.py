"""Changes with a key while others sweep, lend, lay out and delete: each counts once."""

import pytest

from interlock._protocol.counters.bounds import Bounds
from interlock._protocol.counters.configuring import configure
from interlock._protocol.counters.keyed import add_once
from interlock._protocol.counters.layout import integer, number
from interlock._protocol.counters.reading import examined
from interlock._protocol.faults import Refused
from interlock.errors import (
    CorruptRecord,
    CounterChanged,
    CounterLimitExceeded,
    CounterMismatch,
    RequestRefused,
    TransactionConflict,
)
from tests.unit.test_counter_adding import BORROW, FAILED, READ_ALL, READ_ONE, WRITE, budget, handle
from tests.unit.test_counter_keyed import World, known, once
from tests.unit.test_counter_keyed_expecting import expected as as_expected

SHARDS = 3


@pytest.fixture
def world():
    return World()


def key_of(home, shards=SHARDS):
    """Return a key whose changes are written to this shard."""
    return next(f"k{i}" for i in range(1000) if once(f"k{i}").home(shards) == home)


def lacking(world, home):
    """Lay out a counter in which this shard has no room, and the others have."""
    return known(world, SHARDS, up=[1 if index == home else 4 for index in range(SHARDS)])


def twin(world):
    other = World()
    other.store = world.store
    return other


HOMES = pytest.mark.parametrize("home", range(SHARDS))


# Eras that others end.


LOOK_FIRST, TRUST = [READ_ONE, READ_ALL, WRITE], [READ_ALL, WRITE]
BY_REFUSAL = [*TRUST, READ_ALL, WRITE]


def test_an_era_that_another_has_ended_is_told_by_the_refusal_and_looked_at_once(world):
    used = known(world)
    world.change(0, era={"S": "1.f"})
    world.add(1, used, "a")
    assert world.calls == BY_REFUSAL
    world.add(1, used, "b")
    assert world.calls == LOOK_FIRST
    world.add(1, used, "c")
    assert world.calls == TRUST
    assert world.values(1) == [53]


def test_where_others_end_each_era_no_write_is_refused_but_the_first(world):
    used = known(world)
    for turn in range(4):
        world.change(0, era={"S": f"1.{turn}"})
        world.add(1, used, f"k{turn}")
        assert world.calls == (LOOK_FIRST if turn else BY_REFUSAL)
    assert world.values(1) == [54]


def test_a_writer_whose_era_others_end_each_time_gives_up_in_the_end(world):
    used = known(world)
    eras = iter(range(1000))
    world.before = {
        position: lambda: world.change(0, era={"S": f"1.{next(eras)}"})
        for position in range(1, 200)
    }
    with pytest.raises(TransactionConflict):
        world.add(1, used, "a")
    assert world.values(1) == [50]


def test_what_a_refusal_told_is_good_for_the_next_attempt_alone(world):
    used = known(world)
    world.change(0, era={"S": "1.f"})
    world.instead = {3: Refused(FAILED.code, item={**world.item(0), "era": {"S": "1.f"}})}
    assert world.add(1, used, "a").value == 51
    assert world.calls == BY_REFUSAL + LOOK_FIRST


def test_eras_that_others_end_faster_than_this_client_writes_are_looked_at_first(world):
    used = known(world)
    world.change(0, era={"S": "1.f"})
    world.before = {2: lambda: world.change(0, era={"S": "1.g"})}
    world.add(1, used, "a")
    world.before = {}
    world.add(1, used, "b")
    assert world.calls == LOOK_FIRST
    world.add(1, used, "c")
    assert world.calls == TRUST
    assert world.values(1) == [53]


def test_a_key_that_the_ledger_has_is_known_by_one_look(world):
    world.lay_out()
    twin(world).add(3)
    used = handle(shards=1)
    assert world.add(3, used).replayed
    assert world.calls == [READ_ONE]


@HOMES
def test_a_home_that_is_not_there_is_looked_for_and_its_counter_made_anew(world, home):
    used = handle(shards=SHARDS, declared_shards=SHARDS)
    assert world.add(3, used, key_of(home)).value == 3
    assert (sum(world.values(SHARDS)), world.pauses) == (3, 1)


@HOMES
def test_a_home_whose_layout_went_is_looked_for_under_the_new_one(world, home):
    used = known(world, SHARDS)
    other = twin(world)
    other.run(configure(handle(), Bounds(0, 99), 2, budget()))
    change = world.add(3, used, key_of(home))
    assert change.shard == once(key_of(home)).home(2)
    assert sum(world.values(2)) == 53
    assert used.shards == 2


# Refusals that are no bound.


@HOMES
@pytest.mark.parametrize("room", [3, 4])
def test_a_home_that_has_room_again_is_written_to_after_a_pause(world, home, room):
    used = known(world, SHARDS, up=[room] * SHARDS)
    world.instead = {1: Refused(FAILED.code, item=world.item(home))}
    change = world.add(3, used, key_of(home))
    assert (change.shard, change.replayed) == (home, False)
    assert BORROW not in world.calls
    assert world.pauses == 1


@HOMES
def test_a_full_home_is_compared_with_the_declaration_by_the_header_alone(world, home):
    world.lay_out(SHARDS, up=[0] * SHARDS)
    used = handle(Bounds(0, 98), shards=SHARDS)
    used.eras = dict.fromkeys(range(SHARDS), f"{SHARDS}.e")
    with pytest.raises(CounterMismatch):
        world.add(3, used, key_of(home))
    assert world.calls == ([READ_ALL, WRITE] if home == 0 else [READ_ALL, WRITE, READ_ALL])


@pytest.mark.parametrize("corrupt", [False, True])
def test_what_the_service_does_not_take_is_told_after_a_look_for_what_is_corrupt(world, corrupt):
    used = known(world)
    world.instead = {1: Refused("ValidationException", "no")}
    if corrupt:
        world.before = {1: lambda: world.change(0, value={"S": "x"})}
    time = budget()
    with pytest.raises(CorruptRecord if corrupt else RequestRefused):
        world.run(examined(add_once(used, 3, once(), time), time, used))


# Loans.


@HOMES
def test_a_loan_is_entered_in_the_ledger_of_its_home(world, home):
    used = lacking(world, home)
    change = world.add(5, used, key_of(home))
    assert (change.shard, change.value) == (home, integer(world.item(home), "value"))
    again = world.add(5, handle(), key_of(home))
    assert (again.replayed, again.value, again.shard) == (True, change.value, home)


@HOMES
def test_a_key_that_was_entered_before_the_look_at_all_is_replayed(world, home):
    used, key = lacking(world, home), key_of(home)
    world.before = {2: lambda: twin(world).add(5, handle(), key)}
    assert world.add(5, used, key).replayed
    assert world.calls == [READ_ALL, WRITE, READ_ALL]
    assert sum(world.values(SHARDS)) == 55


@HOMES
def test_a_lender_that_has_lent_to_another_meanwhile_is_looked_at_again(world, home):
    used = lacking(world, home)
    others = [index for index in range(SHARDS) if index != home]

    def lend():
        for index in others:
            world.change(index, up=number(0), down=number(40))

    world.before = {3: lend}
    with pytest.raises(CounterLimitExceeded) as full:
        world.add(5, used, key_of(home))
    assert (full.value.value, world.pauses) == (50, 1)
    assert sum(world.values(SHARDS)) == 50


@HOMES
def test_a_counter_that_goes_before_the_look_at_all_is_made_anew(world, home):
    used = lacking(world, home)
    world.before = {2: lambda: world.delete(SHARDS)}
    assert world.add(5, used, key_of(home)).value == 5
    assert world.values(1) == [5]


@HOMES
def test_a_layout_that_changes_before_the_look_at_all_is_followed(world, home):
    used = lacking(world, home)

    def lay_out_anew():
        twin(world).run(configure(handle(), Bounds(0, 99), 1, budget()))

    world.before = {2: lay_out_anew}
    assert world.add(5, used, key_of(home)).value == 55
    assert world.values(1) == [55]


@HOMES
def test_an_era_that_ends_before_the_look_at_all_is_followed(world, home):
    used = lacking(world, home)
    world.before = {2: lambda: world.change(home, era={"S": f"{SHARDS}.f"})}
    change = world.add(5, used, key_of(home))
    assert (change.shard, change.replayed) == (home, False)
    assert sum(world.values(SHARDS)) == 55


@HOMES
def test_a_declaration_is_compared_when_all_is_looked_at(world, home):
    used = lacking(world, home)
    used.bounds = Bounds(0, 99)
    world.before = {2: lambda: world.change(0, ceiling=number(98))}
    with pytest.raises(CounterMismatch):
        world.add(5, used, key_of(home))
    assert sum(world.values(SHARDS)) == 50


@HOMES
def test_a_counter_is_compared_with_what_is_expected_in_the_write_itself(world, home):
    used = known(world, SHARDS)
    other = (home + 1) % SHARDS
    state = as_expected(shards=SHARDS)
    more = number(integer(world.item(other), "value") + 1)
    world.before = {2: lambda: world.change(other, value=more)}
    operation = add_once(used, 3, once(key_of(home)), budget(), state)
    with pytest.raises(CounterChanged):
        world.run(operation)
    assert sum(world.values(SHARDS)) == 51
