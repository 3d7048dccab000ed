"""Counters of both halves against moto: values, bounds, shards, configuration, bad input."""

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from interlock._drivers.clients import fault_of, method_name
from interlock._protocol.counters.ledger import SWEPT_AT
from interlock.errors import (
    CounterLimitExceeded,
    CounterMismatch,
    CounterNotFound,
    IdempotencyMismatch,
    InvalidCounterName,
    InvalidValue,
    TableNotFound,
)


@pytest.fixture
def store(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        client = boto3.client("dynamodb", region_name="us-east-1")
        client.create_table(
            TableName="t",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[
                {"AttributeName": "pk", "AttributeType": "S"},
                {"AttributeName": "listing", "AttributeType": "S"},
            ],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "listing",
                    "KeySchema": [
                        {"AttributeName": "listing", "KeyType": "HASH"},
                        {"AttributeName": "pk", "KeyType": "RANGE"},
                    ],
                    "Projection": {"ProjectionType": "KEYS_ONLY"},
                }
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        yield client


@pytest.fixture
def client_of(half, store):
    def answer(operation, params):
        try:
            return getattr(store, method_name(operation))(**params)
        except ClientError as error:
            raise fault_of(error) from error

    def make(table):
        return half.wrap(half.counters.CounterClient(table, client=half.client(answer)))

    return make


@pytest.fixture
def counters(client_of):
    return client_of("t")


@pytest.fixture
def calls(store):
    seen = []
    store.meta.events.register(
        "before-send.dynamodb", lambda request, **_: seen.append(request.headers["X-Amz-Target"])
    )
    return seen


def test_an_increment_is_one_call_and_returns_the_new_value(counters, calls):
    visits = counters.counter("visits", floor=0, ceiling=10)
    assert visits.increment(3).value == 3
    assert visits.increment().value == 4
    assert visits.decrement(2).value == 2
    assert [call.decode().rpartition(".")[2] for call in calls] == ["UpdateItem"] * 3
    assert visits.get() == 2
    assert visits.get(consistent=False) == 2


def test_a_counter_that_does_not_exist_reads_as_its_start(counters):
    assert counters.counter("a").get() == 0
    assert counters.counter("a", floor=5).get() == 5
    assert counters.counter("a", ceiling=-5).get() == -5
    assert counters.counter("a").inspect() is None


@pytest.mark.parametrize("shards", [1, 2, 5])
def test_a_bound_is_reached_and_never_passed(counters, shards):
    counter = counters.counter("seats", floor=-2, ceiling=3, shards=shards)
    for _ in range(3):
        counter.increment()
    with pytest.raises(CounterLimitExceeded) as refusal:
        counter.increment()
    assert (refusal.value.value, refusal.value.floor, refusal.value.ceiling) == (3, -2, 3)
    counter.decrement(5)
    with pytest.raises(CounterLimitExceeded) as refusal:
        counter.decrement()
    assert refusal.value.value == -2
    assert counter.get() == -2


def test_the_first_increment_over_the_ceiling_leaves_no_counter(counters):
    counter = counters.counter("seats", ceiling=3)
    with pytest.raises(CounterLimitExceeded):
        counter.increment(4)
    assert counter.inspect() is None


def test_stored_bounds_hold_for_clients_that_do_not_know_them(counters, client_of):
    counters.counter("seats", ceiling=3).increment(3)
    with pytest.raises(CounterLimitExceeded):
        client_of("t").counter("seats").increment()


def test_a_declaration_that_disagrees_with_the_store_is_refused(counters):
    counters.counter("seats", ceiling=3).increment()
    with pytest.raises(CounterMismatch, match="ceiling 3, but 4"):
        counters.counter("seats", ceiling=4).increment()
    with pytest.raises(CounterMismatch, match="shards 1, but 2"):
        counters.counter("seats", shards=2).increment()


@pytest.mark.parametrize("shards", [1, 4])
def test_a_key_counts_once_and_its_result_is_replayed(counters, client_of, shards):
    counter = counters.counter("orders", ceiling=3, shards=shards)
    first = counter.increment(2, idempotency_key="a")
    counter.increment(1)
    other = client_of("t").counter("orders")
    again = other.increment(2, idempotency_key="a")
    assert (first.value, first.replayed) == (again.value, not again.replayed)
    assert counter.get() == 3
    with pytest.raises(IdempotencyMismatch):
        counter.increment(1, idempotency_key="a")
    with pytest.raises(IdempotencyMismatch):
        counter.decrement(2, idempotency_key="a")
    with pytest.raises(CounterLimitExceeded):
        counter.increment(1, idempotency_key="b")


def test_a_key_is_a_read_of_its_record_and_one_write(counters, calls):
    counter = counters.counter("orders")
    counter.increment(idempotency_key="a")
    calls.clear()
    counter.increment(idempotency_key="b")
    names = [call.decode().rpartition(".")[2] for call in calls]
    assert names == ["TransactGetItems", "UpdateItem"]
    calls.clear()
    assert counter.increment(idempotency_key="a").replayed
    assert len(calls) == 2
    for number in range(SWEPT_AT):
        counter.increment(idempotency_key=f"c{number}")
    calls.clear()
    assert counter.increment(idempotency_key="a").replayed
    assert len(calls) == 1


def test_keys_move_to_records_that_live_as_long_as_they_are_remembered(counters, store):
    counter = counters.counter("orders")
    keys = [f"{number} of \u00fc" for number in range(SWEPT_AT)]
    for key in keys:
        counter.increment(3, idempotency_key=key)
    for number, key in enumerate(keys):
        pk = {"S": f"counter#orders#once#{key}"}
        item = store.get_item(TableName="t", Key={"pk": pk})["Item"]
        assert 0 < int(item["expires"]["N"]) < 10**11  # seconds, as DynamoDB's TTL wants them
        assert (item["amount"], item["value"]) == ({"N": "3"}, {"N": str(3 * (number + 1))})
    header = store.get_item(TableName="t", Key={"pk": {"S": "counter#orders"}})["Item"]
    assert not [name for name in header if "#" in name]
    assert header["kept"] == {"N": "0"}


@pytest.mark.parametrize(("old", "new"), [(1, 4), (4, 1), (3, 5), (5, 3), (1, 24), (24, 1)])
def test_shards_change_without_losing_a_count(counters, client_of, old, new):
    counter = counters.counter("a", ceiling=100, shards=old)
    for _ in range(20):
        counter.increment()
    other = client_of("t")
    assert other.counter("a").configure(shards=new) is False
    state = other.counter("a").inspect()
    assert state is not None
    assert (state.value, state.ceiling, state.shards) == (20, 100, new)
    late = counters.counter("a")
    late.increment(80)
    with pytest.raises(CounterLimitExceeded):
        late.increment()
    late.decrement(100 + 10)
    assert late.get() == -10


@pytest.mark.parametrize("shards", [1, 3])
def test_bounds_move_while_in_use(counters, shards):
    counter = counters.counter("a")
    assert counter.configure(floor=0, ceiling=10, shards=shards) is True
    counter.increment(6)
    counter.configure(ceiling=7)
    counter.increment()
    with pytest.raises(CounterLimitExceeded):
        counter.increment()
    with pytest.raises(CounterLimitExceeded):
        counter.configure(ceiling=6)
    counter.configure(ceiling=None, floor=7)
    counter.increment(10**30)
    with pytest.raises(CounterLimitExceeded):
        counter.decrement(10**30 + 1)
    state = counter.inspect()
    assert (state.value, state.floor, state.ceiling) == (7 + 10**30, 7, None)


@pytest.mark.parametrize("shards", [1, 3])
def test_reset_sets_the_value_and_its_escrow(counters, shards):
    counter = counters.counter("a", floor=1, ceiling=9, shards=shards)
    counter.increment(5)
    assert counter.reset() == 1
    assert counter.reset(8) == 8
    counter.increment()
    with pytest.raises(CounterLimitExceeded):
        counter.increment()
    with pytest.raises(CounterLimitExceeded):
        counter.reset(10)
    assert counter.get() == 9


@pytest.mark.parametrize("shards", [1, 3])
def test_a_deleted_counter_starts_anew(counters, client_of, shards):
    counter = counters.counter("a", ceiling=5, shards=shards)
    counter.increment(5)
    assert client_of("t").counter("a").delete() is True
    assert counter.delete() is False
    counter.increment(2)
    assert counter.get() == 2
    assert counter.inspect().shards == shards


@pytest.mark.parametrize("shards", [1, 3])
def test_a_transfer_moves_both_or_neither(counters, shards):
    counters.counter("a", floor=0, shards=shards).increment(5)
    counters.counter("b", ceiling=4, shards=shards).increment()
    moved = counters.transfer("a", "b", 3, idempotency_key="k")
    assert counters.transfer("a", "b", 3, idempotency_key="k").replayed
    assert (moved.source.amount, moved.target.amount) == (-3, 3)
    with pytest.raises(CounterLimitExceeded) as refusal:
        counters.transfer("a", "b", 1)
    assert refusal.value.name == "b"
    with pytest.raises(CounterLimitExceeded) as refusal:
        counters.transfer("a", "b", 10)
    assert refusal.value.name == "a"
    with pytest.raises(CounterNotFound):
        counters.transfer("a", "nobody", 1)
    with pytest.raises(IdempotencyMismatch):
        counters.transfer("a", "b", 2, idempotency_key="k")
    assert (counters.counter("a").get(), counters.counter("b").get()) == (2, 4)


def test_counters_are_listed_by_page_without_shards_or_records(counters):
    for name in ("b", "a", "c/1", "c/2"):
        counters.counter(name, shards=2).increment(idempotency_key="k")
    assert list(counters.names()) == ["a", "b", "c/1", "c/2"]
    first, after = counters.page(limit=3)
    assert (first, after) == (["a", "b", "c/1"], "c/1")
    assert counters.page(limit=3, after=after) == (["c/2"], None)
    assert list(counters.names(prefix="c/")) == ["c/1", "c/2"]


def test_counters_are_listed_with_their_values(counters, calls):
    counters.counter("a", floor=0, ceiling=9).increment(2)
    counters.counter("b", shards=3).increment(5)
    counters.counter("c").decrement()
    calls.clear()
    states, after = counters.states(limit=2)
    assert [(s.name, s.value, s.floor, s.ceiling, s.shards) for s in states] == [
        ("a", 2, 0, 9, 1),
        ("b", 5, None, None, 3),
    ]
    assert [call.decode().rpartition(".")[2] for call in calls] == [
        "Query",
        "BatchGetItem",
        "TransactGetItems",
    ]
    (last,), end = counters.states(limit=2, after=after)
    assert (last.name, last.value, end) == ("c", -1, None)


@pytest.mark.parametrize(("after", "names"), [("a", ["c/1"]), ("d", []), ("c/1", [])])
def test_a_page_may_go_on_from_outside_its_prefix(counters, after, names):
    for name in ("b", "c/1", "d"):
        counters.counter(name).increment()
    assert counters.page(prefix="c/", after=after) == (names, None)


def test_a_page_that_is_empty_reads_nothing_more(counters, calls):
    assert counters.states(prefix="nothing") == ([], None)
    assert len(calls) == 1


@pytest.mark.parametrize("limit", [0, 101, "1", True])
def test_a_page_takes_one_batch_at_most(counters, calls, limit):
    with pytest.raises(InvalidValue, match="limit"):
        counters.states(limit=limit)
    assert not calls


@pytest.mark.parametrize("name", ["", "a#1", "a\n", "x" * 513, 7, None])
def test_a_bad_name_is_refused_before_a_call(counters, calls, name):
    with pytest.raises(InvalidCounterName):
        counters.counter(name)
    assert not calls


@pytest.mark.parametrize("amount", [0, -1, 1.5, "1", True, None, 10**38])
def test_a_bad_amount_is_refused_before_a_call(counters, calls, amount):
    for attempt in (counters.counter("a").increment, counters.counter("a").decrement):
        with pytest.raises(InvalidValue, match="amount"):
            attempt(amount)
    with pytest.raises(InvalidValue, match="amount"):
        counters.transfer("a", "b", amount)
    assert not calls


@pytest.mark.parametrize(
    "declaration",
    [
        {"floor": 2, "ceiling": 1},
        {"floor": -(10**38 - 1), "ceiling": 10**38 - 1},
        {"ceiling": 10**38},
        {"shards": 0},
        {"shards": 65},
        {"floor": True},
    ],
)
def test_a_declaration_that_cannot_be_is_refused_before_a_call(counters, calls, declaration):
    with pytest.raises(InvalidValue):
        counters.counter("a", **declaration)
    assert not calls


def test_all_38_digits_count(counters):
    counter = counters.counter("a", floor=0, ceiling=10**38 - 1)
    counter.increment(10**38 - 2)
    assert counter.increment().value == 10**38 - 1
    with pytest.raises(CounterLimitExceeded):
        counter.increment()


def test_a_missing_table_is_said_as_such(client_of):
    with pytest.raises(TableNotFound, match="CoordinationTable"):
        client_of("nowhere").counter("a").increment()


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("key", [None, "k"])
@pytest.mark.parametrize("exists", [False, True])
def test_a_change_beyond_a_bound_names_the_counter(counters, shards, key, exists):
    counter = counters.counter("seats", floor=0, ceiling=4, shards=shards)
    if exists:
        counter.increment()
    with pytest.raises(CounterLimitExceeded, match="counter 'seats' is at") as refusal:
        counter.increment(9, idempotency_key=key)
    assert refusal.value.name == "seats"
    for change in (lambda: counter.reset(9), lambda: counter.configure(ceiling=-1, floor=-3)):
        if exists:
            with pytest.raises(CounterLimitExceeded) as refusal:
                change()
            assert refusal.value.name == "seats"
