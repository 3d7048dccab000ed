"""What is wrong with a key is told apart from what is wrong with a signature."""

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from jwt.exceptions import InvalidKeyError

from interlock._protocol.signing import checking
from interlock._protocol.signing.checking import (
    check_content,
    check_signature,
    load_key,
    only_key,
)
from interlock._protocol.signing.tokens import read_token
from interlock.errors import AlgorithmNotAllowed, AlgorithmUnavailable, BadSignature, UnknownKey
from tests.unit.signing.issuer import Issuer, encode, number

OFF_THE_CURVE = {"kty": "EC", "crv": "P-256", "x": number(1), "y": number(1)}


def content_of(issuer, keys):
    token = read_token(issuer.token({}))
    check_content(token, token.signing_prefix, {"P-256": keys}, {"ES256"})


def test_one_of_several_keys_will_do(issuer):
    for keys in ([issuer.jwk], [Issuer().jwk, OFF_THE_CURVE, issuer.jwk]):
        content_of(issuer, keys)


@pytest.mark.parametrize("broken", [0, 1], ids=["first", "last"])
def test_a_signature_of_none_of_the_keys_is_told_before_a_broken_key(issuer, broken):
    keys = [Issuer().jwk]
    keys.insert(broken, OFF_THE_CURVE)
    with pytest.raises(BadSignature):
        content_of(issuer, keys)


def test_a_broken_key_is_told_where_there_is_no_other(issuer):
    with pytest.raises(UnknownKey, match="unusable"):
        content_of(issuer, [OFF_THE_CURVE, OFF_THE_CURVE])


def rsa_of(bits):
    size = (bits + 7) // 8
    return {"kty": "RSA", "n": encode((2 ** (bits - 1) + 1).to_bytes(size, "big")), "e": "AQAB"}


@pytest.mark.parametrize("bits", [2048, 16384])
def test_rsa_of_these_sizes_may_verify(bits):
    assert load_key("PS256", rsa_of(bits)).key_size == bits


@pytest.mark.parametrize("bits", [2047, 16385])
def test_rsa_of_other_sizes_verifies_nothing(bits):
    with pytest.raises(UnknownKey, match=f"{bits} bits"):
        load_key("PS256", rsa_of(bits))


BROKEN = {
    "of RSA without a modulus": ("PS256", {"kty": "RSA", "e": "AQAB"}),
    "of RSA without an exponent": ("PS256", {k: v for k, v in rsa_of(2048).items() if k != "e"}),
    "of RSA whose exponent is even": ("PS256", {**rsa_of(2048), "e": "Ag"}),
    "of RSA whose exponent is nothing": ("PS256", {**rsa_of(2048), "e": ""}),
    "of RSA whose exponent is long": ("PS256", {**rsa_of(2048), "e": "_" * 400}),
    "of a curve without a coordinate": ("ES256", {"kty": "EC", "crv": "P-256", "x": number(1)}),
    "of a curve with a letter": ("ES256", {**OFF_THE_CURVE, "x": "é"}),
    "of a curve with a coordinate too long": ("ES256", {**OFF_THE_CURVE, "x": number(1, 33)}),
    "off the curve": ("ES256", OFF_THE_CURVE),
    "of a lattice without a key": ("ML-DSA-65", {"kty": "AKP", "alg": "ML-DSA-65"}),
    "of an Edwards curve, too long": (
        "Ed25519",
        {"kty": "OKP", "crv": "Ed25519", "x": number(1, 33)},
    ),
    "of two members that are no texts": ("ES256", {**OFF_THE_CURVE, "x": 5, "y": [1]}),
}


@pytest.mark.parametrize(("algorithm", "jwk"), BROKEN.values(), ids=BROKEN)
def test_a_key_is_unusable_that_is(algorithm, jwk):
    with pytest.raises(UnknownKey, match="unusable"):
        load_key(algorithm, jwk)


class Failing:
    """An algorithm of PyJWT that reads no key."""

    def __init__(self, error):
        self.error = error

    def from_jwk(self, _jwk):
        raise self.error


def test_an_algorithm_that_this_installation_lacks_is_no_broken_key(monkeypatch, issuer):
    lacking = Failing(UnsupportedAlgorithm("not in this library"))
    monkeypatch.setitem(checking._ALGORITHMS, "ES256", lacking)
    with pytest.raises(AlgorithmUnavailable, match="ES256"):
        load_key("ES256", issuer.jwk)


@pytest.mark.parametrize("error", [TypeError("odd"), OverflowError("odd"), InvalidKeyError("odd")])
def test_a_key_is_unusable_whatever_its_library_says_of_it(monkeypatch, issuer, error):
    """Versions of it differ in what they raise."""
    monkeypatch.setitem(checking._ALGORITHMS, "ES256", Failing(error))
    with pytest.raises(UnknownKey, match="unusable: odd"):
        load_key("ES256", issuer.jwk)


def test_a_lattice_is_not_available_in_a_library_without_it(monkeypatch):
    monkeypatch.setattr(checking, "mldsa", None)
    with pytest.raises(AlgorithmUnavailable, match="has no ML-DSA"):
        load_key("ML-DSA-44", {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA"})


@pytest.mark.parametrize(
    ("spec", "name"), [("ECC_NIST_EDWARDS25519", "Ed25519"), ("ML_DSA_44", "ML-DSA-44")]
)
def test_a_signature_that_is_not_of_this_content_is_bad(kms, spec, name):
    private = kms.keys[kms.create(spec)]
    public = encode(private.public_key().public_bytes_raw())
    jwk = {"kty": "OKP", "crv": name, "x": public}
    if name == "ML-DSA-44":
        jwk = {"kty": "AKP", "alg": name, "pub": public}
    signature = private.sign(b"content")
    check_signature(name, jwk, b"content", signature)
    for content, other in [(b"other", signature), (b"content", bytes(len(signature))), (b"", b"")]:
        with pytest.raises(BadSignature):
            check_signature(name, jwk, content, other)


CURVE = {"kty": "EC", "crv": "P-256"}


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ([CURVE], "is for ES256,"),
        ([{"kty": "RSA"}], "is for no algorithm,"),
        ([CURVE, {"kty": "RSA", "alg": "RS256"}], "is for ES256, RS256,"),
        ([{"kty": "EC", "crv": "P-384"}, {"kty": "EC", "crv": "P-384"}], "is for ES384, ES384,"),
    ],
)
def test_a_kid_is_refused_that_has_not_one_algorithm_that_is_allowed(keys, told):
    with pytest.raises(AlgorithmNotAllowed, match=told):
        only_key("k", {"any": keys}, {"ES384"})


def test_the_one_algorithm_of_a_kid_that_is_allowed_is_found_among_others():
    rsa = {"kty": "RSA", "alg": "RS256"}
    assert only_key("k", {"RSA": [rsa], "P-256": [CURVE]}, {"ES256"}) == ("ES256", CURVE)
