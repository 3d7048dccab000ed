"""Locks, counters and records in a table of an application's own making, on real engines."""

import uuid
from datetime import timedelta

import pytest

from interlock import CounterClient, LockClient, TransactionClient
from interlock.errors import GuardFailed
from tests.contract.test_locks import note_calls
from tests.layouts import LAYOUT

PATIENCE = timedelta(minutes=4)  # with a machine that is busy
ORDER = {"PK": {"S": "ORDER#1"}, "SK": {"S": "META"}}


@pytest.fixture
def app(store):
    """The name of a table of the application, with an order in it."""
    name = f"app-{uuid.uuid4().hex[:12]}"
    store.create_table(
        TableName=name,
        KeySchema=[
            {"AttributeName": "PK", "KeyType": "HASH"},
            {"AttributeName": "SK", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": attribute, "AttributeType": "S"}
            for attribute in ("PK", "SK", "GSI1PK")
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "GSI1",
                "KeySchema": [
                    {"AttributeName": "GSI1PK", "KeyType": "HASH"},
                    {"AttributeName": "PK", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    store.get_waiter("table_exists").wait(
        TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30}
    )
    store.put_item(TableName=name, Item={**ORDER, "state": {"S": "new"}, "pk": {"S": "mine"}})
    yield name
    store.delete_table(TableName=name)


@pytest.fixture
def locks(client, app):
    with LockClient(app, client=client, layout=LAYOUT) as locks:
        yield locks


def order(store, app):
    return store.get_item(TableName=app, Key=ORDER, ConsistentRead=True)["Item"]


def test_locks_of_all_kinds_live_beside_the_applications_items(client, store, app, locks):
    with locks.acquire("orders/1", data={"by": "test"}) as lock:
        item = store.get_item(
            TableName=app,
            Key={"PK": {"S": "COORD#lock#orders/1"}, "SK": {"S": "interlock"}},
            ConsistentRead=True,
        )["Item"]
        assert item["fence"]["N"] == str(lock.fencing_token)
        assert "ttl" in item
        assert not {"pk", "expires"} & set(item)
    sent = note_calls(client)
    with locks.acquire_all(["a", "b"]):
        pass
    assert sent == ["TransactWriteItems", "TransactGetItems", "BatchExecuteStatement"]
    with locks.semaphore("render", permits=2).acquire():
        pass
    both = locks.read_write_lock("catalogue", readers=2)
    with both.read():
        pass
    with both.write():
        pass
    taken = locks.acquire("c")
    assert locks.break_lock("c", because="a test") is not None
    assert taken.release() is False
    assert {"orders/1", "a", "b", "c"} <= {record.name for record in locks.page().locks}
    assert order(store, app)["state"] == {"S": "new"}


def test_a_raw_transaction_takes_the_guard_and_the_release(store, app, locks):
    lock = locks.acquire("orders/1")
    ship = {
        "Update": {
            "TableName": app,
            "Key": ORDER,
            "UpdateExpression": "SET #state = :state",
            "ExpressionAttributeNames": {"#state": "state"},
            "ExpressionAttributeValues": {":state": {"S": "shipped"}},
        }
    }
    store.transact_write_items(TransactItems=[ship, lock.guard()])
    store.transact_write_items(TransactItems=[ship, lock.release_action()])
    lock.released()
    assert not locks.inspect("orders/1").held
    with pytest.raises(store.exceptions.TransactionCanceledException):
        store.transact_write_items(TransactItems=[ship, lock.guard()])
    assert order(store, app)["state"] == {"S": "shipped"}


def test_a_transaction_writes_an_order_once_while_its_lock_is_held(store, app, locks):
    tx = TransactionClient(app, client=store, timeout=PATIENCE, layout=LAYOUT)

    def ship(t):
        t.guard(lock)
        found = t.get(app, {"PK": "ORDER#1", "SK": "META"})
        t.put(app, {"PK": "ORDER#1", "SK": "META"}, {"count": found.get("count", 0) + 1, "pk": "x"})
        return "done"

    with locks.acquire("orders/1") as lock:
        for _ in range(2):
            assert tx.run(ship, idempotency_key="k", operation="ship", payload=1) == "done"
    found = order(store, app)
    assert (found["count"], found["pk"]) == ({"N": "1"}, {"S": "x"})
    with pytest.raises(GuardFailed) as raised:
        tx.run(ship)
    assert raised.value.name == "orders/1"


def test_counters_are_exact_sharded_and_listed(store, app):
    counters = CounterClient(app, client=store, timeout=PATIENCE, layout=LAYOUT)
    seats = counters.counter("seats", ceiling=100, shards=3)
    for _ in range(2):
        assert seats.increment(2, idempotency_key="k").amount == 2
    seats.increment(3)
    assert seats.get() == seats.get(consistent=False) == 5
    counters.counter("visits").increment()
    assert list(counters.names()) == ["seats", "visits"]
    names, after = counters.page(limit=1)
    assert names == ["seats"]
    (state,), _ = counters.states(after=after)
    assert (state.name, state.value) == ("visits", 1)
    seats.configure(shards=1)
    assert seats.get() == 5
