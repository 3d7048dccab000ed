"""What answers with something else than the service is not believed, whichever client asked.

A proxy that has a page, nothing, `{}` or another request's reply for every question makes a call
take its time and fail; it never makes it return as if it had been carried out.
"""

from typing import Any

import pytest

from interlock._protocol.requests import Call
from interlock._wire import shapes
from interlock.errors import InterlockError
from tests.unit.test_one_meaning import CALLS, KEY_CALLS, Dynamo, Kms

OTHER = {"pk": {"S": "other"}, "version": {"S": "v"}, "fence": {"N": "9"}, "value": {"N": "7"}}
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


EVENTUAL = {"items of a query": ("counters: page", "counters: states", "counters: names")}


@pytest.mark.parametrize("lie", LIES)
def test_no_client_of_kms_believes_it(half, lie):
    results = {name: believed(Kms(half), call, LIES[lie]) for name, call in KEY_CALLS.items()}
    assert {name: it for name, it in results.items() if not isinstance(it, InterlockError)} == {}
