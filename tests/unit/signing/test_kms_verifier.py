"""KMS verifies what the local Verifier verifies, and refuses what it refuses."""

import base64

import pytest

from interlock.errors import (
    AlgorithmNotAllowed,
    BadSignature,
    KeyUnusable,
    MalformedToken,
    RequestRefused,
    TokenExpired,
    UnknownKey,
)
from tests.unit.signing.issuer import encode
from tests.unit.signing.kms import refusal


@pytest.mark.parametrize("spec", ["ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521", "RSA_2048"])
def test_a_token_of_each_spec_verifies(lib, kms, spec):
    key = kms.create(spec)
    verifier = lib.KmsVerifier([key], client=kms)
    token = lib.Signer(key, client=kms).sign({"n": 1})
    for _ in range(2):
        assert verifier.verify(token) == {"n": 1}
    assert [name for name, _ in kms.calls].count("GetPublicKey") == 2  # one each, for all tokens


@pytest.mark.parametrize("spec", ["ECC_NIST_P256", "RSA_2048"])
def test_any_change_is_refused(lib, kms, spec):
    key = kms.create(spec)
    head, _, signature = lib.Signer(key, client=kms).sign({"n": 1}).split(".")
    other = base64.urlsafe_b64encode(b'{"n":2}').rstrip(b"=").decode()
    verifier = lib.KmsVerifier([key], client=kms)
    for token in (f"{head}.{other}.{signature}", f"{head}.{other}.", f"{head}.{other}.AAAA"):
        with pytest.raises(BadSignature):
            verifier.verify(token)


@pytest.mark.parametrize(
    ("spec", "size"), [("ECC_NIST_P256", 64), ("RSA_2048", 0), ("RSA_2048", 6145)]
)
def test_what_cannot_be_a_signature_is_refused_without_asking_kms(lib, kms, spec, size):
    """To more than 6,144 bytes it would say that the call is not valid, not that those are."""
    key = kms.create(spec)
    signing_input = lib.Signer(key, client=kms).sign({"n": 1}).rpartition(".")[0]
    with pytest.raises(BadSignature):
        lib.KmsVerifier([key], client=kms).verify(f"{signing_input}.{encode(bytes(size))}")
    assert "Verify" not in [name for name, _ in kms.calls]


def test_a_signature_may_be_as_long_as_kms_takes(lib, kms):
    key = kms.create("RSA_2048")
    signing_input = lib.Signer(key, client=kms).sign({"n": 1}).rpartition(".")[0]
    for size in (1, 6144):
        with pytest.raises(BadSignature):
            lib.KmsVerifier([key], client=kms).verify(f"{signing_input}.{encode(bytes(size))}")
    assert [name for name, _ in kms.calls].count("Verify") == 2


def test_a_token_longer_than_kms_takes_is_malformed_to_it(lib, kms):
    """Ed25519 hashes the message itself, so that KMS is sent all of it."""
    key = kms.create("ECC_NIST_EDWARDS25519")
    kid = lib.Signer(key, client=kms).key().kid
    signing_input = f"{encode({'alg': 'Ed25519', 'kid': kid})}.{encode({'n': 'x' * 4000})}"
    token = f"{signing_input}.{encode(kms.keys[key].sign(signing_input.encode()))}"
    assert lib.Verifier(lib.jwks([key], client=kms)).verify(token)["n"]
    with pytest.raises(MalformedToken, match="4096"):
        lib.KmsVerifier([key], client=kms).verify(token)


def test_a_refusal_of_the_call_is_no_bad_signature(lib, kms):
    key = kms.create()
    verifier = lib.KmsVerifier([key], client=kms)
    token = lib.Signer(key, client=kms).sign({})
    verifier.verify(token)
    kms.failures = [refusal("ValidationException")]
    with pytest.raises(RequestRefused, match="ValidationException"):
        verifier.verify(token)


def test_rules_are_those_of_the_local_verifier(lib, kms):
    key, stranger = kms.create(), kms.create()
    verifier = lib.KmsVerifier([key], client=kms, wall_clock=lambda: 1000.0)
    signer = lib.Signer(key, client=kms)
    with pytest.raises(TokenExpired):
        verifier.verify(signer.sign({"exp": 1000}))
    with pytest.raises(UnknownKey):
        verifier.verify(lib.Signer(stranger, client=kms).sign({}))
    with pytest.raises(MalformedToken):
        verifier.verify(signer.sign_detached(b""))
    with pytest.raises(AlgorithmNotAllowed):
        lib.KmsVerifier([key], client=kms, algorithms={"ES384"}).verify(signer.sign({}))


def test_a_disabled_key_is_no_bad_signature(lib, kms):
    key = kms.create()
    verifier = lib.KmsVerifier([key], client=kms)
    token = lib.Signer(key, client=kms).sign({})
    verifier.verify(token)
    kms.disabled.add(key)
    with pytest.raises(KeyUnusable):
        verifier.verify(token)
