"""An algorithm takes one kind of key, and KMS and JOSE each have its signature in one form."""

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from interlock._protocol.signing import algorithms
from interlock._protocol.signing.algorithms import (
    ALL,
    algorithm_of,
    allowed,
    base64url,
    decoded,
    kind_of,
)
from interlock._protocol.signing.keys import thumbprint
from interlock.errors import AlgorithmNotAllowed, InvalidValue

KINDS = [
    ({"kty": "EC", "crv": "P-256"}, "P-256", "ES256"),
    ({"kty": "EC", "crv": "P-384"}, "P-384", "ES384"),
    ({"kty": "EC", "crv": "P-521"}, "P-521", "ES512"),
    ({"kty": "EC", "crv": "secp256k1"}, "secp256k1", "ES256K"),
    ({"kty": "EC", "crv": "P-256", "alg": "ES256"}, "P-256", "ES256"),
    ({"kty": "EC", "crv": "P-256", "alg": "ES384"}, "P-256", None),
    ({"kty": "EC", "crv": "P-999"}, None, None),
    ({"kty": "EC", "crv": ["P-256"]}, None, None),
    ({"kty": "EC"}, None, None),
    ({"kty": "OKP", "crv": "Ed25519"}, "Ed25519", "Ed25519"),
    ({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA"}, "Ed25519", "Ed25519"),
    ({"kty": "OKP", "crv": "P-256"}, None, None),
    ({"kty": "EC", "crv": "Ed25519"}, None, None),
    ({"kty": "AKP", "alg": "ML-DSA-44"}, "ML-DSA-44", "ML-DSA-44"),
    ({"kty": "AKP", "alg": "ML-DSA-65"}, "ML-DSA-65", "ML-DSA-65"),
    ({"kty": "AKP", "alg": "ML-DSA-87"}, "ML-DSA-87", "ML-DSA-87"),
    ({"kty": "RSA"}, "RSA", None),
    ({"kty": "RSA", "alg": "PS256"}, "RSA", "PS256"),
    ({"kty": "RSA", "alg": "RS256"}, "RSA", "RS256"),
    ({"kty": "oct"}, None, None),
]


@pytest.mark.parametrize(("jwk", "kind", "algorithm"), KINDS)
def test_a_published_key_is_for_one_algorithm(jwk, kind, algorithm):
    assert kind_of(jwk) == kind
    assert algorithm_of(jwk) == algorithm


REQUIRED = {
    "EC": ("crv", "kty", "x", "y"),
    "RSA": ("e", "kty", "n"),
    "OKP": ("crv", "kty", "x"),
    "AKP": ("alg", "kty", "pub"),
}


@pytest.mark.parametrize(
    "spec", ["ECC_NIST_P256", "RSA_2048", "ECC_NIST_EDWARDS25519", "ML_DSA_44"]
)
def test_a_key_is_known_by_the_members_that_are_required_of_its_kind(lib, kms, spec):
    """RFC 7638, 3.2; RFC 8037, 2; and of ML-DSA the algorithm."""
    (published,) = lib.jwks([kms.create(spec)], client=kms)["keys"]
    members = {name: published[name] for name in REQUIRED[published["kty"]]}
    assert published["kid"] == thumbprint(members)


RAW = {"ES256": 64, "ES384": 96, "ES512": 132, "ES256K": 64}


@pytest.mark.parametrize(("name", "length"), RAW.items())
def test_the_halves_of_a_signature_by_a_curve_are_as_long_as_the_curves_numbers(name, length):
    """RFC 7518, 3.4; RFC 8812, 3.2."""
    signature = algorithms.ALL[name].jws_signature(encode_dss_signature(1, 2))
    assert len(signature) == length


@pytest.mark.parametrize("name", ["PS256", "RS256"])
def test_a_signature_by_rsa_is_what_kms_makes(name):
    algorithm = algorithms.ALL[name]
    assert algorithm.jws_signature(b"a" * 256) == algorithm.kms_signature(b"a" * 256) == b"a" * 256


LENGTHS = {"Ed25519": 64, "ML-DSA-44": 2420, "ML-DSA-65": 3309, "ML-DSA-87": 4627}


@pytest.mark.parametrize(("name", "length"), LENGTHS.items())
def test_a_signature_of_another_length_is_none(name, length):
    """RFC 8032, 5.1.6; FIPS 204, table 2."""
    assert ALL[name].jws_signature(bytes(length)) == bytes(length)
    for other in (0, length - 1, length + 1):
        with pytest.raises(ValueError, match="bytes"):
            ALL[name].jws_signature(bytes(other))


def test_kms_is_sent_a_message_of_4096_bytes_and_no_longer_one():
    message = b"a" * 4096
    assert ALL["Ed25519"].kms_message(message, {}) == (message, "RAW")
    with pytest.raises(InvalidValue, match="4096"):
        ALL["Ed25519"].kms_message(message + b"a", {})


@pytest.mark.parametrize(
    ("spec", "algorithm"), [("RSA_2048", "RS256"), ("ECC_SECG_P256K1", "ES256K")]
)
def test_two_algorithms_are_accepted_only_where_they_are_asked_for(lib, kms, spec, algorithm):
    key, options = kms.create(spec), {"client": kms, "rsa_algorithm": "RS256"}
    document = lib.jwks([key], **options)
    token = lib.Signer(key, **options).sign({"n": 1})
    assert lib.Verifier(document, algorithms={algorithm}).verify(token) == {"n": 1}
    with pytest.raises(AlgorithmNotAllowed):
        lib.Verifier(document).verify(token)


def test_a_choice_of_algorithms_has_one_name_for_each():
    assert allowed(["ES256", "EdDSA", "RS256"]) == {"ES256", "Ed25519", "RS256"}


@pytest.mark.parametrize("names", [["HS256"], ["ES256", "none"], "ES256", [7]])
def test_a_choice_that_verifies_nothing_is_refused(names):
    with pytest.raises(InvalidValue, match="algorithms"):
        allowed(names)


@pytest.mark.parametrize("length", range(12))
def test_base64url_has_one_form(length):
    data = b"\xff" * length
    text = base64url(data)
    assert "=" not in text
    assert decoded(text) == data


@pytest.mark.parametrize("text", ["A", "AB", "AA=", "AA==", "AAB", "AAAA=", "A A A A", "+/+/", "é"])
def test_another_form_of_base64url_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011 - some of binascii, some of ours
        decoded(text)
