"""A Signer's tokens verify elsewhere, and name the key that signed them."""

import asyncio
import base64
import json
import threading
import time
from datetime import timedelta
from functools import partial

import jwt
import pytest
from botocore.exceptions import ReadTimeoutError

from interlock import signing
from interlock._protocol.signing.keys import same_key, thumbprint
from interlock.aio import signing as awaitable_signing
from interlock.errors import (
    AccessDenied,
    CredentialsRejected,
    InvalidValue,
    KeyUnusable,
    RequestRefused,
    ServiceUnavailable,
    Throttled,
    UnsupportedKey,
)
from interlock.metrics import EmbeddedMetrics
from tests.unit.signing.kms import refusal

SPECS = {
    "ECC_NIST_P256": "ES256",
    "ECC_NIST_P384": "ES384",
    "ECC_NIST_P521": "ES512",
    "ECC_SECG_P256K1": "ES256K",
    "ECC_NIST_EDWARDS25519": "Ed25519",
    "ML_DSA_44": "ML-DSA-44",
    "ML_DSA_65": "ML-DSA-65",
    "ML_DSA_87": "ML-DSA-87",
    "RSA_2048": "PS256",
    "RSA_3072": "PS256",
}

# On a clock that stands still: what is beyond it is the first pause that is longer.
SOON = timedelta(milliseconds=10)


class Clock:
    def __init__(self, now=1000.0):
        self.now = now

    def __call__(self):
        return self.now


def header(token):
    part = token.split(".")[0]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


@pytest.mark.parametrize(("spec", "algorithm"), SPECS.items())
def test_each_key_spec_signs_what_its_published_key_verifies(lib, kms, spec, algorithm):
    key = kms.create(spec)
    claims = {"counter": "visits", "value": 3, "note": "é"}
    token = lib.Signer(key, client=kms).sign(claims)
    document = lib.jwks([key], client=kms)
    assert header(token) == {"alg": algorithm, "kid": document["keys"][0]["kid"]}
    assert lib.Verifier(document, algorithms={algorithm}).verify(token) == claims
    if algorithm.startswith(("ES", "PS")):
        # An implementation that shares nothing with the signing side agrees.
        (published,) = jwt.PyJWKSet.from_dict(document).keys
        assert jwt.decode(token, published, algorithms=[algorithm]) == claims


def test_an_rsa_key_signs_rs256_where_asked(lib, kms):
    key = kms.create("RSA_2048")
    token = lib.Signer(key, client=kms, rsa_algorithm="RS256").sign({"a": 1})
    document = lib.jwks([key], client=kms, rsa_algorithm="RS256")
    assert lib.Verifier(document, algorithms={"RS256"}).verify(token) == {"a": 1}


def test_the_thumbprint_is_that_of_rfc_7638():
    n = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_"
        "BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0"
        "_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWh"
        "AI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    )
    expected = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"  # RFC 7638, 3.1
    assert thumbprint({"kty": "RSA", "n": n, "e": "AQAB"}) == expected


def test_kid_is_stable_for_a_key_and_changes_with_it(lib, kms):
    one, other = kms.create(), kms.create()
    assert lib.Signer(one, client=kms).key().kid == lib.Signer(one, client=kms).key().kid
    assert lib.Signer(one, client=kms).key().kid != lib.Signer(other, client=kms).key().kid


def test_a_repointed_alias_never_yields_another_keys_kid(lib, kms):
    """Between the repointing and the look-up the old key signs, under its own name."""
    old, new = kms.create(), kms.create()
    kms.aliases["alias/receipts"] = old
    clock = Clock()
    signer = lib.Signer("alias/receipts", client=kms, monotonic=clock, refresh=timedelta(minutes=5))
    kids = {key: lib.Signer(key, client=kms).key().kid for key in (old, new)}
    verifier = lib.Verifier(lib.jwks([new, old], client=kms))
    assert header(signer.sign({}))["kid"] == kids[old]
    kms.aliases["alias/receipts"] = new
    for passed, key in [(299, old), (2, new)]:
        clock.now += passed
        token = signer.sign({"n": 1})
        assert header(token)["kid"] == kids[key]
        assert verifier.verify(token) == {"n": 1}


def test_a_signature_by_another_key_than_asked_is_not_given_out(lib, kms):
    key, other = kms.create(), kms.create()
    sign = kms.sign
    kms.sign = lambda **params: sign(**params | {"KeyId": other})
    with pytest.raises(ServiceUnavailable, match=other):
        lib.Signer(key, client=kms, timeout=SOON, monotonic=Clock()).sign({})


def test_a_retired_key_gives_way_to_its_successor_at_once(lib, kms):
    old, new = kms.create(), kms.create()
    kms.aliases["alias/a"] = old
    signer = lib.Signer("alias/a", client=kms)
    signer.sign({})
    kms.aliases["alias/a"] = new
    kms.disabled.add(old)
    assert lib.Verifier(lib.jwks([new], client=kms)).verify(signer.sign({"n": 2})) == {"n": 2}


def test_a_disabled_key_without_successor_is_reported(lib, kms):
    """It is not asked to sign once more, as no other key has taken its place."""
    key = kms.create()
    signer = lib.Signer(key, client=kms)
    signer.key()
    kms.calls.clear()
    kms.failures = [refusal("DisabledException")]
    with pytest.raises(KeyUnusable, match="DisabledException"):
        signer.sign({})
    assert [operation for operation, _ in kms.calls] == ["Sign", "GetPublicKey"]


def test_a_failing_look_up_leaves_the_known_key_signing(lib, kms, caplog):
    key, clock = kms.create(), Clock()
    signer = lib.Signer(key, client=kms, monotonic=clock)
    signer.sign({})
    clock.now += 301
    kms.failures = [ReadTimeoutError(endpoint_url="http://127.0.0.1")]
    kid = header(signer.sign({}))["kid"]
    assert kid == lib.Signer(key, client=kms).key().kid
    assert "cannot look up" in caplog.text


def looked_up(kms):
    return [operation for operation, _ in kms.calls].count("GetPublicKey")


@pytest.mark.parametrize(("refresh", "pause"), [(300, 30), (10, 10)])
def test_a_failing_look_up_is_tried_once_and_again_soon(lib, kms, refresh, pause):
    clock = Clock()
    options = {"monotonic": clock, "refresh": timedelta(seconds=refresh)}
    signer = lib.Signer(kms.create(), client=kms, **options)
    for passed, look_ups, failures in [
        (0, 1, 0),
        (refresh - 1, 1, 0),
        (1, 2, 1),
        (pause - 1, 2, 0),
        (1, 3, 2),  # of which the second, were it asked again, would be the signature's
        (pause, 4, 0),
        (refresh - 1, 4, 0),
        (1, 5, 0),
    ]:
        clock.now += passed
        kms.failures = [refusal("KMSInternalException", 500)] * failures
        signer.sign({})
        assert looked_up(kms) == look_ups


def test_the_key_is_looked_up_once_for_many_signatures(lib, kms):
    signer = lib.Signer(kms.create(), client=kms)
    for _ in range(3):
        signer.sign({})
    assert [operation for operation, _ in kms.calls] == ["GetPublicKey", "Sign", "Sign", "Sign"]


@pytest.mark.parametrize(
    "failure",
    [
        refusal("ThrottlingException"),
        refusal("KMSInternalException", 500),
        ReadTimeoutError(endpoint_url="http://127.0.0.1"),
    ],
)
def test_a_passing_failure_is_retried(lib, kms, failure):
    key = kms.create()
    kms.failures = [failure]
    token = lib.Signer(key, client=kms).sign({"n": 1})
    assert lib.Verifier(lib.jwks([key], client=kms)).verify(token) == {"n": 1}


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (refusal("ThrottlingException"), Throttled),
        (refusal("KMSInternalException", 500), ServiceUnavailable),
        (refusal("AccessDeniedException"), AccessDenied),
        (refusal("ValidationException"), RequestRefused),
        (refusal("ExpiredTokenException"), CredentialsRejected),
    ],
)
def test_a_lasting_failure_has_its_own_error(lib, kms, failure, error):
    signer = lib.Signer(kms.create(), client=kms, timeout=SOON, monotonic=Clock())
    kms.failures = [failure] * 1000
    with pytest.raises(error):
        signer.sign({})


def test_each_error_is_counted_under_its_key(lib, kms):
    lines: list[str] = []
    key = kms.create()
    signer = lib.Signer(key, client=kms, metrics=EmbeddedMetrics(lines.append))
    signer.sign({})
    assert not lines
    kms.disabled.add(key)
    for sign in (lambda: signer.sign({}), lambda: signer.sign_detached(b"a")):
        with pytest.raises(KeyUnusable):
            sign()
    assert [(m["SigningErrors"], m["KeyId"]) for m in map(json.loads, lines)] == [(1, key)] * 2


@pytest.mark.parametrize("prefix", ["", "arn:aws:kms:eu-west-1:111122223333:"])
def test_until_the_key_is_known_an_error_is_counted_under_its_alias(lib, kms, prefix):
    """However the alias is written, so that one alarm can name it."""
    lines: list[str] = []
    signer = lib.Signer(f"{prefix}alias/a", client=kms, metrics=EmbeddedMetrics(lines.append))
    with pytest.raises(KeyUnusable):
        signer.sign({})
    assert [json.loads(line)["KeyId"] for line in lines] == ["alias/a"]


def test_metrics_that_fail_hide_no_error(lib, kms):
    class Broken:
        def record(self, _values, _dimensions):
            raise OSError("the disk is full")

    key = kms.create()
    kms.disabled.add(key)
    with pytest.raises(KeyUnusable):
        lib.Signer(key, client=kms, metrics=Broken()).sign({})


def test_a_key_of_another_usage_is_refused(lib, kms):
    key = kms.create()
    reply = kms.get_public_key(KeyId=key) | {"KeyUsage": "KEY_AGREEMENT"}
    kms.get_public_key = lambda **_: reply
    with pytest.raises(UnsupportedKey, match="KEY_AGREEMENT"):
        lib.Signer(key, client=kms).sign({})


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"KeySpec": "ECC_NIST_EDWARDS448"}, "ECC_NIST_EDWARDS448"),
        ({"CustomerMasterKeySpec": "ECC_NIST_EDWARDS448"}, "ECC_NIST_EDWARDS448"),
        ({}, "unknown"),
    ],
    ids=["as it is called", "as it was called", "not said"],
)
def test_a_key_that_no_jws_knows_is_refused(lib, kms, spec, told):
    reply = {
        "KeyId": "arn:aws:kms:eu-west-1:111122223333:key/1",
        "KeyUsage": "SIGN_VERIFY",
        "PublicKey": bytes.fromhex("3043300506032b6571033a00") + bytes(57),
        **spec,
    }
    kms.get_public_key = lambda **_: reply
    with pytest.raises(UnsupportedKey, match=f"{told}.*neither"):
        lib.Signer(reply["KeyId"], client=kms).sign({})


ARN = "arn:aws:kms:eu-west-1:111122223333:key/1"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (ARN, ARN, True),
        (ARN, "1", True),
        ("1", ARN, True),
        ("1", "1", True),
        (ARN, ARN.replace("eu-west-1", "us-east-1"), False),
        (ARN, "2", False),
        ("2", ARN, False),
        ("1", "2", False),
    ],
)
def test_a_key_is_the_same_by_its_arn_or_its_bare_id(one, other, same):
    assert same_key(one, other) is same


def test_lifetime_sets_the_times(lib, kms):
    signer = lib.Signer(kms.create(), client=kms, wall_clock=Clock(1_700_000_000.9))
    payload = signer.sign({"a": 1}, lifetime=timedelta(minutes=1)).split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    assert claims == {"iat": 1_700_000_000, "a": 1, "exp": 1_700_000_060}


def nested(levels):
    nest: list[object] = []
    for _ in range(levels):
        nest = [nest]
    return nest


NO_CLAIMS = {
    "no number": {"a": float("nan")},
    "an object": {"a": object()},
    "half a surrogate pair": {"a": "\ud800"},
    "nested too deeply": {"a": nested(100_000)},
    "a text": "a",
    "a list": ["a"],
}


@pytest.mark.parametrize("claims", NO_CLAIMS.values(), ids=NO_CLAIMS)
def test_what_json_cannot_hold_is_not_signed(lib, kms, claims):
    with pytest.raises(InvalidValue, match="claims"):
        lib.Signer(kms.create(), client=kms).sign(claims)
    assert "Sign" not in [operation for operation, _ in kms.calls]


def test_a_type_is_a_text(lib, kms):
    signer = lib.Signer(kms.create(), client=kms)
    for sign in (partial(signer.sign, {}), partial(signer.sign_detached, b"")):
        with pytest.raises(InvalidValue, match="token_type"):
            sign(token_type=7)
        assert header(sign(token_type="a+jwt"))["typ"] == "a+jwt"


def test_an_algorithm_that_no_rsa_key_signs_by_is_refused_whatever_the_keys_are(lib, kms):
    for make in (lib.Signer, lambda key, **options: lib.jwks([key], **options)):
        with pytest.raises(InvalidValue, match="rsa_algorithm"):
            make(kms.create(), client=kms, rsa_algorithm="RS1")


def test_a_large_detached_payload_is_signed_by_its_digest(lib, kms):
    key = kms.create()
    payload = bytes(1_000_000)
    token = lib.Signer(key, client=kms).sign_detached(payload)
    assert header(token)["crit"] == ["b64"]
    assert ".." in token
    lib.Verifier(lib.jwks([key], client=kms)).verify_detached(token, payload)


def test_jwks_lists_a_key_once_however_it_is_named(lib, kms):
    one, other = kms.create(), kms.create()
    kms.aliases["alias/current"] = one
    document = lib.jwks(["alias/current", one, other], client=kms)
    assert len(document["keys"]) == 2
    assert document["keys"][0] | {"use": "sig", "alg": "ES256"} == document["keys"][0]


class Hangs:
    """A KMS client whose calls do not come back until they are let go."""

    def __init__(self):
        self.released = threading.Event()

    def get_public_key(self, **_):
        self.released.wait(60)

    sign = generate_mac = verify_mac = get_public_key


class HangsOnALoop:
    async def get_public_key(self, **_):
        await asyncio.sleep(60)

    sign = generate_mac = verify_mac = get_public_key


CALLS = {
    "Signer": lambda made, half: half(made.Signer, "k").sign({}),
    "jwks": lambda made, half: half(made.jwks, ["k"]),
    "Mac": lambda made, half: half(made.Mac, "k").sign({}),
    "KmsVerifier": lambda made, half: half(made.KmsVerifier, ["k"]).verify(TOKEN),
    "DelegatedSigner": lambda made, half: half(made.DelegatedSigner, "k").sign({}),
}
TOKEN = "eyJhbGciOiJFUzI1NiIsImtpZCI6ImsifQ.e30.AAAA"


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_kms_that_hangs_is_given_up_within_the_time_given(call):
    client = Hangs()
    began = time.monotonic()
    with pytest.raises(ServiceUnavailable):
        call(signing, partial(_made, client))
    assert time.monotonic() - began < 20
    client.released.set()


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_a_kms_that_hangs_does_not_hold_up_a_loop(call):
    began = time.monotonic()
    with pytest.raises(ServiceUnavailable):
        await call(awaitable_signing, partial(_made, HangsOnALoop()))
    assert time.monotonic() - began < 20


def _made(client, kind, key):
    return kind(key, client=client, timeout=timedelta(seconds=0.2))
