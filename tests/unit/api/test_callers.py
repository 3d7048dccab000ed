"""The caller is who signed; the service's role alone may name the person for whom it does."""

import importlib
import json
import sys

import pytest

from interlock import CounterClient
from interlock.receipts import ReceiptVerifier
from tests.unit.api.conftest import FOLDER, MODULES, Client
from tests.unit.signing.kms import LocalKms

SPEAKER = "arn:aws:sts::111122223333:assumed-role/interlock-prod-service-eu-central-1"
SERVICE = f"{SPEAKER}/i-0123456789abcdef0"
OTHER = "arn:aws:sts::111122223333:assumed-role/orders"
USER = "arn:aws:iam::111122223333:user/batch"
ALICE = "auth0|%C3%BC"


@pytest.fixture
def modules(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    yield {name: importlib.import_module(name) for name in ("callers", "dispatch", "routes")}
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.fixture
def send(modules):
    """Send a request that `signer` signed, and return the status and the answer's content."""
    receipts = importlib.import_module("receipts").Receipts
    locks = importlib.import_module("locks").Locks
    kms = LocalKms()
    keys = [kms.create()]
    app = modules["routes"].Services(
        CounterClient("t", client=Client()),
        locks("t", client=Client()),
        receipts(keys, "interlock-test", client=kms),
        modules["callers"].Speaker(SPEAKER),
    )
    verifier = ReceiptVerifier(app.receipts.key_set, issuer="interlock-test")

    def call(verb, body, *, signer, subject=None, name="visits", **headers):
        subjects = [subject] if isinstance(subject, str) else subject or []
        event = {
            "httpMethod": "POST",
            "resource": "/transfers" if verb == "transfers" else f"/counters/{{name}}/{verb}",
            "pathParameters": {"name": name},
            "body": json.dumps(body),
            "multiValueHeaders": {
                "Content-Type": ["application/json"],
                **({"x-interlock-SUBJECT": subjects} if subjects else {}),
                **{key.replace("_", "-"): [value] for key, value in headers.items()},
            },
            "requestContext": {"identity": {"userArn": signer} if signer else {}},
        }
        reply = modules["dispatch"].dispatch(app, event, "request")
        return reply["statusCode"], json.loads(reply["body"])

    call.verify = verifier.verify  # type: ignore[attr-defined]
    return call


def stated(send, verb, body, **more):
    status, content = send(verb, body, **more)
    assert status == 200, content
    return send.verify(content["receipt"])


@pytest.mark.parametrize(
    ("signer", "subject", "expected"),
    [
        (SERVICE, ALICE, "auth0|ü"),
        (SERVICE, None, None),  # open to all: the service knows none of them
        (f"{OTHER}/session", ALICE, OTHER),
        (f"{OTHER}/alice@example.com", None, OTHER),
        (USER, ALICE, USER),
        # A name that GetFederationToken lets its caller choose.
        (
            "arn:aws:sts::111122223333:federated-user/alice",
            None,
            "arn:aws:sts::111122223333:federated-user",
        ),
        (None, ALICE, None),
        # Roles whose ARN begins, or ends, as that of the service.
        (f"{SPEAKER}-2/i-1", ALICE, f"{SPEAKER}-2"),
        (SPEAKER, ALICE, SPEAKER.rpartition("/")[0]),
        (SERVICE.replace("::1", "::4"), ALICE, SPEAKER.replace("::1", "::4")),
    ],
)
def test_a_receipt_names_who_was_authenticated(send, signer, subject, expected):
    for verb, body in (
        ("increment", {"amount": 3}),
        ("decrement", {"amount": 1}),
        ("reset", {"to": 1}),
    ):
        assert stated(send, verb, body, signer=signer, subject=subject).subject == expected


def test_both_sides_of_a_transfer_name_the_same_person(send):
    for name in ("a", "b"):
        send("increment", {"amount": 5}, signer=SERVICE, subject=ALICE, name=name)
    body = {"from": "a", "to": "b", "amount": 2}
    status, content = send("transfers", body, signer=SERVICE, subject=ALICE)
    assert status == 200
    for side in ("from", "to"):
        assert send.verify(content[side]["receipt"]).subject == "auth0|ü"


def test_what_was_made_before_is_ascribed_to_no_one_who_repeats_it(send):
    """The record of a key does not say whose it was: another would be signed as who did it."""
    change = {"verb": "increment", "body": {"amount": 3}, "Idempotency_Key": "k"}
    first = stated(send, signer=SERVICE, subject="alice", **change)
    again = stated(send, signer=SERVICE, subject="mallory", **change)
    assert (first.subject, first.replayed) == ("alice", False)
    assert (again.subject, again.replayed, again.value) == (None, True, 3)


@pytest.mark.parametrize(
    "subject",
    [
        ["alice", "bob"],
        "s" * 257,
        "two%0Alines",
        "%00",
        "arn:aws:iam::111122223333:user/batch",
        "arn%3Aaws:iam::111122223333:root",
    ],
)
def test_a_name_that_the_service_would_not_send_changes_nothing(send, subject):
    status, problem = send("increment", {"amount": 3}, signer=SERVICE, subject=subject)
    assert (status, problem["field"]) == (400, "X-Interlock-Subject")
    assert stated(send, "increment", {"amount": 3}, signer=SERVICE, subject="alice").value == 3


def test_from_another_signer_the_header_is_not_even_read(send):
    status, _ = send("increment", {"amount": 3}, signer=USER, subject=["alice", "bob"])
    assert status == 200


def test_without_a_speaker_no_signer_names_a_person(modules):
    assert not modules["callers"].NO_SPEAKER.is_signer(SERVICE)
    assert not modules["callers"].Speaker("").is_signer("/anything")
