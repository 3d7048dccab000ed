"""A table that exists, with keys of other names and an application's items beside the library's."""

from dataclasses import replace
from datetime import timedelta

import pytest

from interlock import TableLayout
from interlock._protocol.layout import RESERVED, key_in_words
from interlock.errors import (
    CorruptRecord,
    GuardFailed,
    InvalidValue,
    LossReason,
    TableUnfit,
)
from interlock.testing import MemoryStore, Table
from tests.layouts import LAYOUT
from tests.unit.transactions.wire import OnEither

TABLE = "app"
ORDER = {"PK": "ORDER#1", "SK": "META"}
LAYOUTS = {
    "sort key and prefix": LAYOUT,
    "another name": TableLayout(partition_key="id"),
    "prefix": TableLayout(prefix="team-a/"),
    "sort key": TableLayout(sort_key=("sk", "-")),
}


@pytest.fixture(params=list(LAYOUTS.values()), ids=list(LAYOUTS))
def layout(request):
    return request.param


@pytest.fixture
def store(layout):
    return MemoryStore(Table.of(TABLE, layout), Table("orders", "id"))


@pytest.fixture
def client_of(half, store):
    """Return a function that makes a client of this half, by its name."""
    made = []

    def client_of(module, name, **options):
        client = store.aio_client() if half.awaitable else store.client()
        client = getattr(getattr(half, module), name)(TABLE, client=client, **options)
        if module != "transactions":
            client = half.wrap(client)
        made.append(client)
        return client

    yield client_of
    for client in made:
        if hasattr(client, "close"):
            client.close()


@pytest.fixture
def locks(client_of, layout):
    return client_of("locks", "LockClient", layout=layout)


@pytest.fixture
def counters(client_of, layout):
    return client_of("counters", "CounterClient", layout=layout)


@pytest.fixture
def tx(client_of, half, layout):
    return OnEither(half, client_of("transactions", "TransactionClient", layout=layout))


def rows(store):
    """Return the items of the table, by what they have as partition key."""
    table = store._store.contents.tables[TABLE]
    return {item[table.partition_key]["S"]: item for item in store._store.items(TABLE)}


def test_a_lock_is_an_item_of_the_tables_own_names(locks, store, layout):
    with locks.acquire("orders/42", data={"by": "test"}) as lock:
        item = store.get(TABLE, layout.key("lock#orders/42"))
        assert item is not None
        assert item["fence"] == lock.fencing_token
        assert layout.ttl in item
        assert {"pk", "expires"} & set(item) <= {layout.partition_key, layout.ttl}
        found = locks.inspect("orders/42")
        assert (found.held, found.data) == (True, {"by": "test"})
    assert not locks.inspect("orders/42").held


def test_a_lock_that_is_held_is_no_other_clients(client_of, locks, layout):
    other = client_of("locks", "LockClient", layout=layout)
    with locks.acquire("a", data="busy") as lock:
        assert other.try_acquire("a") is None
        assert other.inspect("a").data == "busy"
        assert other.break_lock("a", because="it hangs").fencing_token == lock.fencing_token + 1
        assert lock.release() is False


def test_several_locks_permits_and_both_sides_are_taken_and_given_back(locks):
    with locks.acquire_all(["a", "b"]):
        assert {record.name for record in locks.page(held=True).locks} == {"a", "b"}
    with locks.semaphore("render", permits=3).acquire() as permit:
        assert locks.inspect(permit.name).held
    both = locks.read_write_lock("catalogue", readers=2)
    with both.read() as reader:
        assert reader.fencing_token
    with both.write() as writer:
        assert writer.fencing_token
    assert all(not record.held for record in locks.page().locks)


def test_a_lock_is_found_by_a_client_of_the_same_layout_alone(client_of, locks, layout):
    with locks.acquire("a"):
        other = client_of("locks", "LockClient", layout=replace(layout, prefix="other#"))
        assert other.inspect("a") is None


def test_a_lost_reply_is_answered_by_what_the_table_has(locks, store):
    for operation in ("UpdateItem", "UpdateItem", "TransactWriteItems"):
        store.lose_reply(operation)
        with locks.acquire("a"):
            pass
        with locks.acquire_all(["b", "c"]):
            pass


def test_counters_keep_their_bounds_and_keys(counters, store, layout):
    seats = counters.counter("seats", ceiling=10, shards=4)
    assert seats.increment(3, idempotency_key="k").amount == 3
    assert seats.increment(3, idempotency_key="k").replayed
    seats.increment(6)
    assert seats.get() == seats.get(consistent=False) == 9
    seats.configure(ceiling=20, shards=2)
    state = seats.inspect()
    assert (state.value, state.ceiling, state.shards) == (9, 20, 2)
    counters.counter("used").increment(5)
    counters.transfer("used", "seats", 2, idempotency_key="t")
    assert seats.get() == 11
    listed = rows(store)[layout.prefix + "counter#seats"][layout.listing_key]
    assert listed == {"S": layout.prefix + "counter"}
    assert seats.delete()


def test_a_latch_opens(half, store, layout):
    client = store.aio_client() if half.awaitable else store.client()
    counters = half.counters.CounterClient(TABLE, client=client, layout=layout)
    latch = half.wrap(half.latches.CountDownLatch(counters, "ready", count=1))
    latch.count_down()
    assert latch.wait(timedelta(seconds=1))


def test_a_transaction_is_recorded_once_and_leaves_other_items_as_they_are(tx, store, layout):
    def ship(t):
        order = t.get("orders", {"id": "lock#1"})
        t.put(
            "orders", {"id": "lock#1"}, {"shipped": order["shipped"] + 1, "pk": "x", "expires": 1}
        )
        return "shipped"

    store.put("orders", {"id": "lock#1", "shipped": 0})
    for _ in range(2):
        assert tx.run(ship, idempotency_key="k", operation="ship") == "shipped"
    order = store.get("orders", {"id": "lock#1"})
    assert (order["shipped"], order["pk"], order["expires"]) == (1, "x", 1)
    record = store.get(TABLE, layout.key("once#ship#k"))
    assert record is not None
    assert {"result", "fingerprint", layout.ttl} <= set(record)


def test_a_record_that_has_expired_counts_no_more(tx, store):
    ran = []
    for _ in range(2):
        tx.run(
            lambda _: ran.append(1),
            idempotency_key="k",
            operation="o",
            payload=1,
            retention=timedelta(hours=1),
        )
        store.clock.advance(timedelta(hours=2))
    assert len(ran) == 2


@pytest.fixture(params=[True, False], ids=["same layout", "default layout"])
def any_tx(request, client_of, half, layout):
    options = {"layout": layout} if request.param else {}
    return OnEither(half, client_of("transactions", "TransactionClient", **options))


def test_any_transaction_takes_a_guard_and_gives_the_lock_back(any_tx, locks, layout, store):
    tx = any_tx
    with locks.acquire("a") as lock:
        ((kind, check),) = lock.guard().items()
        assert kind == "ConditionCheck"
        assert {name: value["S"] for name, value in check["Key"].items()} == layout.key("lock#a")
        tx.run(lambda t: (t.guard(lock), t.put("orders", {"id": "1"}, {}))[0])
        locks.break_lock("a", because="a test")
        with pytest.raises(GuardFailed) as caught:
            tx.run(lambda t: (t.guard(lock), t.put("orders", {"id": "2"}, {}))[0])
        assert (caught.value.name, caught.value.reason) == ("a", LossReason.BROKEN)
        assert caught.value.key == layout.key("lock#a")
        assert store.get("orders", {"id": "2"}) is None
        lock.release()
    lock = locks.acquire("b")
    tx.run(lambda t: t.release(lock))
    assert not locks.inspect("b").held


def test_a_corrupt_record_is_named_as_the_table_has_it(locks, counters, tx, store, layout):
    for own in ("lock#a", "counter#c", "once#o#k"):
        store.put(TABLE, layout.key(own) | {"fence": "x", "value": "x", "operation": "o"})
    calls = {
        "lock#a": lambda: locks.inspect("a"),
        "counter#c": lambda: counters.counter("c").get(),
        "once#o#k": lambda: tx.run(lambda _: None, idempotency_key="k", operation="o"),
    }
    for own, call in calls.items():
        with pytest.raises(CorruptRecord) as caught:
            call()
        assert (caught.value.table, caught.value.key) == (TABLE, layout.prefix + own)
    (listed,) = locks.page().corrupt
    assert (listed.key, listed.attribute) == (layout.prefix + "lock#a", "fence")


def test_pages_end_at_any_item_and_list_the_locks_alone(locks, store, layout):
    names = {f"a/{number}" for number in range(7)}
    for name in names:
        locks.acquire(name).release()
    key = layout.key("")
    for number in range(8):  # of 300 KB: three make a page
        another = {name: f"{number}{value}" for name, value in key.items()}
        store.put(TABLE, another | {"bulk": "x" * 300_000, "fence": 1})
    another = layout.key("lock#another") | dict.fromkeys(layout.key_names[1:], "META")
    if len(another) > 1:
        store.put(TABLE, another | {"fence": 1})
    listed, after, pages = [], None, 0
    while pages == 0 or after is not None:
        page = locks.page(after=after)
        listed += [record.name for record in page.locks]
        after, pages = page.after, pages + 1
    assert pages > 2
    assert sorted(listed) == sorted(names)


def test_a_table_that_does_not_fit_is_told_by_the_first_call(half, layout):
    store = MemoryStore(Table(TABLE, "other", "range"))
    client = store.aio_client() if half.awaitable else store.client()
    said = f"looks for the partition key '{layout.partition_key}'"
    write = "TableLayout(partition_key='other', sort_key=('range', 'interlock'))"
    locks = half.wrap(half.locks.LockClient(TABLE, client=client, layout=layout))
    tx = half.transactions.TransactionClient(TABLE, client=client, layout=layout)
    tx = OnEither(half, tx)
    counters = half.wrap(half.counters.CounterClient(TABLE, client=client, layout=layout))
    for call in (
        lambda: locks.acquire("a"),
        lambda: counters.counter("c").increment(),
        lambda: tx.run(lambda _: None, idempotency_key="k", operation="o"),
    ):
        with pytest.raises(TableUnfit, match=said) as raised:
            call()
        assert raised.value.problems[1:] == [
            "its key is the partition key 'other' (S) and the sort key 'range' (S)",
            f"for such keys write layout={write}",
            f"this client looks for {key_in_words(layout)}",
        ]


UNFIT = {
    "name": (Table(TABLE, "id"), "the partition key 'id' (S)"),
    "type": (Table(TABLE, "pk", partition_type="N"), "the partition key 'pk' (N)"),
    "sort key": (Table(TABLE, "pk", "sk"), "the partition key 'pk' (S) and the sort key 'sk' (S)"),
}


@pytest.mark.parametrize(("table", "key"), UNFIT.values(), ids=UNFIT)
def test_without_a_layout_the_first_call_says_what_was_found_and_looked_for(half, table, key):
    store = MemoryStore(table)
    client = store.aio_client() if half.awaitable else store.client()
    locks = half.wrap(half.locks.LockClient(TABLE, client=client))
    counters = half.wrap(half.counters.CounterClient(TABLE, client=client))
    tx = OnEither(half, half.transactions.TransactionClient(TABLE, client=client))
    for call in (
        lambda: locks.acquire("a"),
        lambda: locks.inspect("a"),
        lambda: counters.counter("c").increment(),
        lambda: counters.counter("c").get(),
        lambda: tx.run(lambda _: None, idempotency_key="k", operation="o"),
    ):
        with pytest.raises(TableUnfit, match="DynamoDB says") as raised:
            call()
        assert f"its key is {key}" in raised.value.problems
        assert raised.value.problems[-1] == "this client looks for the partition key 'pk' alone"


def test_a_role_that_may_not_describe_the_table_learns_what_dynamodb_says(half):
    store = MemoryStore(Table(TABLE, "id"))
    store.refuse("AccessDeniedException", "DescribeTable")
    client = store.aio_client() if half.awaitable else store.client()
    locks = half.wrap(half.locks.LockClient(TABLE, client=client))
    with pytest.raises(TableUnfit) as raised:
        locks.acquire("a")
    said, wanted = raised.value.problems
    assert said.startswith("DynamoDB says")
    assert wanted == "this client looks for the partition key 'pk' alone"


def test_the_default_layout_is_not_translated(half):
    store = MemoryStore(TABLE)
    for layout in (None, TableLayout()):
        client = store.aio_client() if half.awaitable else store.client()
        locks = half.locks.LockClient(TABLE, client=client, layout=layout)
        assert locks._held._driver is client
        assert client.translation is None


def test_no_attribute_of_the_library_can_be_a_key(half):
    """All that is written has a reserved name: a key of the same would be overwritten by it."""
    store = MemoryStore(TABLE)
    client = store.aio_client() if half.awaitable else store.client()
    locks = half.wrap(half.locks.LockClient(TABLE, client=client))
    counters = half.wrap(half.counters.CounterClient(TABLE, client=client))
    tx = OnEither(half, half.transactions.TransactionClient(TABLE, client=client))
    seen: set[str] = set()
    store._store.on_change(lambda change: seen.update(change.after or ()))
    lock = locks.acquire("a", data=1)
    locks.break_lock("a", because="a test")
    lock.release()
    both = locks.read_write_lock("rw", readers=2)
    with both.read():
        pass
    with both.write():
        pass
    locks.semaphore("permits", permits=2).acquire().release()
    job = half.call(locks.exclusive("job", at_least=timedelta(seconds=1)), half.function(lambda: 1))
    half.call(job)
    seats = counters.counter("c", floor=0, ceiling=100, shards=2)
    for number in range(40):
        seats.increment(idempotency_key=str(number))
    seats.configure(shards=1)
    counters.counter("d").create()
    counters.transfer("c", "d", 1, idempotency_key="t")
    tx.run(
        lambda _: 1,
        idempotency_key="k",
        operation="o",
        payload=1,
        retention=timedelta(minutes=1),
    )
    locks.close()
    own = {name for name in seen if not name.startswith(("done#", "call#"))}
    assert own - RESERVED == {"pk", "expires", "listing"}


def test_what_is_no_layout_is_refused_by_every_client(half):
    for module, name in (
        ("locks", "LockClient"),
        ("counters", "CounterClient"),
        ("transactions", "TransactionClient"),
    ):
        client = MemoryStore(TABLE).client()
        make = getattr(getattr(half, module), name)
        with pytest.raises(InvalidValue, match=r"layout: .* is no TableLayout; write"):
            make(TABLE, client=client, layout="partition_key=PK")


@pytest.mark.parametrize("layout", [TableLayout(prefix="p" * 256)], ids=["longest prefix"])
def test_a_prefix_leaves_names_and_keys_their_length(locks, counters, tx):
    locks.acquire("n" * 1024).release()
    counters.counter("n" * 512).increment(idempotency_key="k" * 512)
    tx.run(lambda _: None, idempotency_key="k" * 1024, operation="o" * 512, payload=1)
