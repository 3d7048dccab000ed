"""A receipt states one change, and no other token passes for one."""

from datetime import UTC, datetime

import pytest

from interlock.errors import (
    BadSignature,
    ClaimMissing,
    ClaimRejected,
    InvalidValue,
    ServiceUnavailable,
    TokenNotYetValid,
)
from interlock.receipts import RECEIPT_TYPE, Receipt, receipt_of
from tests.unit.signing.issuer import SOON, Clock
from tests.unit.signing.kms import LocalKms, refusal

ISSUER = "https://api.example"
NOW = 1_800_000_000


@pytest.fixture
def kms():
    kms = LocalKms()
    kms.aliases["alias/receipts"] = kms.create()
    return kms


@pytest.fixture
def signer(lib, kms):
    return lib.Signer("alias/receipts", client=kms, timeout=SOON, monotonic=Clock())


@pytest.fixture
def issuer(lib, signer):
    return lib.ReceiptIssuer(signer, issuer=ISSUER, wall_clock=lambda: NOW + 0.7)


class ByKms:
    """Verifies as the counter function does, which has no cryptography."""

    def __init__(self, lib, kms):
        self._verifier = lib.KmsVerifier(
            ["alias/receipts"],
            client=kms,
            issuer=ISSUER,
            token_type=RECEIPT_TYPE,
            wall_clock=lambda: NOW,
        )

    def verify(self, token):
        return receipt_of(self._verifier.verify(token))


@pytest.fixture(params=["local", "kms"])
def verifier(lib, kms, request):
    if request.param == "kms":
        return ByKms(lib, kms)
    return lib.ReceiptVerifier(
        lib.jwks(["alias/receipts"], client=kms), issuer=ISSUER, wall_clock=lambda: NOW
    )


def test_a_receipt_states_the_change(issuer, verifier):
    token = issuer.issue(
        "visits", value=7, amount=3, previous=4, idempotency_key="req-7", request_id="r"
    )
    assert verifier.verify(token) == Receipt(
        counter="visits",
        value=7,
        amount=3,
        time=datetime.fromtimestamp(NOW, UTC),
        previous=4,
        idempotency_key="req-7",
        request_id="r",
    )


def test_a_receipt_names_who_made_the_change_by_the_registered_claim(lib, issuer, verifier, kms):
    token = issuer.issue("visits", value=1, amount=1, subject="auth0|ü")
    assert verifier.verify(token).subject == "auth0|ü"
    claims = lib.Verifier(lib.jwks(["alias/receipts"], client=kms), wall_clock=lambda: NOW)
    stated = claims.verify(token)
    assert stated["sub"] == "auth0|ü"
    assert "subject" not in stated


def test_what_is_not_known_is_not_stated(issuer, verifier):
    receipt = verifier.verify(issuer.issue("visits", value=-1, amount=-1, shard=0))
    assert (receipt.previous, receipt.idempotency_key, receipt.shard) == (None, None, 0)
    assert receipt.subject is None


def test_a_reset_has_no_amount(issuer, verifier):
    assert verifier.verify(issuer.issue("visits", value=9, amount=None)).amount is None


def test_another_kind_of_token_by_the_same_key_is_no_receipt(signer, verifier):
    claims = {"iss": ISSUER, "iat": NOW, "counter": "visits", "value": 1, "amount": 1}
    verifier.verify(signer.sign(claims, token_type=RECEIPT_TYPE))
    for token_type in (None, "JWT", "interlock-item+jwt"):
        with pytest.raises(ClaimRejected, match="typ"):
            verifier.verify(signer.sign(claims, token_type=token_type))


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"value": None}, ClaimRejected),
        ({"value": "7"}, ClaimRejected),
        ({"amount": True}, ClaimRejected),
        ({"counter": 3}, ClaimRejected),
        ({"replayed": 0}, ClaimRejected),
        ({"sub": ["alice"]}, ClaimRejected),
        ({"iss": "https://elsewhere.example"}, ClaimRejected),
        ({"iat": NOW + 60}, TokenNotYetValid),
    ],
)
def test_claims_that_state_no_receipt_are_refused(signer, verifier, changes, error):
    claims = {"iss": ISSUER, "iat": NOW, "counter": "visits", "value": 1, "amount": 1}
    with pytest.raises(error):
        verifier.verify(signer.sign(claims | changes, token_type=RECEIPT_TYPE))


@pytest.mark.parametrize("missing", ["counter", "value", "iss", "iat"])
def test_a_missing_claim_is_named(signer, verifier, missing):
    claims = {"iss": ISSUER, "iat": NOW, "counter": "visits", "value": 1, "amount": 1}
    del claims[missing]
    with pytest.raises(ClaimMissing, match=missing):
        verifier.verify(signer.sign(claims, token_type=RECEIPT_TYPE))


@pytest.mark.parametrize(
    "change",
    [
        {"counter": None},
        {"value": None},
        {"value": "7"},
        {"amount": True},
        {"amount": 1.0},
        {"shard": "0"},
        {"previous": "6"},
        {"replayed": None},
        {"idempotency_key": 7},
        {"request_id": 7},
        {"subject": ["alice"]},
    ],
    ids=str,
)
def test_what_no_receipt_can_state_is_refused_before_kms_is_asked(kms, issuer, change):
    given = {"counter": "visits", "value": 7, "amount": 1, **change}
    with pytest.raises(InvalidValue, match=next(iter(change))):
        issuer.issue(given.pop("counter"), **given)
    assert kms.calls == []


def test_a_change_that_an_earlier_request_made_is_stated_as_replayed(issuer, verifier):
    assert verifier.verify(issuer.issue("visits", value=7, amount=1, replayed=True)).replayed


def test_what_is_not_said_to_be_replayed_is_a_change_of_its_own(signer, verifier):
    claims = {"iss": ISSUER, "iat": NOW, "counter": "visits", "value": 1}
    assert not verifier.verify(signer.sign(claims, token_type=RECEIPT_TYPE)).replayed


@pytest.mark.parametrize("claims", ["counter", ["counter"], None])
def test_claims_are_what_a_verifier_returned(claims):
    with pytest.raises(InvalidValue, match="claims"):
        receipt_of(claims)


def test_a_receipt_by_an_unknown_issuers_key_is_refused(lib, kms, verifier):
    stranger = kms.create()
    token = lib.ReceiptIssuer(lib.Signer(stranger, client=kms), issuer=ISSUER).issue(
        "visits", value=1, amount=1
    )
    genuine = lib.ReceiptIssuer(lib.Signer("alias/receipts", client=kms), issuer=ISSUER).issue(
        "visits", value=1, amount=1
    )
    head = genuine.split(".")[0]
    with pytest.raises(BadSignature):
        verifier.verify(head + token[token.index(".") :])


def test_an_outage_is_raised_to_the_caller(kms, issuer):
    kms.failures = [refusal("KMSInternalException", 500)] * 1000
    with pytest.raises(ServiceUnavailable):
        issuer.issue("visits", value=1, amount=1)
