"""Changes come with receipts, which the API's own keys prove."""

import json
import sys
from datetime import timedelta

import pytest

from interlock import CounterClient
from interlock._drivers.clients import method_name
from interlock.receipts import ReceiptVerifier
from interlock.signing import DelegatedSigner
from interlock.testing._store.store import Store
from interlock.testing._store.tables import Table
from tests.unit.api.conftest import FOLDER, MODULES
from tests.unit.signing.kms import LocalKms, refusal


class Client:
    def __init__(self):
        store = Store(Table("t"))
        operations = ("DeleteItem", "GetItem", "PutItem", "UpdateItem")
        for operation in (*operations, "TransactGetItems", "TransactWriteItems"):
            setattr(self, method_name(operation), self.caller(store, operation))

    def caller(self, store, operation):
        return lambda **params: store.perform(operation, params)


@pytest.fixture
def kms():
    return LocalKms()


@pytest.fixture
def keys(kms):
    return [kms.create(), kms.create()]


@pytest.fixture(params=[None, timedelta(minutes=15)], ids=["by KMS", "delegated"])
def delegation(request):
    return request.param


@pytest.fixture
def send(monkeypatch, kms, keys, delegation):
    monkeypatch.syspath_prepend(FOLDER)
    from dispatch import dispatch  # importable from here on
    from locks import Locks
    from receipts import Receipts
    from routes import Services

    app = Services(
        CounterClient("t", client=Client()),
        Locks("t", client=Client()),
        Receipts(keys, "interlock-test", delegation=delegation, client=kms),
    )

    def call(method, resource, body=None, name=None, headers=None):
        event = {
            "httpMethod": method,
            "resource": resource,
            "pathParameters": {"name": name} if name else None,
            "body": None if body is None else json.dumps(body),
            "headers": {"Content-Type": "application/json", **(headers or {})},
        }
        reply = dispatch(app, event, "request")
        return reply["statusCode"], reply["headers"], json.loads(reply["body"] or "null")

    yield call
    for module in MODULES:
        sys.modules.pop(module, None)


def increment(send, amount=3, **more):
    return send("POST", "/counters/{name}/increment", {"amount": amount}, "visits", **more)[2]


def test_a_change_brings_a_receipt_that_the_published_keys_prove(send, keys):
    body = increment(send, headers={"Idempotency-Key": "req-7"})
    status, headers, document = send("GET", "/.well-known/jwks.json")
    assert (status, headers["Cache-Control"]) == (200, "public, max-age=300")
    assert len(document["keys"]) == len(keys)
    receipt = ReceiptVerifier(document, issuer="interlock-test").verify(body["receipt"])
    assert (receipt.counter, receipt.value, receipt.amount) == ("visits", 3, 3)
    assert (receipt.previous, receipt.idempotency_key) == (0, "req-7")
    assert receipt.request_id == "request"


def test_a_decrement_is_stated_as_one(send):
    increment(send, 5)
    body = send("POST", "/counters/{name}/decrement", {"amount": 2}, "visits")[2]
    status, _, stated = send("POST", "/receipts/verify", {"receipt": body["receipt"]})
    assert status == 200
    assert (stated["value"], stated["previous"], stated["amount"]) == (3, 5, -2)


def test_a_reset_is_stated_without_an_amount(send):
    """It sets the value whatever it was, so nothing is known of what was before."""
    increment(send, 5)
    body = send("POST", "/counters/{name}/reset", {"to": 2}, "visits")[2]
    status, _, stated = send("POST", "/receipts/verify", {"receipt": body["receipt"]})
    assert status == 200
    assert (stated["value"], stated["previous"], stated["amount"]) == (2, None, None)


def test_each_side_of_a_transfer_has_its_receipt(send):
    increment(send, 5)
    send("PUT", "/counters/{name}", {}, "other")
    body = {"from": "visits", "to": "other", "amount": 2}
    done = send("POST", "/transfers", body)[2]
    stated = [
        send("POST", "/receipts/verify", {"receipt": done[side]["receipt"]})[2]
        for side in ("from", "to")
    ]
    assert [(r["counter"], r["value"], r["amount"]) for r in stated] == [
        ("visits", 3, -2),
        ("other", 2, 2),
    ]


def test_the_keys_are_read_once(send, kms):
    for _ in range(3):
        send("GET", "/.well-known/jwks.json")
    assert [name for name, _ in kms.calls].count("GetPublicKey") == 2


def test_a_genuine_receipt_is_stated_and_another_is_refused_with_its_reason(send):
    receipt = increment(send)["receipt"]
    status, _, stated = send("POST", "/receipts/verify", {"receipt": receipt})
    assert (status, stated["counter"], stated["value"]) == (200, "visits", 3)
    head, payload, _ = receipt.split(".")
    for forged, reason in [
        (f"{head}.{payload}.{'A' * 86}", "BadSignature"),
        ("nonsense", "MalformedToken"),
    ]:
        status, _, problem = send("POST", "/receipts/verify", {"receipt": forged})
        assert (status, problem["reason"]) == (422, reason)


@pytest.mark.parametrize("receipt", [7, None, ["a.b.c"], {"a": 1}, True])
def test_what_is_no_text_is_a_bad_request_and_no_forged_receipt(send, receipt):
    status, _, problem = send("POST", "/receipts/verify", {"receipt": receipt})
    assert (status, problem["field"]) == (400, "receipt")


def test_a_delegated_receipt_is_refused_where_only_kms_verifies(send, kms, keys, delegation):
    """It may be one of before the deployment was set back, or a caller's invention."""
    token = DelegatedSigner(keys[0], client=kms, issuer="interlock-test").sign(
        {"iss": "interlock-test", "counter": "visits", "value": 3}
    )
    status, _, content = send("POST", "/receipts/verify", {"receipt": token})
    if delegation is not None:
        assert (status, content["value"]) == (200, 3)
    else:
        assert (status, content["reason"]) == (422, "AlgorithmUnavailable")
        assert "/.well-known/jwks.json" in content["detail"]


def test_a_change_stands_when_it_cannot_be_signed(send, kms):
    """An error would have the caller count again."""
    kms.failures = [refusal("AccessDeniedException")]
    body = increment(send)
    assert (body["value"], body["receipt"]) == (3, None)


def test_an_outage_of_kms_is_no_forged_receipt(send, kms):
    receipt = increment(send)["receipt"]
    kms.failures = [refusal("AccessDeniedException")]
    assert send("POST", "/receipts/verify", {"receipt": receipt})[0] == 500
