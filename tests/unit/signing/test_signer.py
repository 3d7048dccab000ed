"""A Signer's tokens verify elsewhere, and name the key that signed them."""

import base64
import json
from datetime import timedelta
from functools import partial

import jwt
import pytest

from interlock._protocol.signing.keys import same_key, thumbprint
from interlock.errors import InvalidValue, UnsupportedKey
from tests.unit.signing.issuer import Clock, header

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


def test_claims_are_written_as_compact_utf_8(lib, kms):
    payload = lib.Signer(kms.create(), client=kms).sign({"note": "é", "n": 1}).split(".")[1]
    assert base64.urlsafe_b64decode(payload + "==") == '{"note":"é","n":1}'.encode()


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
