"""Items that a transaction names are read by one call, before its function and with its key."""

import pytest

from interlock._protocol.layout import DEFAULT, TableLayout, looked_for
from interlock.errors import (
    CorruptRecord,
    IdempotencyMismatch,
    InvalidValue,
    RequestRefused,
    TableUnfit,
    TransactionTooLarge,
)
from interlock.testing._store.store import Store
from interlock.testing._store.tables import Table
from tests.unit.transactions.steps import A, B, C, World, once
from tests.unit.transactions.wire import put

TOGETHER, READ, ALL = "TransactGetItems", "GetItem", "TransactWriteItems"


def move(t):
    """Move one from an item to another, both of which are read."""
    have, gets = t.get(A)["n"], t.get(B)["n"]
    t.put(A, n=have - 1)
    t.put(B, n=gets + 1)
    return have


@pytest.fixture
def accounts(world):
    world.write(A, n=5)
    world.write(B, n=0)
    return world


def asked(world, number=0):
    """Return the keys of the items that a call asks for."""
    _, params = world.driver.calls[number]
    return [get["Get"]["Key"]["pk"]["S"] for get in params["TransactItems"]]


def test_with_its_key_a_transaction_takes_two_calls(accounts):
    assert accounts.run(move, once(), [A, B]).value == 5
    assert accounts.calls == [TOGETHER, ALL]
    assert asked(accounts) == ["once#op#k", "a", "b"]
    assert (accounts.n(A), accounts.n(B)) == (4, 1)


def test_a_replay_takes_one_and_does_not_run_the_function(accounts):
    accounts.run(move, once(), [A, B])
    again = accounts.run(move, once(), [A, B])
    assert (again.value, again.replayed) == (5, True)
    assert (accounts.calls, accounts.runs) == ([TOGETHER], 0)


def test_records_of_both_formats_are_read_by_the_same_call(accounts):
    both = once(unscoped=True)
    accounts.run(move, both, [A, B])
    assert asked(accounts) == ["once#op#k", "once#k", "a", "b"]
    (older,) = [row for row in accounts.rows() if row["pk"]["S"] == "once#k"]
    earlier = World()
    earlier.put_row(older)
    assert earlier.run(move, both, [A, B]).replayed
    assert earlier.calls == [TOGETHER]


def test_another_payload_under_the_key_is_a_mismatch(accounts):
    accounts.run(move, once(payload=1), [A, B])
    with pytest.raises(IdempotencyMismatch):
        accounts.run(move, once(payload=2), [A, B])
    assert accounts.calls == [TOGETHER]


def test_a_record_that_says_nothing_decides_nothing(accounts):
    accounts.put_row({"pk": {"S": "once#op#k"}, "expires": {"S": "soon"}})
    with pytest.raises(CorruptRecord):
        accounts.run(move, once(), [A, B])
    assert accounts.n(A) == 5


def test_without_a_key_items_are_read_ahead_too(accounts):
    accounts.run(move, reads=[A, B])
    assert accounts.calls == [TOGETHER, ALL]
    assert asked(accounts) == ["a", "b"]


def test_what_is_read_by_one_call_alone_is_not_verified(accounts):
    def total(t):
        return t.get(A)["n"] + t.get(B)["n"]

    assert accounts.run(total, reads=[A, B]).value == 5
    assert accounts.calls == [TOGETHER]


def test_what_was_not_named_is_read_as_ever_and_then_all_is_verified(accounts):
    def total(t):
        return t.get(A)["n"] + t.get(B)["n"]

    assert accounts.run(total, reads=[A]).value == 5
    assert accounts.calls == [TOGETHER, READ, TOGETHER]


def test_what_is_not_there_is_known_not_to_be(accounts):
    assert accounts.run(lambda t: t.get(C), reads=[C]).value is None
    assert accounts.calls == [TOGETHER]


def test_several_that_were_all_named_are_not_read_again(accounts):
    found = accounts.run(lambda t: t.get_many(A, B), reads=[A, B, C]).value
    assert found == [{"pk": "a", "n": 5}, {"pk": "b", "n": 0}]
    assert accounts.calls == [TOGETHER]


def test_several_that_are_all_that_was_named_are_not_read_again(accounts):
    accounts.run(lambda t: t.get_many(A, B), reads=[A, B])
    assert accounts.calls == [TOGETHER]


def test_several_of_which_one_was_not_named_are_read_at_one_instant(accounts):
    accounts.run(lambda t: t.get_many(A, B), reads=[A])
    assert accounts.calls == [TOGETHER, TOGETHER]
    assert asked(accounts, 1) == ["a", "b"]


def test_own_writes_are_seen_over_what_was_read_ahead(accounts):
    def twice(t):
        t.add(A, n=1)
        return t.get(A)["n"]

    assert accounts.run(twice, reads=[A]).value == 6


def test_an_item_that_changed_meanwhile_makes_the_function_run_again(accounts):
    def slow(t):
        if accounts.runs == 1:
            accounts.write(A, n=50)
        return move(t)

    assert accounts.run(slow, once(), [A, B]).value == 50
    assert accounts.runs == 2
    assert (accounts.n(A), accounts.n(B)) == (49, 1)


def test_an_item_that_is_read_and_never_used_demands_nothing(accounts):
    def add(t):
        accounts.write(B, n=9)
        t.put(A, n=t.get(A)["n"] + 1)

    accounts.run(add, reads=[A, B])
    assert accounts.calls == [TOGETHER, "PutItem"]
    assert accounts.runs == 1


@pytest.mark.parametrize("layout", [DEFAULT, TableLayout(partition_key="name")])
def test_a_table_without_the_key_of_its_layout_is_told_as_such(world, layout):
    world.driver.store = Store(Table("t"), Table("coordination", partition_key="id"))
    with pytest.raises(TableUnfit) as unfit:
        world.run(move, once(layout=layout), [A, B])
    assert looked_for(layout) in unfit.value.problems
    assert world.runs == 0


def test_a_table_of_items_with_another_key_is_not_told_as_that_of_the_records(world):
    world.driver.store = Store(Table("t", partition_key="id"), Table("coordination"))
    with pytest.raises(RequestRefused) as refused:
        world.run(move, once(), [A, B])
    assert "coordination" not in str(refused.value)


@pytest.fixture
def pair(tx, wire):
    put(tx, A, n=5)
    put(tx, B, n=0)
    wire.sent.clear()
    return tx


def step(t, *_args, **_options):
    t.update("t", A, add={"n": 1})


class TestClients:
    def test_run_takes_tables_and_keys(self, pair, wire):
        pair.run(step, idempotency_key="k", reads=[("t", A), ("t", B), ("t", A)])
        assert wire.methods() == ["transact_get_items", "transact_write_items"]

    def test_a_decorated_function_names_them_by_its_arguments(self, pair, wire):
        def reads(source, *, request_id):
            assert request_id
            return [("t", {"pk": source})]

        def take(t, source, *, request_id):  # noqa: ARG001 - it is the wrapper's
            t.update("t", {"pk": source}, add={"n": -1})

        made = pair.transactional(idempotency_key="request_id", reads=reads)(take)
        made("a", request_id="r1")
        assert wire.methods() == ["transact_get_items", "transact_write_items"]

    @pytest.mark.parametrize("reads", ["t", [("t",)], [A], {"t": A}, 7, None])
    def test_what_names_no_items_is_refused_before_anything_is_sent(self, pair, wire, reads):
        with pytest.raises(InvalidValue, match="reads"):
            pair.run(step, reads=reads)
        assert wire.methods() == []

    def test_more_than_98_are_refused_before_anything_is_sent(self, pair, wire):
        with pytest.raises(TransactionTooLarge, match=r"99 items.*98"):
            pair.run(step, reads=[("t", {"pk": str(number)}) for number in range(99)])
        assert wire.methods() == []

    def test_what_is_no_function_is_refused_where_it_is_decorated(self, pair):
        with pytest.raises(InvalidValue, match="reads"):
            pair.transactional(reads=[("t", A)])(step)
