"""A reply is believed only if it answers what was asked; all else is a lost reply."""

import pytest

from interlock.errors import OutcomeUnknown, ServiceUnavailable
from tests.unit.transactions.wire import A, B, put, stored

OTHER = {"pk": {"S": "other"}, "n": {"N": "7"}, "_version": {"S": "other"}}
LIES = [
    {},
    {"Item": OTHER},
    {"Attributes": OTHER},
    {"ConsumedCapacity": {"TableName": "elsewhere", "CapacityUnits": 1.0}},
    {"ConsumedCapacity": [{"TableName": "elsewhere", "CapacityUnits": 1.0}]},
    {"Responses": []},
    {"Responses": [{"Item": OTHER}, {}]},
    "<html>not found</html>",
]


@pytest.fixture(params=LIES, ids=str)
def lie(request):
    return lambda _call: request.param


def change(t):
    t.update("t", A, {"n": t.get("t", A)["n"] + 1})


def replace(t):
    t.put("t", A, {"n": t.get("t", A)["n"] + 1})


def both(t):
    t.put("t", A, {"n": 2})
    t.put("t", B, {"n": 2})


@pytest.mark.parametrize("body", [change, replace, both], ids=lambda body: body.__name__)
def test_nothing_is_reported_as_written_that_is_not(tx, wire, lie, body):
    put(tx, A, n=1)
    wire.script = [lie] * 8
    with pytest.raises(OutcomeUnknown):
        tx.run(body)
    assert stored(wire, A)["n"] == {"N": "1"}


@pytest.mark.parametrize("body", [change, replace, both], ids=lambda body: body.__name__)
def test_a_write_whose_answer_is_none_is_made_once(tx, wire, lie, body):
    put(tx, A, n=1)
    wire.script = [lambda call: (call(), lie(call))[1]]
    tx.run(body)
    assert stored(wire, A)["n"] == {"N": "2"}


def test_nothing_is_read_that_is_not_there(tx, wire, lie):
    put(tx, A, n=1)
    wire.reads = [lie] * 8
    with pytest.raises(ServiceUnavailable, match="none to what was asked"):
        tx.run(lambda t: t.get("t", A))
    wire.reads = [lie]
    assert tx.run(lambda t: t.get("t", A)) == {"pk": "a", "n": 1}
    wire.reads = [lie]
    assert tx.snapshot([("t", A), ("t", B)]) == [{"pk": "a", "n": 1}, None]


def test_a_key_may_be_a_number_that_the_store_writes_otherwise(tx, wire):
    wire.reads = [lambda _: {"Item": {"n": {"N": "1.0"}, "v": {"S": "x"}}}]
    assert tx.run(lambda t: t.get("t", {"n": 1})) == {"n": 1, "v": "x"}


def test_a_table_may_be_named_by_its_arn(tx, wire):
    arn = "arn:aws:dynamodb:us-east-1:123456789012:table/t"
    used = {"TableName": "t", "CapacityUnits": 1.0}
    wire.reads = [lambda _: {"ConsumedCapacity": used}]
    wire.script = [lambda _: {"ConsumedCapacity": [used]}]
    tx.run(lambda t: t.get(arn, A) or t.put(arn, A, {}))
