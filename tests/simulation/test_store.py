"""The store does what DynamoDB Local cannot show: time, conflicts in flight, limits."""

import pytest

from interlock._protocol.faults import Refused
from interlock.testing._store.attributes import exceeds, item_size
from interlock.testing._store.store import Store
from interlock.testing._store.tables import Table
from interlock.testing._store.throttling import PartitionLimit


class Clock:
    def __init__(self):
        self.now = 1_700_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(clock):
    return Store(Table("t"), clock=clock)


def put(name, **attributes):
    return {"TableName": "t", "Item": {"pk": {"S": name}, **attributes}}


def add(name, amount=1):
    return {
        "TableName": "t",
        "Key": {"pk": {"S": name}},
        "UpdateExpression": "ADD n :n",
        "ExpressionAttributeValues": {":n": {"N": str(amount)}},
    }


def get(name, *, consistent=False):
    return {"TableName": "t", "Key": {"pk": {"S": name}}, "ConsistentRead": consistent}


def together(*updates, token=None):
    params = {"TransactItems": [{"Update": update} for update in updates]}
    return params if token is None else params | {"ClientRequestToken": token}


def number(store, name):
    return store.item("t", name)["n"]["N"]


def refusal(store, operation, params):
    with pytest.raises(Refused) as caught:
        store.perform(operation, params)
    return caught.value


def test_a_token_makes_a_repeated_transaction_have_its_effect_once_for_ten_minutes(store, clock):
    request = together(add("a"), token="one")
    store.perform("TransactWriteItems", request)
    clock.now += 599
    store.perform("TransactWriteItems", request)
    assert number(store, "a") == "1"
    clock.now += 2
    store.perform("TransactWriteItems", request)
    assert number(store, "a") == "2"


def test_a_token_is_refused_for_another_request(store):
    store.perform("TransactWriteItems", together(add("a"), token="one"))
    again = refusal(store, "TransactWriteItems", together(add("a", 2), token="one"))
    assert again.code == "IdempotentParameterMismatchException"


def test_a_token_is_in_progress_until_its_transaction_commits(store):
    request = together(add("a"), token="one")
    prepared = store.begin(request)
    assert refusal(store, "TransactWriteItems", request).code == "TransactionInProgressException"
    prepared.commit()
    store.perform("TransactWriteItems", request)
    assert number(store, "a") == "1"


def test_a_refused_transaction_does_not_use_up_its_token(store):
    absent = {"ConditionExpression": "attribute_exists(pk)"}
    request = together(add("a") | absent, token="one")
    assert refusal(store, "TransactWriteItems", request).code == "TransactionCanceledException"
    store.perform("PutItem", put("a"))
    store.perform("TransactWriteItems", request)
    assert number(store, "a") == "1"


def test_a_transaction_in_flight_occupies_its_items_and_no_others(store):
    prepared = store.begin(together(add("a"), add("b")))
    assert refusal(store, "UpdateItem", add("a")).code == "TransactionConflictException"
    met = refusal(store, "TransactWriteItems", together(add("c"), add("b")))
    assert [reason.code for reason in met.reasons] == ["None", "TransactionConflict"]
    reading = {"TransactItems": [{"Get": {"TableName": "t", "Key": {"pk": {"S": "b"}}}}]}
    assert refusal(store, "TransactGetItems", reading).conflicted
    assert store.perform("GetItem", get("a", consistent=True)) == {}
    store.perform("UpdateItem", add("c"))
    prepared.commit()
    store.perform("UpdateItem", add("a"))
    assert [number(store, name) for name in "abc"] == ["2", "1", "1"]


def test_reasons_come_in_the_order_of_the_actions_and_bring_the_item_if_asked(store):
    store.perform("PutItem", put("a", n={"N": "7"}))
    fails = {
        "ConditionExpression": "attribute_not_exists(pk)",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    refused = refusal(store, "TransactWriteItems", together(add("b"), add("a") | fails))
    assert [reason.code for reason in refused.reasons] == ["None", "ConditionalCheckFailed"]
    assert refused.reasons[1].item == {"pk": {"S": "a"}, "n": {"N": "7"}}
    assert store.item("t", "b") is None


@pytest.mark.parametrize(
    "request_",
    [
        together(add("a"), add("a")),
        together(*(add(str(i)) for i in range(101))),
        together(),
    ],
)
def test_what_no_transaction_may_be_is_refused_whole(store, request_):
    assert refusal(store, "TransactWriteItems", request_).code == "ValidationException"
    assert not store.items("t")


def test_an_eventually_consistent_read_may_be_a_second_old(store, clock):
    store.stale = lambda: True
    store.perform("PutItem", put("a"))
    assert store.perform("GetItem", get("a")) == {}
    assert store.perform("GetItem", get("a", consistent=True)) != {}
    clock.now += 1.1
    assert store.perform("GetItem", get("a")) != {}


def test_ttl_deletes_only_what_has_expired_and_only_when_it_comes_by(store, clock):
    store.perform("PutItem", put("old", expires={"N": str(int(clock.now) - 1)}))
    store.perform("PutItem", put("new", expires={"N": str(int(clock.now) + 60)}))
    store.perform("PutItem", put("milliseconds", expires={"N": str(int(clock.now) * 1000)}))
    assert store.perform("GetItem", get("old")) != {}
    for place in store.expired(clock.now):
        store.expire(place)
    assert sorted(item["pk"]["S"] for item in store.items("t")) == ["milliseconds", "new"]


def test_a_partition_takes_its_writes_a_second_and_no_more(clock):
    store = Store(Table("t"), clock=clock, limit=PartitionLimit(writes=10.0))
    for _ in range(10):
        store.perform("UpdateItem", add("a"))
    assert refusal(store, "UpdateItem", add("a")).throttled
    store.perform("UpdateItem", add("b"))
    assert number(store, "a") == "10"
    clock.now += 0.15
    store.perform("UpdateItem", add("a"))


def test_a_throttled_transaction_says_so_in_its_reasons(clock):
    store = Store(Table("t"), clock=clock, limit=PartitionLimit(writes=2.0))
    store.perform("TransactWriteItems", together(add("a")))
    refused = refusal(store, "TransactWriteItems", together(add("b"), add("a")))
    assert [reason.code for reason in refused.reasons] == ["None", "ThrottlingError"]


def test_an_item_over_400_kb_is_refused_and_leaves_the_old_one(store):
    store.perform("PutItem", put("a", s={"S": "x" * (400 * 1024 - 4)}))
    whole = store.item("t", "a")
    assert refusal(store, "UpdateItem", add("a")).code == "ValidationException"
    assert store.item("t", "a") is whole


@pytest.mark.parametrize(
    ("item", "size"),
    [
        ({"s": {"S": "x" * 9}}, 10),
        ({"s": {"S": "\xe9" * 9}}, 19),
        ({"\xe9" * 4: {"S": "x"}}, 9),
        ({"s": {"S": "\U0001f512" * 9}}, 37),
        ({"n": {"N": "-5"}}, 4),
        ({"n": {"N": "123456"}, "z": {"N": "0"}}, 7),
        ({"m": {"M": {"\xe9": {"N": "7"}, "b": {"BOOL": True}}}}, 12),
        ({"l": {"L": [{"S": "\xe9"}, {"NULL": True}]}}, 9),
        ({"b": {"B": b"\xe9\xe9"}, "s": {"SS": ["a", "\xe9"]}}, 7),
    ],
)
def test_an_item_counts_for_the_bytes_of_its_names_and_values(item, size):
    assert item_size(item) == size
    assert not exceeds(item, size)
    assert exceeds(item, size - 1)


@pytest.mark.parametrize(
    ("condition", "more"),
    [
        ("owner = :v", {"ExpressionAttributeValues": {":v": {"S": "a"}}}),
        ("a = :v", {"ExpressionAttributeValues": {":v": {"S": "a"}, ":w": {"S": "b"}}}),
        ("a = :v", {}),
        ("#a = #b", {"ExpressionAttributeNames": {"#a": "a"}}),
        ("a = a", {}),
        (
            "a BETWEEN :v AND :w",
            {"ExpressionAttributeValues": {":v": {"N": "2"}, ":w": {"N": "1"}}},
        ),
        ("begins_with(a, :v)", {"ExpressionAttributeValues": {":v": {"N": "2"}}}),
        ("exists(a)", {}),
        ("a =", {}),
        ("", {}),
    ],
)
def test_an_expression_that_dynamodb_does_not_take_is_not_taken(store, condition, more):
    params = put("a") | more | {"ConditionExpression": condition}
    assert refusal(store, "PutItem", params).code == "ValidationException"


def test_numbers_are_exact_to_38_digits_and_refused_beyond(store):
    store.perform("UpdateItem", add("a", 10**37 + 1))
    store.perform("UpdateItem", add("a", 10**37))
    assert number(store, "a") == str(2 * 10**37 + 1)
    assert refusal(store, "UpdateItem", add("a", 10**38 - 2)).code == "ValidationException"


def test_a_scan_in_pages_meets_every_item_once(store):
    for i in range(7):
        store.perform("PutItem", put(f"i{i}"))
    found: list[str] = []
    start: dict[str, dict[str, object]] = {}
    while True:
        page = store.perform("Scan", {"TableName": "t", "Limit": 3, **start})
        found += [item["pk"]["S"] for item in page["Items"]]
        if "LastEvaluatedKey" not in page:
            break
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
    assert sorted(found) == [f"i{i}" for i in range(7)]
