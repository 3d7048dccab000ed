"""The function's entry point takes its environment, and signs changes where a key is given."""

import importlib
import json

import boto3

from interlock.receipts import ReceiptVerifier
from interlock.signing import jwks
from tests.unit.api.conftest import CONTEXT, INCREMENT
from tests.unit.signing.kms import LocalKms


def increment():
    reply = importlib.import_module("handler").handler(INCREMENT, CONTEXT)
    assert reply["statusCode"] == 200
    return json.loads(reply["body"])


def test_a_change_comes_with_a_receipt_that_anyone_can_verify(aws, monkeypatch):  # noqa: ARG001 - it is the world
    kms, make = LocalKms(), boto3.client
    monkeypatch.setattr(
        boto3, "client", lambda service, **o: kms if service == "kms" else make(service, **o)
    )
    monkeypatch.setenv("INTERLOCK_SIGNING_KEY", kms.create())
    monkeypatch.setenv("INTERLOCK_ISSUER", "https://api.example/v1")
    change = increment()
    keys = jwks(kms.keys, client=kms)
    receipt = ReceiptVerifier(keys, issuer="https://api.example/v1").verify(change["receipt"])
    assert (receipt.counter, receipt.value, receipt.amount) == ("visits", 2, 2)
    assert (receipt.previous, receipt.idempotency_key) == (0, "k")


def test_without_a_key_a_change_comes_without_a_receipt(aws):  # noqa: ARG001 - it is the world
    assert "receipt" not in increment()
