"""The store in memory: what users' tests do with it, on both halves."""

from datetime import timedelta
from typing import Any, cast

import pytest

from interlock import CounterClient, LockClient, TransactionClient
from interlock._protocol.faults import Refused
from interlock.aio.counters import CounterClient as AioCounterClient
from interlock.errors import (
    AccessDenied,
    InvalidValue,
    LockTimeout,
    OutcomeUnknown,
    RequestRefused,
    ServiceUnavailable,
    TableNotFound,
    Throttled,
    TransactionConflict,
)
from interlock.testing import FakeClock, MemoryStore, SystemClock, Table
from interlock.testing._store.parsing import reserved_words
from interlock.testing._store.store import Store

pytest_plugins = ["interlock.testing.fixtures"]

A = {"pk": "a"}


@pytest.fixture
def store():
    return MemoryStore("coordination", Table("orders", "id"))


@pytest.fixture
def transactions(store):
    return TransactionClient("coordination", client=store.client())


def test_clients_of_one_store_see_each_others_writes(store):
    for _ in range(2):
        CounterClient("coordination", client=store.client()).counter("visits").increment()
    assert store.get("coordination", {"pk": "counter#visits"})["value"] == 2


async def test_awaitable_clients_share_the_store_with_blocking_ones(store):
    CounterClient("coordination", client=store.client()).counter("visits").increment()
    visits = AioCounterClient("coordination", client=store.aio_client()).counter("visits")
    assert (await visits.increment()).value == 2


def test_other_tables_take_part_in_transactions(store, transactions):
    store.put("orders", {"id": "1", "state": "new"})

    def ship(tx):
        order = tx.get("orders", {"id": "1"})
        tx.update("orders", {"id": "1"}, {"was": order["state"], "state": "shipped"})

    transactions.run(ship)
    order = store.get("orders", {"id": "1"})
    assert (order["was"], order["state"]) == ("new", "shipped")
    store.delete("orders", {"id": "1"})
    assert store.get("orders", {"id": "1"}) is None


def test_a_lost_reply_was_carried_out(store):
    visits = CounterClient("coordination", client=store.client()).counter("visits")
    visits.increment()
    store.lose_reply("UpdateItem")
    with pytest.raises(OutcomeUnknown):
        visits.increment()
    assert visits.get() == 2


def test_a_lost_request_was_not(store):
    visits = CounterClient("coordination", client=store.client()).counter("visits")
    visits.increment()
    store.lose_request("UpdateItem")
    with pytest.raises(OutcomeUnknown):
        visits.increment()
    assert visits.get() == 1


@pytest.mark.parametrize(
    ("plan", "error"),
    [
        (lambda store: store.disconnect(times=1000), ServiceUnavailable),
        (lambda store: store.throttle(times=1000), Throttled),
        (lambda store: store.conflict(times=1000), TransactionConflict),
        (lambda store: store.refuse("AccessDeniedException"), AccessDenied),
    ],
    ids=["no connection", "throttled", "conflicts", "denied"],
)
def test_faults_that_last_become_the_librarys_errors_without_waiting(
    store, transactions, plan, error
):
    began = store.clock.now
    plan(store)
    with pytest.raises(error):
        transactions.run(lambda tx: tx.put("coordination", A, {"n": 1}))
    assert store.get("coordination", A) is None
    assert store.clock.now - began < timedelta(minutes=1)


def test_a_fault_that_passes_is_not_noticed(store, transactions):
    store.throttle()
    store.conflict()
    transactions.run(lambda tx: tx.put("coordination", A, {"n": 1}))
    assert store.get("coordination", A)["n"] == 1


def test_a_rival_writes_right_before_a_call(store, transactions):
    store.put("coordination", {**A, "n": 1, "_version": "x"})
    rival = {**A, "n": 5, "_version": "y"}
    store.before_next(lambda: store.put("coordination", rival), "UpdateItem")

    def add_one(tx):
        tx.update("coordination", A, {"n": tx.get("coordination", A)["n"] + 1})

    transactions.run(add_one)
    assert store.get("coordination", A)["n"] == 6


def test_calls_are_recorded(store, transactions):
    transactions.run(lambda tx: tx.get("coordination", A))
    assert store.calls[0].operation in {"GetItem", "TransactGetItems"}
    assert "coordination" in str(store.calls[0].params)


def test_a_clock_does_not_go_back():
    with pytest.raises(ValueError, match="does not go back"):
        FakeClock().advance(timedelta(seconds=-1))


@pytest.mark.parametrize("times", [0, -1, 1.5, None, "2"])
def test_a_fault_happens_a_whole_number_of_times(store, times):
    with pytest.raises(InvalidValue, match=r"times: .* is not a whole number of at least 1"):
        store.throttle(times=times)


FAULTS = {
    "lose_reply": lambda store, name: store.lose_reply(name),
    "lose_request": lambda store, name: store.lose_request(name),
    "disconnect": lambda store, name: store.disconnect(name),
    "throttle": lambda store, name: store.throttle(name),
    "conflict": lambda store, name: store.conflict(name),
    "refuse": lambda store, name: store.refuse("AccessDeniedException", name),
    "before_next": lambda store, name: store.before_next(lambda: None, name),
}


@pytest.mark.parametrize("plan", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("name", ["UpdatItem", "", 5])
def test_a_fault_of_an_operation_that_does_not_exist_is_refused_with_those_that_do(
    store, plan, name
):
    with pytest.raises(InvalidValue, match=r"operation: .* is none of .*UpdateItem.*Query"):
        plan(store, name)
    for operation in ("GetItem", "TransactWriteItems", None):
        plan(store, operation)


@pytest.mark.parametrize(
    ("given", "parameter"),
    [
        (lambda store: store.clock.advance(5), "by: 5 is not a timedelta; .*seconds=5"),
        (lambda _: FakeClock(cast("Any", 5)), "now: 5"),
        (lambda _: MemoryStore(cast("Any", 3)), "tables: 3"),
        (lambda _: MemoryStore(""), "tables: "),
        (lambda _: MemoryStore("t", clock=cast("Any", 3)), "clock: 3"),
        (lambda store: store.refuse(5), "code: 5"),
        (lambda store: store.before_next(5), "action: 5"),
        (lambda store: store.put("coordination", 5), "item: 5"),
        (lambda store: store.get("coordination", "a"), "key: 'a'"),
        (lambda store: store.delete(5, A), "table: 5"),
    ],
    ids=lambda case: case if isinstance(case, str) else "",
)
def test_what_cannot_be_meant_is_refused_by_its_name(store, given, parameter):
    with pytest.raises(InvalidValue, match=parameter):
        given(store)


ITEMS = {
    "put": lambda store, table, key: store.put(table, key),
    "get": lambda store, table, key: store.get(table, key),
    "delete": lambda store, table, key: store.delete(table, key),
}


@pytest.mark.parametrize("call", ITEMS.values(), ids=ITEMS)
def test_a_test_that_names_no_table_or_key_learns_so_as_a_client_would(store, call):
    with pytest.raises(TableNotFound, match="'zz'"):
        call(store, "zz", A)
    with pytest.raises(RequestRefused, match="key element"):
        call(store, "coordination", {"id": "a"})


def names(page):
    listed, last = page
    return [one if isinstance(one, str) else one.name for one in listed], last


def test_counters_are_listed(store):
    counters = CounterClient("coordination", client=store.client())
    for name in ("b", "a1", "a2", "a3", "gone"):
        counters.counter(name).increment()
    counters.counter("gone").delete()
    store.put("coordination", {"pk": "a note of another program", "listing": True})
    assert list(counters.names()) == ["a1", "a2", "a3", "b"]
    assert names(counters.page(prefix="a", limit=2)) == (["a1", "a2"], "a2")
    assert names(counters.page(prefix="a", limit=2, after="a2")) == (["a3"], None)
    assert names(counters.states(prefix="a", limit=2)) == (["a1", "a2"], "a2")
    assert [state.value for state in counters.states(prefix="b")[0]] == [1]


async def test_awaitable_counters_are_listed(store):
    counters = AioCounterClient("coordination", client=store.aio_client())
    for name in "ba":
        await counters.counter(name).increment()
    assert [name async for name in counters.names()] == ["a", "b"]
    assert names(await counters.page(limit=1)) == (["a"], "a")
    assert names(await counters.states(limit=2, after="a")) == (["b"], None)


LISTED = {
    "TableName": "coordination",
    "IndexName": "listing",
    "KeyConditionExpression": "listing = :l",
    "ExpressionAttributeValues": {":l": {"S": "x"}},
}


def test_an_index_returns_its_keys_in_order_and_goes_on_after_one():
    simulated = Store(Table("coordination"))
    for key, listing in ("ax", "cx", "bx", "dy"):
        item = {"pk": {"S": key}, "listing": {"S": listing}, "more": {"N": "1"}}
        simulated.perform("PutItem", {"TableName": "coordination", "Item": item})
    reply = simulated.perform("Query", LISTED | {"Limit": 2, "ScanIndexForward": False})
    assert [item["pk"]["S"] for item in reply["Items"]] == ["c", "b"]
    assert reply["LastEvaluatedKey"] == {"pk": {"S": "b"}, "listing": {"S": "x"}}
    assert all(set(item) == {"pk", "listing"} for item in reply["Items"])
    more = {"ExclusiveStartKey": reply["LastEvaluatedKey"], "ScanIndexForward": False}
    reply = simulated.perform("Query", LISTED | more)
    assert [item["pk"]["S"] for item in reply["Items"]] == ["a"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"IndexName": "lising"}, "does not have the specified index: lising"),
        ({"TableName": "orders"}, "does not have the specified index: listing"),
        ({"ConsistentRead": True}, "Consistent reads are not supported"),
        ({"KeyConditionExpression": "pk = :l"}, "missed key schema element: listing"),
    ],
    ids=["no such index", "table without it", "consistent", "without its key"],
)
def test_a_query_of_an_index_that_the_service_would_refuse_is_refused(change, why):
    simulated = Store(Table("coordination"), Table("orders", "id"))
    with pytest.raises(Refused, match=why):
        simulated.perform("Query", LISTED | change)


def test_the_fixtures_share_one_clock(interlock_store, interlock_clock):
    assert interlock_store.clock is interlock_clock
    assert interlock_store.get("coordination", A) is None


def test_the_reserved_words_are_those_that_moto_knows():
    from importlib.resources import files  # noqa: PLC0415 - here alone

    words = files("moto").joinpath("dynamodb/parsing/reserved_keywords.txt").read_text()
    assert reserved_words() == {word.strip().upper() for word in words.split()}


def test_on_the_systems_clock_one_who_waits_lets_no_deadline_of_another_pass():
    clock = SystemClock()
    store = MemoryStore("coordination", clock=clock)
    before = clock.now
    with LockClient("coordination", client=store.client()) as locks, locks.acquire("a") as lock:
        with pytest.raises(LockTimeout):
            LockClient("coordination", client=store.client()).acquire(
                "a", timeout=timedelta(milliseconds=20)
            )
        lock.ensure()
    assert clock.now - before < timedelta(seconds=20)
