"""A reply names the tables that it is of, and so shows whether it answers what was asked."""

import pytest

from interlock._protocol import capacity as asked
from interlock._protocol.capacity import answers_transaction, uses

ARN = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders"


def of(table):
    return {"TableName": table, "CapacityUnits": 1.0}


def test_a_request_asks_for_what_its_answer_shows():
    """https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateItem.html"""
    assert asked.CAPACITY["ReturnConsumedCapacity"] == "TOTAL"


@pytest.mark.parametrize(
    ("capacity", "tables"),
    [
        (of("orders"), ["orders"]),
        (of("orders"), ["t", "orders"]),
        (of(ARN), ["orders"]),
        (of("orders"), [ARN]),
        (of(ARN), [ARN]),
    ],
)
def test_a_table_is_known_by_its_name_and_by_its_arn(capacity, tables):
    assert uses(capacity, tables)


@pytest.mark.parametrize(
    "capacity",
    [None, {}, [], "orders", of("t"), of("or"), of("table/"), of(None), of(5), [of("orders")]],
)
def test_what_is_not_of_the_table_answers_nothing(capacity):
    assert uses(capacity, ["orders"]) is False


@pytest.mark.parametrize(
    ("reply", "answers"),
    [
        ({"ConsumedCapacity": [of("orders")]}, True),
        ({"ConsumedCapacity": [of("orders"), of("t")]}, True),
        ({"ConsumedCapacity": [of("orders"), of("elsewhere")]}, False),
        ({"ConsumedCapacity": of("orders")}, False),
        ({"ConsumedCapacity": {}}, False),
        ({"ConsumedCapacity": None}, False),
        ({}, False),
        ("<html>", False),
        (None, False),
    ],
)
def test_a_transaction_is_answered_by_the_capacity_of_its_tables_alone(reply, answers):
    assert answers_transaction(reply, ["orders", "t"]) is answers
