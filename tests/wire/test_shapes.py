"""What a reply must have to be one to its call, and what no other call's reply has."""

from typing import Any

import pytest

from interlock._protocol.faults import CancellationReason, NoReply, Refused
from interlock._protocol.requests import Call
from interlock._wire import shapes
from interlock._wire.shapes import mismatch, reasons_of, refusal_mismatch, throttling_of

KEY = {"pk": {"S": "a"}}
OTHER = {"pk": {"S": "b"}}
NUMBER = {"n": {"N": "1"}}
GET = {"TableName": "t", "Key": KEY}
TOGETHER = {"TransactItems": [{"Get": GET}]}
TABLES: dict[str, Any] = {"RequestItems": {"t": {}, "u": {}}}
LEFT = {"Keys": [KEY]}


@pytest.mark.parametrize(
    ("operation", "params", "reply"),
    [
        ("DescribeTable", {}, {"Item": 5}),
        ("GetItem", {"Key": {}}, {"Item": {}}),
        ("GetItem", {"Key": {"n": {"N": "1.0"}}}, {"Item": NUMBER}),
        ("UpdateItem", {"Key": KEY, "ReturnValues": "ALL_OLD"}, {"Attributes": KEY}),
        ("PutItem", {"Item": KEY, "ReturnValues": "ALL_OLD"}, {"Attributes": OTHER}),
        ("DeleteItem", {"Key": KEY}, {}),
        ("TransactGetItems", TOGETHER, {"Responses": [{}]}),
        ("TransactGetItems", TOGETHER, {"Responses": [{"Item": KEY}]}),
        ("TransactWriteItems", {"TransactItems": [{}]}, {}),
        ("BatchGetItem", TABLES, {"Responses": {}}),
        ("BatchGetItem", TABLES, {"Responses": {"t": [KEY]}, "UnprocessedKeys": {"u": LEFT}}),
        ("BatchGetItem", {"RequestItems": {"t": {"Keys": [KEY]}}}, {"Responses": {"t": [KEY]}}),
        (
            "BatchGetItem",
            {"RequestItems": {"t": {"Keys": [KEY], "ProjectionExpression": "v"}}},
            {"Responses": {"t": [{"v": {"N": "1"}}]}},
        ),
        ("BatchExecuteStatement", {"Statements": [{}, {}]}, {"Responses": [{}, {}]}),
        ("BatchExecuteStatement", {"Statements": []}, {"Responses": []}),
        ("Query", {}, {"Items": [], "Count": 0}),
        ("Scan", {}, {"Items": [KEY], "LastEvaluatedKey": KEY}),
        ("Query", {"Select": "COUNT"}, {"Count": 0}),
        ("Sign", {}, {"Signature": b"s"}),
        ("GenerateMac", {}, {"Mac": b"m"}),
        ("GetPublicKey", {}, {"PublicKey": b"p"}),
    ],
)
def test_what_answers_its_call_may_be_believed(operation, params, reply):
    assert mismatch(operation, params, reply) is None
    assert shapes.checked(Call(operation, params), reply) is reply


@pytest.mark.parametrize(
    ("operation", "params", "reply", "why"),
    [
        ("GetItem", GET, [], "it is"),
        ("GetItem", GET, {"Attributes": KEY}, "it has 'Attributes'"),
        ("GetItem", GET, {"Item": OTHER}, "another's"),
        ("GetItem", GET, {"Item": {"x": {"S": "a"}}}, "no 'pk'"),
        ("GetItem", GET, {"Item": {"pk": {"N": "1"}}}, "another's"),
        ("GetItem", {"Key": NUMBER}, {"Item": {"n": {"S": "1"}}}, "another's"),
        ("GetItem", {"Key": NUMBER}, {"Item": {"n": {"N": "one"}}}, "another's"),
        ("GetItem", {"Key": NUMBER}, {"Item": {"n": {"N": "1.5"}}}, "another's"),
        ("GetItem", {"Key": {"n": None}}, {"Item": NUMBER}, "another's"),
        ("UpdateItem", {"Key": KEY, "ReturnValues": "ALL_OLD"}, {"Attributes": {}}, "no 'pk'"),
        ("UpdateItem", {"Key": KEY, "ReturnValues": "ALL_NEW"}, {}, "missing"),
        ("DeleteItem", {"Key": KEY}, {"Attributes": KEY}, "not asked for"),
        ("PutItem", {"ReturnValues": "ALL_OLD"}, {"Attributes": {"a": 5}}, "'a' is 5"),
        ("TransactGetItems", TOGETHER, {"Responses": [{}, {}]}, "each of 1"),
        ("TransactGetItems", {"TransactItems": []}, {"Responses": {}}, "each of 0"),
        ("TransactGetItems", TOGETHER, {"Responses": [5]}, "no object"),
        ("TransactGetItems", TOGETHER, {"Responses": [{"Item": OTHER}]}, "another's"),
        ("TransactWriteItems", {}, {"Item": KEY}, "it has 'Item'"),
        ("BatchGetItem", TABLES, {"Responses": []}, "no responses"),
        ("BatchGetItem", TABLES, {"Responses": {}, "UnprocessedKeys": []}, "no responses"),
        ("BatchGetItem", TABLES, {"Responses": {"v": []}}, "it is about"),
        ("BatchGetItem", TABLES, {"Responses": {}, "UnprocessedKeys": {"v": LEFT}}, "about"),
        ("BatchGetItem", TABLES, {"Responses": {}, "UnprocessedKeys": {"t": {}}}, "unsaid"),
        ("BatchGetItem", TABLES, {"Responses": {}, "UnprocessedKeys": {"t": []}}, "unsaid"),
        (
            "BatchGetItem",
            TABLES,
            {"Responses": {}, "UnprocessedKeys": {"t": LEFT, "u": {}}},
            "unsaid",
        ),
        ("BatchGetItem", TABLES, {"Responses": {"t": [], "u": [5]}}, "no object"),
        ("BatchExecuteStatement", {"Statements": [{}]}, {"Responses": []}, "each of 1"),
        ("BatchExecuteStatement", {"Statements": []}, {"Responses": {}}, "each of 0"),
        ("BatchExecuteStatement", {"Statements": [{}, {}]}, {"Responses": [{}, 5]}, "no object"),
        ("Query", {}, {}, "no list"),
        ("Query", {}, {"Items": [5]}, "no object"),
        ("Query", {}, {"Items": [KEY, {}]}, "empty"),
        ("Query", {}, {"Items": [], "LastEvaluatedKey": "x"}, "no object"),
        ("Scan", {}, {"Items": "x"}, "no list"),
        ("Scan", {"Select": "COUNT"}, {"Count": "3"}, "no count"),
        ("Sign", {}, {"Signature": b""}, "no Signature"),
        ("GenerateMac", {}, {}, "no Mac"),
        ("GetPublicKey", {}, {}, "no PublicKey"),
    ],
)
def test_what_does_not_answer_its_call_is_named(operation, params, reply, why):
    found = mismatch(operation, params, reply)
    assert found is not None
    assert why in found
    with pytest.raises(NoReply, match=f"not to this {operation}"):
        shapes.checked(Call(operation, params), reply)


@pytest.mark.parametrize(
    "value",
    [
        {"S": "a"},
        {"N": "1"},
        {"B": b"a"},
        {"BOOL": False},
        {"NULL": True},
        {"SS": ["a"]},
        {"L": []},
        {"M": {}},
        {"L": [{"S": "a"}, {"M": {"b": {"N": "1"}}}]},
        {"a type to come": 5},
    ],
)
def test_a_value_has_its_type(value):
    assert mismatch("GetItem", {"Key": {}}, {"Item": {"a": value}}) is None


@pytest.mark.parametrize(
    "value",
    [
        5,
        "x",
        ["x"],
        {},
        {"S": "a", "N": "1"},
        {"S": 5},
        {"N": 5},
        {"B": 5},
        {"BOOL": "true"},
        {"NULL": 1},
        {"SS": "x"},
        {"NS": "x"},
        {"BS": "x"},
        {"L": {}},
        {"M": []},
        {"L": [{"S": "a"}, {"S": 5}]},
        {"M": {"a": {"S": "a"}, "b": 5}},
    ],
)
def test_a_value_without_its_type_is_none(value):
    found = mismatch("GetItem", {"Key": {}}, {"Item": {"a": value}})
    assert found == f"the item's 'a' is {value!r}"


ONE, TWO = {"pk": {"N": "1"}}, {"pk": {"N": "2"}}
ASKED = {"RequestItems": {"t": {"Keys": [ONE, TWO]}}}


@pytest.mark.parametrize(
    "reply",
    [
        {"Responses": {}},
        {"Responses": {"t": [{"pk": {"N": "1.0"}, "v": {"S": "x"}}, TWO]}},
        {"Responses": {"t": [ONE]}, "UnprocessedKeys": {"t": {"Keys": [TWO]}}},
    ],
)
def test_a_batch_answers_the_keys_that_were_asked_for_or_some(reply):
    assert mismatch("BatchGetItem", ASKED, reply) is None


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ({"Responses": {"t": [{"pk": {"N": "3"}}]}}, "none of those"),
        ({"Responses": {"t": [{"pk": {"S": "1"}}]}}, "none of those"),
        ({"Responses": {"t": [{"pk": {"N": "one"}}]}}, "none of those"),
        ({"Responses": {"t": [{"pk": {"L": []}}]}}, "none of those"),
        ({"Responses": {"t": [{"v": {"N": "1"}}]}}, "none of those"),
        ({"Responses": {"t": [ONE, {"pk": {"N": "1.0"}}]}}, "twice"),
        ({"Responses": {}, "UnprocessedKeys": {"t": {"Keys": [{"pk": {"N": "3"}}]}}}, "none of"),
        ({"Responses": {"t": [ONE]}, "UnprocessedKeys": {"t": {"Keys": [ONE]}}}, "twice"),
        ({"Responses": {}, "UnprocessedKeys": {"t": {"Keys": 5}}}, "no list"),
    ],
)
def test_a_batch_of_other_items_is_no_answer(reply, why):
    found = mismatch("BatchGetItem", ASKED, reply)
    assert found is not None
    assert why in found


CHECKED = {"Key": KEY, "ConditionExpression": "x = :y"}
CONDITION, WITHOUT = {"Update": CHECKED}, {"Update": GET}
WRITES = {"TransactItems": [CONDITION, WITHOUT]}
FAILED, FINE = CancellationReason("ConditionalCheckFailed"), CancellationReason("None")
TEXT = {"S": "x"}
PUT = {"Item": {**KEY, "v": TEXT}, "ConditionExpression": "x = :y"}
PUTS = {"TransactItems": [{"Put": PUT}]}


def refused_by(item):
    return CancellationReason("ConditionalCheckFailed", None, item)


@pytest.mark.parametrize(
    ("params", "code", "item", "reasons"),
    [
        (GET, "ThrottlingException", None, ()),
        (GET, "ThrottlingException", None, (FINE,)),
        (CHECKED, "ConditionalCheckFailedException", None, ()),
        (CHECKED, "ConditionalCheckFailedException", KEY, ()),
        (WRITES, "TransactionCanceledException", None, ()),
        (WRITES, "TransactionCanceledException", None, (FAILED, FINE)),
        (WRITES, "TransactionCanceledException", None, (refused_by({**KEY, "n": TEXT}), FINE)),
        (PUTS, "TransactionCanceledException", None, (refused_by({**KEY, "n": TEXT}),)),
    ],
)
def test_a_refusal_of_its_call_may_be_believed(params, code, item, reasons):
    assert refusal_mismatch(params, Refused(code, "", item=item, reasons=reasons)) is None


@pytest.mark.parametrize(
    ("params", "code", "item", "reasons", "why"),
    [
        (GET, "ConditionalCheckFailedException", None, (), "no ConditionExpression"),
        (CHECKED, "TransactionCanceledException", None, (), "no TransactItems"),
        (CHECKED, "ConditionalCheckFailedException", OTHER, (), "another's"),
        (CHECKED, "ConditionalCheckFailedException", {}, (), "no 'pk'"),
        (WRITES, "TransactionCanceledException", None, (FAILED,), "1 reasons came for 2"),
        (WRITES, "TransactionCanceledException", None, (FINE, FAILED), "was not set"),
        ({"TransactItems": [{}]}, "TransactionCanceledException", None, (FAILED,), "not set"),
        (WRITES, "TransactionCanceledException", None, (refused_by({"a": 5}), FINE), "'a' is 5"),
        (WRITES, "TransactionCanceledException", None, (refused_by(OTHER), FINE), "another's"),
        (WRITES, "TransactionCanceledException", None, (refused_by({}), FINE), "no 'pk'"),
        (PUTS, "TransactionCanceledException", None, (refused_by(OTHER),), "in its place"),
        (PUTS, "TransactionCanceledException", None, (refused_by(5),), "no object"),
    ],
)
def test_a_refusal_of_another_call_is_named(params, code, item, reasons, why):
    found = refusal_mismatch(params, Refused(code, "", item=item, reasons=reasons))
    assert found is not None
    assert why in found


def test_reasons_and_limits_are_read_as_far_as_they_are_told():
    told = [{"Code": "ConditionalCheckFailed", "Message": "m", "Item": KEY}, 5, {}]
    assert reasons_of({"CancellationReasons": told}) == (
        CancellationReason("ConditionalCheckFailed", "m", KEY),
        CancellationReason("None", None, None),
    )
    assert throttling_of({"ThrottlingReasons": [{}, "x"]}) == ("unknown of the table",)
    for strange in ({}, {"CancellationReasons": {"Code": "None"}}):
        assert reasons_of(strange) == ()
