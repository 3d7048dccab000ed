"""The store in memory: what users' tests do with it, on both halves."""

import re
from datetime import timedelta

import pytest

from interlock import CounterClient, LockClient, TransactionClient
from interlock.aio.counters import CounterClient as AioCounterClient
from interlock.errors import (
    AccessDenied,
    LockTimeout,
    OutcomeUnknown,
    ServiceUnavailable,
    Throttled,
    TransactionConflict,
)
from interlock.testing import FakeClock, MemoryStore, SystemClock, Table
from interlock.testing._store.parsing import reserved_words

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


@pytest.mark.parametrize("times", [0, -1])
def test_a_fault_happens_at_least_once(store, times):
    with pytest.raises(ValueError, match=re.escape(f"{times} is not at least 1")):
        store.throttle(times=times)


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
