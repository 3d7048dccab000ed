"""Verification against published vectors: RFC 7515's examples and Wycheproof's attacks."""

import base64
import json
from pathlib import Path

import pytest

from interlock._protocol.signing.algorithms import SUPPORTED
from interlock._protocol.signing.checking import check_signature
from interlock.errors import (
    AlgorithmNotAllowed,
    AlgorithmUnavailable,
    BadSignature,
    InvalidToken,
    KeysUnavailable,
    MalformedToken,
    UnknownKey,
)
from interlock.signing import Verifier


def read(name):
    return json.loads(Path(__file__).with_name("vectors").joinpath(name).read_text("utf-8"))


RFC_7515 = read("rfc7515.json")
WYCHEPROOF = read("wycheproof_jws.json")


def vectors():
    return [
        pytest.param(group["public"], test["jws"], test["result"], id=f"{test['tcId']}")
        for group in WYCHEPROOF["testGroups"]
        for test in group["tests"]
    ]


def is_genuine(key, token):
    """Tell whether the signature was accepted: their payloads are no claims, which is told last."""
    try:
        Verifier({"keys": [key]}, algorithms=SUPPORTED).verify(token)
    except KeysUnavailable:
        return False
    except InvalidToken as error:
        return "the payload is not" in str(error)
    return True


@pytest.mark.parametrize(("key", "token", "result"), vectors())
def test_wycheproof(key, token, result):
    assert is_genuine(key, token) == (result == "valid")


KEYS = {"Ed25519": ("OKP", "crv", "x"), "ML-DSA": ("AKP", "alg", "pub")}
SIGNED = [
    pytest.param(key["algorithm"], key["public"], *test[1:4], id=f"{key['algorithm']}-{test[0]}")
    for key in read("wycheproof_keys.json")["keys"]
    for test in key["tests"]
]


@pytest.mark.parametrize(("algorithm", "public", "message", "signature", "result"), SIGNED)
def test_wycheproof_of_edwards_curves_and_lattices(algorithm, public, message, signature, result):
    kty, name, member = KEYS[algorithm.rpartition("-")[0] or algorithm]
    jwk = {"kty": kty, name: algorithm, member: public}
    try:
        check_signature(algorithm, jwk, octets(message), octets(signature))
    except (BadSignature, UnknownKey):
        assert result == "invalid"
    except AlgorithmUnavailable:
        pytest.skip("the cryptography package has no ML-DSA")
    else:
        assert result == "valid"


def octets(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


examples = pytest.mark.parametrize("example", RFC_7515["signed"], ids=lambda e: e["algorithm"])


@examples
def test_the_examples_of_rfc_7515_verify(example):
    """They have no kid, so they are checked below the choice of the key."""
    algorithm, jwk, message = (example[part] for part in ("algorithm", "jwk", "signing_input"))
    signature = base64.urlsafe_b64decode(example["signature"] + "==")
    check_signature(algorithm, jwk, message.encode(), signature)
    with pytest.raises(BadSignature):
        check_signature(algorithm, jwk, message.encode() + b"x", signature)


@examples
def test_a_token_that_names_no_key_is_malformed(example):
    """RFC 7515 makes the kid optional; a verifier of several keys needs it."""
    keys = {"keys": [{**example["jwk"], "kid": "rfc7515"}]}
    with pytest.raises(MalformedToken, match="kid"):
        Verifier(keys, algorithms=SUPPORTED).verify(
            f"{example['signing_input']}.{example['signature']}"
        )


@pytest.mark.parametrize("token", RFC_7515["unverifiable"], ids=["HS256", "none"])
def test_the_examples_without_a_public_key_are_never_accepted(token):
    keys = {"keys": [{**RFC_7515["signed"][0]["jwk"], "kid": "rfc7515"}]}
    with pytest.raises(AlgorithmNotAllowed):
        Verifier(keys).verify(token)
