"""What the protocols take for granted of an engine, before anything is built on it."""

import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

KEY = {"pk": {"S": "lock#a"}}


def test_refused_condition_shows_the_item(store, table):
    """One round trip tells both that the condition failed and what is there."""
    store.put_item(TableName=table, Item=KEY | {"version": {"S": "v1"}})
    with pytest.raises(ClientError) as refused:
        store.update_item(
            TableName=table,
            Key=KEY,
            UpdateExpression="SET version = :v",
            ConditionExpression="attribute_not_exists(version)",
            ExpressionAttributeValues={":v": {"S": "v2"}},
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    assert refused.value.response["Error"]["Code"] == "ConditionalCheckFailedException"
    answer: dict[str, Any] = dict(refused.value.response)
    assert answer["Item"]["version"] == {"S": "v1"}


def test_client_request_token_applies_a_transaction_once(store, table):
    """The same transaction sent twice under one token counts once."""
    request = {
        "ClientRequestToken": str(uuid.uuid4()),
        "TransactItems": [
            {
                "Update": {
                    "TableName": table,
                    "Key": KEY,
                    "UpdateExpression": "ADD n :one",
                    "ExpressionAttributeValues": {":one": {"N": "1"}},
                }
            }
        ],
    }
    store.transact_write_items(**request)
    store.transact_write_items(**request)
    assert store.get_item(TableName=table, Key=KEY)["Item"]["n"] == {"N": "1"}
