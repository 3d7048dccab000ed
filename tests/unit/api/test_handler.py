"""The function's entry point takes its environment, and signs changes where a key is given."""

import importlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import boto3
import pytest
from moto import mock_aws

from interlock.receipts import ReceiptVerifier
from interlock.signing import jwks
from tests.unit.signing.kms import LocalKms

FOLDER = Path(__file__).parents[3] / "lambda" / "counters"
MODULES = ("handler", "answering", "incoming", "problems", "proofs", "routes")
CONTEXT = SimpleNamespace(
    aws_request_id="00000000-0000-4000-8000-000000000000",
    function_name="counters",
    function_version="1",
    memory_limit_in_mb=512,
    invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:counters",
)


@pytest.fixture
def aws(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.delenv("INTERLOCK_SIGNING_KEY", raising=False)
    monkeypatch.setenv("INTERLOCK_TABLE", "t")
    monkeypatch.setenv("POWERTOOLS_TRACE_DISABLED", "1")
    with mock_aws():
        boto3.client("dynamodb").create_table(
            TableName="t",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield
    for name in MODULES:
        sys.modules.pop(name, None)


def increment(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    event = {
        "httpMethod": "POST",
        "resource": "/counters/{name}/increment",
        "pathParameters": {"name": "visits"},
        "headers": {"Idempotency-Key": "k"},
        "queryStringParameters": None,
        "body": '{"amount": 2}',
    }
    reply = importlib.import_module("handler").handler(event, CONTEXT)
    assert reply["statusCode"] == 200
    return json.loads(reply["body"])


def test_a_change_comes_with_a_receipt_that_anyone_can_verify(aws, monkeypatch):  # noqa: ARG001 - it is the world
    kms, make = LocalKms(), boto3.client
    monkeypatch.setattr(
        boto3, "client", lambda service, **o: kms if service == "kms" else make(service, **o)
    )
    monkeypatch.setenv("INTERLOCK_SIGNING_KEY", kms.create())
    monkeypatch.setenv("INTERLOCK_ISSUER", "https://api.example/v1")
    change = increment(monkeypatch)
    keys = jwks(kms.keys, client=kms)
    receipt = ReceiptVerifier(keys, issuer="https://api.example/v1").verify(change["receipt"])
    assert (receipt.counter, receipt.value, receipt.amount) == ("visits", 2, 2)
    assert (receipt.previous, receipt.idempotency_key) == (0, "k")


def test_without_a_key_a_change_comes_without_a_receipt(aws, monkeypatch):  # noqa: ARG001 - it is the world
    assert "receipt" not in increment(monkeypatch)
