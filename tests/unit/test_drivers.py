"""The blocking driver performs requests and tells what failed calls mean."""

from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
    SSLError,
)

from interlock._drivers.blocking.opening import open_driver
from interlock._drivers.clients import method_name
from interlock._protocol import requests
from interlock._protocol.faults import NoReply, NotSent, Refused


class Recorder:
    def __init__(self, outcome):
        self.outcome = outcome
        self.seen = []

    def update_item(self, **params):
        self.seen.append(params)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


def client_error(code, status=400, **more):
    response: Any = {
        "Error": {"Code": code, "Message": "why"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(response | more, "UpdateItem")


def fault_seen_by_an_operation(outcome, **params):
    def operation():
        try:
            yield from requests.call("UpdateItem", TableName="t", **params)
        except Exception as fault:  # noqa: BLE001 - whatever it is, it is the result
            return fault

    return open_driver(Recorder(outcome)).run(operation())


def test_a_call_reaches_the_client_and_its_reply_the_operation():
    client = Recorder({"Attributes": {}})
    assert open_driver(client).run(
        requests.call("UpdateItem", TableName="t", ReturnValues="UPDATED_NEW")
    ) == {"Attributes": {}}
    assert client.seen == [{"TableName": "t", "ReturnValues": "UPDATED_NEW"}]


def test_a_refusal_brings_the_record_that_refused():
    fault = fault_seen_by_an_operation(
        client_error("ConditionalCheckFailedException", Item={"pk": {"S": "lock#a"}}),
        ConditionExpression="attribute_not_exists(pk)",
    )
    assert isinstance(fault, Refused)
    assert fault.condition_failed
    assert fault.item == {"pk": {"S": "lock#a"}}


@pytest.mark.parametrize("code", ["ThrottlingError", "ProvisionedThroughputExceeded"])
def test_throttling_hidden_in_cancellation_reasons_is_seen(code):
    fault = fault_seen_by_an_operation(
        client_error(
            "TransactionCanceledException", CancellationReasons=[{"Code": "None"}, {"Code": code}]
        ),
        TransactItems=[{}, {}],
    )
    assert fault.throttled
    assert not fault.conflicted


@pytest.mark.parametrize(
    "outcome",
    [
        client_error("InternalServerError", 500),
        ReadTimeoutError(endpoint_url="http://127.0.0.1"),
        SSLError(endpoint_url="https://127.0.0.1", error=OSError("decryption failed")),
    ],
)
def test_a_lost_answer_is_no_refusal(outcome):
    assert isinstance(fault_seen_by_an_operation(outcome), NoReply)


def test_a_call_that_never_left_is_told_apart():
    outcome = EndpointConnectionError(endpoint_url="http://127.0.0.1")
    assert isinstance(fault_seen_by_an_operation(outcome), NotSent)


@pytest.mark.parametrize("outcome", [NoCredentialsError(), ParamValidationError(report="why")])
def test_a_call_that_can_never_leave_is_refused(outcome):
    fault = fault_seen_by_an_operation(outcome)
    assert isinstance(fault, Refused)
    assert (fault.code, fault.resent) == (type(outcome).__name__, False)


@pytest.mark.parametrize(
    "operation", ["GetItem", "UpdateItem", "TransactWriteItems", "TransactGetItems", "Sign"]
)
def test_operations_have_botocores_method_names(operation):
    assert method_name(operation) == xform_name(operation)
