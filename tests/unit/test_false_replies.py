"""What answers with something else than the service is not believed, whichever client asked.

A proxy that has a page, nothing, `{}` or another request's reply for every question makes a call
take its time and fail; it never makes it return as if it had been carried out.
"""

from typing import Any

import pytest

from interlock._protocol.faults import CancellationReason, Refused
from interlock._protocol.requests import Call
from interlock._wire import shapes
from interlock.errors import InterlockError
from tests.unit.test_one_meaning import CALLS, KEY_CALLS, Dynamo, Kms

KEY = {"pk": {"S": "a"}}
OTHER = {"pk": {"S": "other"}, "version": {"S": "v"}, "fence": {"N": "9"}, "value": {"N": "7"}}
END = {"pk": {"S": "counter#visits"}, "listing": {"S": "counter"}}
LIES: dict[str, Any] = {
    "nothing": None,
    "a page": "<html>",
    "a list": [],
    "an empty object": {},
    "no attributes": {"Attributes": {}},
    "another item's attributes": {"Attributes": OTHER},
    "another item": {"Item": OTHER},
    "other items": {"Responses": [{"Item": OTHER}]},
    "items of a query": {"Items": [OTHER], "Count": 1},
    "no items at all": {"Items": [{}], "Count": 1},
    "items that are none": {"Items": [None], "Count": 1, "Responses": [{"Item": "x"}]},
    "an end that is none": {"Items": [], "Count": 0, "LastEvaluatedKey": "x"},
    "an end that never comes": {"Items": [], "Count": 0, "LastEvaluatedKey": END},
    "items that are a text": {"Responses": {"t": "x"}},
    "keys that are none": {"Responses": {"t": []}, "UnprocessedKeys": {"t": []}},
    "another table's capacity": {"ConsumedCapacity": {"TableName": "x", "CapacityUnits": 1.0}},
    "another key's signature": {"KeyId": "arn:aws:kms:x:1:key/2", "Signature": b"1", "Mac": b"1"},
}


def believed(of, call, lie):
    """Return what a call returns while every answer is a lie, or what it raises."""
    truth = of.service.answer
    of.service.answer = lambda operation, params: shapes.checked(Call(operation, params), lie)
    try:
        return call(of)
    except InterlockError as error:
        return error
    finally:
        of.service.answer = truth
        of.close()


@pytest.mark.parametrize("lie", LIES)
def test_no_client_of_dynamodb_believes_it(half, lie):
    results = {
        name: believed(Dynamo(half), call, LIES[lie])
        for name, (call, _) in CALLS.items()
        # A heartbeat raises what it noted; an eventual read of the list is no promise.
        if name not in {"locks: heartbeat", "tables: create", *EVENTUAL.get(lie, ())}
    }
    assert {name: it for name, it in results.items() if not isinstance(it, InterlockError)} == {}


PAGES = ("locks: page", "counters: page", "counters: states")
EVENTUAL = {
    "items of a query": (*PAGES, "locks: deadlocks", "counters: names"),
    "an end that never comes": PAGES,
}


@pytest.mark.parametrize("lie", LIES)
def test_no_client_of_kms_believes_it(half, lie):
    results = {name: believed(Kms(half), call, LIES[lie]) for name, call in KEY_CALLS.items()}
    assert {name: it for name, it in results.items() if not isinstance(it, InterlockError)} == {}


@pytest.mark.parametrize(
    "value",
    [
        None,
        5,
        "5",
        {},
        {"N": 5},
        {"S": None},
        {"S": "a", "N": "1"},
        {"M": []},
        {"L": [5]},
        {"M": {"a": {"N": 5}}},
        {"BOOL": "true"},
        {"SS": "a"},
    ],
)
@pytest.mark.parametrize(
    ("operation", "params", "reply"),
    [
        ("GetItem", {"Key": KEY}, lambda item: {"Item": item}),
        ("UpdateItem", {"Key": KEY, "ReturnValues": "ALL_NEW"}, lambda item: {"Attributes": item}),
        ("PutItem", {"Item": KEY, "ReturnValues": "ALL_OLD"}, lambda item: {"Attributes": item}),
        ("Query", {}, lambda item: {"Items": [item], "Count": 1}),
        ("BatchGetItem", {"RequestItems": {"t": {}}}, lambda item: {"Responses": {"t": [item]}}),
        (
            "TransactGetItems",
            {"TransactItems": [{"Get": {"Key": KEY}}]},
            lambda item: {"Responses": [{"Item": item}]},
        ),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_an_item_whose_values_have_no_types_is_no_answer(operation, params, reply, value):
    def problem(value):
        return shapes.mismatch(operation, params, reply({**KEY, "a": value}))

    assert problem(value) is not None
    for right in ({"N": "5"}, {"NULL": True}, {"B": b"x"}, {"L": [{"M": {"a": {"SS": ["b"]}}}]}):
        assert problem(right) is None


def test_a_refusal_whose_record_has_no_types_is_none_of_the_call():
    def refused(**params):
        return shapes.refusal_mismatch(params, refusal)

    refusal = Refused("ConditionalCheckFailedException", item={**KEY, "fence": 5})
    assert refused(Key=KEY, ConditionExpression="x") is not None
    reason = CancellationReason("ConditionalCheckFailed", item={**KEY, "fence": 5})
    refusal = Refused("TransactionCanceledException", reasons=(reason,))
    assert refused(TransactItems=[{"Put": {"ConditionExpression": "x"}}]) is not None


def test_a_condition_that_was_not_set_has_not_failed():
    reason = CancellationReason("ConditionalCheckFailed")
    refusal = Refused("TransactionCanceledException", reasons=(reason,))
    for action, believed in (({"Get": {}}, False), ({"Put": {"ConditionExpression": "x"}}, True)):
        problem = shapes.refusal_mismatch({"TransactItems": [action]}, refusal)
        assert (problem is None) is believed


@pytest.mark.parametrize("reasons", ["x", ["x"], [None], {"Code": "None"}, None])
def test_reasons_that_are_none_are_left_out(reasons):
    assert shapes.reasons_of({"CancellationReasons": reasons}) == ()
    assert shapes.throttling_of({"ThrottlingReasons": reasons}) == ()
