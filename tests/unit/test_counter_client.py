"""What a counter client makes of its arguments: which are taken, and what is done with them."""

from datetime import timedelta

import pytest

from interlock._protocol.counters import client as arguments
from interlock._protocol.counters.bounds import LARGEST, Bounds
from interlock._protocol.counters.client import (
    KEEP,
    MAX_HANDLES,
    REMEMBERED,
    TIMEOUT,
    CounterOperations,
    checked_amount,
    checked_page,
    checked_shards,
    checked_state,
)
from interlock._protocol.counters.layout import integer
from interlock._protocol.counters.ledger import Once
from interlock._protocol.counters.reading import CounterState
from interlock.errors import (
    CounterChanged,
    CounterMismatch,
    IdempotencyMismatch,
    InvalidCounterName,
    InvalidValue,
)
from tests.unit.test_counter_adding import BORROW, READ_ONE, WRITE
from tests.unit.test_counter_settling import World

BATCH = "BatchGetItem"
DECOMPOSED, COMPOSED = "e\u0301", "\u00e9"


@pytest.fixture
def world():
    return World()


@pytest.fixture
def client():
    return CounterOperations("t", timedelta(seconds=5), timedelta(hours=1))


@pytest.fixture
def counter(client):
    return client.handle("c", 0, 99, None)


def state(value=50, floor=0, ceiling=99, shards=1):
    return CounterState("c", value, floor, ceiling, shards)


# What is known of counters.


def test_a_counter_is_what_it_was_declared(client):
    known = client.handle("c", 3, 9, 4)
    assert (known.table, known.name, known.bounds) == ("t", "c", Bounds(3, 9))
    assert (known.declared_shards, known.shards) == (4, None)


def test_what_is_learned_of_a_counter_is_that_of_each_who_declares_it_alike(client):
    known = client.handle("c", 0, 9, 2)
    assert client.handle("c", 0, 9, 2) is known
    others = [("d", 0, 9, 2), ("c", 1, 9, 2), ("c", 0, 8, 2), ("c", 0, 9, 3), ("c", 0, 9, None)]
    assert all(client.handle(*other) is not known for other in others)


def test_the_spellings_of_a_name_are_one_counter(client, world):
    """As the first version did not have it: by the bytes of each, it had several."""
    known = client.handle(DECOMPOSED, None, None, None)
    assert known.name == COMPOSED
    assert client.handle(COMPOSED, None, None, None) is known
    for name in (DECOMPOSED, "b"):
        world.run(client.add(client.handle(name, None, None, None), 5, None))
    other = CounterOperations("t", TIMEOUT, REMEMBERED)
    moved = world.run(other.transfer("b", DECOMPOSED, 2, None))
    assert (moved.source.value, moved.target.value) == (3, 7)


def test_what_is_known_of_many_counters_is_dropped_at_last(client):
    known = client.handle("c", None, None, None)
    for number in range(MAX_HANDLES + 1):
        client.handle(str(number), None, None, None)
    assert client.handle("c", None, None, None) is not known


def test_a_client_has_a_time_for_each_operation_and_for_keys(client):
    assert (client.table, client.timeout, client.remembered) == ("t", 5.0, 3600.0)
    assert timedelta(seconds=5) == arguments.TIMEOUT
    assert timedelta(days=1) == arguments.REMEMBERED


def test_a_key_is_remembered_for_the_clients_time(client):
    assert client.once("k") == Once("k", 3600.0)
    assert client.once(None) is None


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (("", TIMEOUT, REMEMBERED), "table"),
        (("t", 5, REMEMBERED), "timeout"),
        (("t", timedelta(), REMEMBERED), "timeout"),
        (("t", TIMEOUT, 5), "remember_keys_for"),
        (("t", TIMEOUT, timedelta()), "remember_keys_for"),
    ],
)
def test_what_a_client_cannot_be_made_of_is_refused_by_its_name(arguments, wrong):
    with pytest.raises(InvalidValue) as refused:
        CounterOperations(*arguments)
    assert refused.value.path == wrong


# Until when an operation goes on.


@pytest.mark.parametrize("within", [None, 2.0, 60.0])
@pytest.mark.parametrize(
    "call",
    [
        lambda client, counter, within: client.add(counter, 1, None, within=within),
        lambda client, counter, within: client.add(counter, 1, "k", within=within),
        lambda client, counter, within: client.get(counter, consistent=True, within=within),
        lambda client, counter, within: client.get(counter, consistent=False, within=within),
    ],
)
def test_an_operation_takes_the_clients_time_or_less(world, client, counter, call, within):
    world.lay_out()
    world.run(call(client, counter, within))
    assert set(world.deadlines) == {2.0 if within == 2.0 else 5.0}


@pytest.mark.parametrize(
    "call",
    [
        lambda client, counter: client.inspect(counter),
        lambda client, counter: client.create(counter),
        lambda client, counter: client.configure(counter, 0, 98, 2),
        lambda client, counter: client.configure(counter, KEEP, KEEP, 2),
        lambda client, counter: client.reset(counter, 3),
        lambda client, counter: client.delete(counter),
        lambda client, _: client.page("", 10, None),
        lambda client, _: client.states("", 10, None),
    ],
)
def test_what_takes_no_time_of_its_own_takes_the_clients(world, client, counter, call):
    world.lay_out()
    world.run(call(client, counter))
    assert set(world.deadlines) == {5.0}


# Adding and reading.


@pytest.mark.parametrize("expected", [None, state()], ids=["always", "expected"])
@pytest.mark.parametrize("key", [None, "k"])
def test_an_amount_is_added_once_for_its_key_while_the_counter_is_as_expected(
    world, client, counter, key, expected
):
    world.lay_out()
    assert world.run(client.add(counter, 3, key, expected)).value == 53
    assert world.calls[-1] == (WRITE if expected is None else BORROW)
    with pytest.raises(IdempotencyMismatch if key else CounterChanged):
        world.run(client.add(counter, 4, key, state()))


@pytest.mark.parametrize(
    ("options", "call"),
    [({"consistent": True}, READ_ONE), ({"consistent": False}, BATCH)],
)
def test_a_value_is_as_of_one_instant_or_for_less(world, client, counter, options, call):
    world.lay_out()
    assert world.run(client.get(counter, **options)) == 50
    assert world.calls == [call]


def test_a_value_is_compared_with_the_declaration_if_that_is_asked_for(world, client):
    world.lay_out()
    other = client.handle("c", 0, 98, None)
    assert world.run(client.get(other, consistent=True)) == 50
    with pytest.raises(CounterMismatch):
        world.run(client.get(other, consistent=True, as_declared=True))


def test_a_counter_is_made_as_declared_and_tells_what_it_is(world, client):
    known = client.handle("c", 3, 9, 2)
    assert world.run(client.inspect(known)) is None
    assert world.run(client.create(known)) is True
    assert world.run(client.inspect(known)) == state(3, 3, 9, 2)


def test_a_counter_has_as_many_shards_as_one_transaction_reads_and_no_more(world, client):
    most = client.handle("c", None, None, 64)
    assert world.run(client.create(most)) is True
    assert world.run(client.get(most, consistent=True)) == 0
    with pytest.raises(InvalidValue):
        client.configure(most, None, None, 65)


# Changing.


@pytest.mark.parametrize(
    ("asked", "after"),
    [
        ((KEEP, KEEP, KEEP), state()),
        ((-1, KEEP, KEEP), state(floor=-1)),
        ((None, KEEP, KEEP), state(floor=None)),
        ((KEEP, 98, KEEP), state(ceiling=98)),
        ((KEEP, None, KEEP), state(ceiling=None)),
        ((KEEP, KEEP, 3), state(shards=3)),
        ((-1, 98, 3), state(floor=-1, ceiling=98, shards=3)),
    ],
    ids=str,
)
def test_what_is_not_given_stays_as_it_is(world, client, asked, after):
    """Whatever was declared."""
    world.lay_out()
    known = client.handle("c", -7, 77, 7)
    assert world.run(client.configure(known, *asked)) is False
    assert world.run(client.inspect(known)) == after


@pytest.mark.parametrize(
    ("declared", "asked", "after"),
    [
        ((-7, 77, 2), (KEEP, KEEP, KEEP), state(0, -7, 77, 2)),
        ((-7, 77, None), (KEEP, KEEP, KEEP), state(0, -7, 77, 1)),
        ((-7, 77, 2), (None, 5, 3), state(0, None, 5, 3)),
        ((-7, 77, 2), (KEEP, 5, KEEP), state(0, -7, 5, 2)),
    ],
    ids=str,
)
def test_a_counter_that_is_not_there_is_made_as_it_was_declared(
    world, client, declared, asked, after
):
    known = client.handle("c", *declared)
    assert world.run(client.configure(known, *asked)) is True
    assert world.run(client.inspect(known)) == after


def test_what_is_given_whole_is_not_looked_up_first(world, client, counter):
    world.lay_out()
    world.run(client.configure(counter, 0, 99, 1))
    assert world.calls == [READ_ONE]


@pytest.mark.parametrize("to", [None, 7])
def test_a_value_is_set(world, client, counter, to):
    world.lay_out()
    assert world.run(client.reset(counter, to)) == (to or 0)
    assert integer(world.item(), "value") == (to or 0)


def test_a_counter_is_deleted(world, client, counter):
    world.lay_out()
    assert world.run(client.delete(counter)) is True
    assert world.item() is None


@pytest.mark.parametrize(
    "change",
    [
        lambda client, counter, expected: client.configure(counter, 0, 98, 1, expected),
        lambda client, counter, expected: client.reset(counter, 3, expected),
        lambda client, counter, expected: client.delete(counter, expected),
        lambda client, counter, expected: client.add(counter, 3, None, expected),
        lambda client, counter, expected: client.add(counter, 3, "k", expected),
    ],
)
def test_a_counter_is_changed_only_while_it_is_as_expected(world, client, counter, change):
    world.lay_out()
    with pytest.raises(CounterChanged):
        world.run(change(client, counter, state(51)))
    with pytest.raises(InvalidValue, match="inspect"):
        world.run(change(client, counter, 51))
    assert integer(world.item(), "value") == 50
    world.run(change(client, counter, state(50)))


def test_an_amount_is_moved_once_for_its_key(world, client):
    for name in ("a", "b"):
        world.run(client.add(client.handle(name, None, None, None), 9, None))
    for replayed in (False, True):
        moved = world.run(client.transfer("a", "b", 4, "k"))
        assert (moved.source.value, moved.target.value, moved.replayed) == (5, 13, replayed)
    assert set(world.deadlines) == {5.0}


# Lists.


def test_lists_are_of_the_clients_table_by_page(world, client):
    for name in ("a", "b/1", "b/2"):
        world.run(client.add(client.handle(name, None, None, None), 1, None))
    assert world.run(client.page("b/", 1, None)) == (["b/1"], "b/1")
    assert world.run(client.page("b/", 1000, "b/1")) == (["b/2"], None)
    (found,), last = world.run(client.states("b/", 100, "b/1"))
    assert (found.name, found.value, last) == ("b/2", 1, None)


# What is refused.


@pytest.mark.parametrize(
    ("call", "wrong"),
    [
        (lambda client, _: client.handle("c", 1.5, None, None), "floor"),
        (lambda client, _: client.handle("c", None, "9", None), "ceiling"),
        (lambda client, _: client.handle("c", None, None, 0), "shards"),
        (lambda client, _: client.handle("c", None, None, 65), "shards"),
        (lambda client, counter: client.add(counter, 1, ""), "idempotency_key"),
        (lambda client, counter: client.add(counter, 1, "x" * 513), "idempotency_key"),
        (lambda client, counter: client.configure(counter, 1.5, None, 1), "floor"),
        (lambda client, counter: client.configure(counter, None, LARGEST + 1, 1), "ceiling"),
        (lambda client, counter: client.configure(counter, None, None, 65), "shards"),
        (lambda client, counter: client.configure(counter, KEEP, KEEP, None), "shards"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_runs(client, counter, call, wrong):
    with pytest.raises(InvalidValue) as refused:
        call(client, counter)
    assert refused.value.path == wrong


@pytest.mark.parametrize(
    ("call", "wrong"),
    [
        (lambda client, counter: client.reset(counter, 1.5), "to"),
        (lambda client, _: client.transfer("a", "b", 0, None), "amount"),
        (lambda client, _: client.transfer("a", "b", 1, ""), "idempotency_key"),
        (lambda client, _: client.transfer("a", "a", 1, None), "target"),
        (lambda client, _: client.transfer(DECOMPOSED, COMPOSED, 1, None), "target"),
        (lambda client, _: client.page(5, 10, None), "prefix"),
        (lambda client, _: client.page("", 0, None), "limit"),
        (lambda client, _: client.page("", 1001, None), "limit"),
        (lambda client, _: client.page("", 10, 5), "after"),
        (lambda client, _: client.states(5, 10, None), "prefix"),
        (lambda client, _: client.states("", 101, None), "limit"),
        (lambda client, _: client.states("", 10, 5), "after"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_a_call(world, client, counter, call, wrong):
    with pytest.raises(InvalidValue) as refused:
        world.run(call(client, counter))
    assert refused.value.path == wrong
    assert world.calls == []


def test_a_counter_has_a_name(client):
    with pytest.raises(InvalidCounterName):
        client.handle("a#1", None, None, None)


@pytest.mark.parametrize(
    ("check", "taken", "refused"),
    [
        (checked_amount, [1, LARGEST], [0, -1, LARGEST + 1, 1.0, True, None]),
        (checked_shards, [1, 64], [0, 65, 1.0, True, None]),
        (checked_state, [None, state()], [50, "c", CounterState]),
        (lambda limit: checked_page("", limit, None, 7), [1, 7], [0, 8, 1.0, True, None]),
        (lambda prefix: checked_page(prefix, 1, None, 7), ["", "c"], [None, 5, b"c"]),
        (lambda after: checked_page("", 1, after, 7), [None, "c"], [5, b"c"]),
    ],
)
def test_values_are_taken_up_to_their_limits(check, taken, refused):
    for value in taken:
        check(value)
    for value in refused:
        with pytest.raises(InvalidValue):
            check(value)
