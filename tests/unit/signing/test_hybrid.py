"""A hybrid token holds if both of its signatures do, and is no token without one of them."""

import json
from datetime import timedelta

import pytest

from interlock._protocol.signing.hybrid import protected, read_hybrid, serialized
from interlock.errors import (
    AlgorithmNotAllowed,
    AlgorithmUnavailable,
    BadSignature,
    ClaimRejected,
    InvalidValue,
    MalformedToken,
    SigningError,
    TokenExpired,
    UnknownKey,
    UnsupportedKey,
)
from tests.unit.signing.issuer import NOW, Clock, encode


class Hybrid:
    def __init__(self, lib, kms, classical="ECC_NIST_P256", post_quantum="ML_DSA_65"):
        self.keys = [kms.create(classical), kms.create(post_quantum)]
        self.signers = [lib.Signer(key, client=kms) for key in self.keys]
        self.signer = lib.HybridSigner(*self.signers, wall_clock=Clock())
        self.jwks = lib.jwks(self.keys, client=kms)
        self.verifier = lib.HybridVerifier(self.jwks, wall_clock=Clock())


@pytest.fixture
def hybrid(lib, kms):
    return Hybrid(lib, kms)


@pytest.mark.parametrize("classical", ["ECC_NIST_P256", "ECC_NIST_EDWARDS25519", "RSA_2048"])
@pytest.mark.parametrize("post_quantum", ["ML_DSA_44", "ML_DSA_65", "ML_DSA_87"])
def test_a_token_of_two_signatures_verifies(lib, kms, classical, post_quantum):
    hybrid = Hybrid(lib, kms, classical, post_quantum)
    token = hybrid.signer.sign({"n": 1}, lifetime=timedelta(minutes=1))
    assert hybrid.verifier.verify(token) == {"n": 1, "iat": int(NOW), "exp": int(NOW) + 60}


def test_neither_signature_is_a_token_by_itself(lib, hybrid):
    """Or an attacker who has broken one algorithm would take the other signature away."""
    token = json.loads(hybrid.signer.sign({"n": 1}))
    alone = lib.Verifier(hybrid.jwks)
    for part in token["signatures"]:
        with pytest.raises(MalformedToken, match="critical"):
            alone.verify(f"{part['protected']}.{token['payload']}.{part['signature']}")
    with pytest.raises(MalformedToken):
        alone.verify(json.dumps(token))


def test_a_token_with_one_signature_is_refused(hybrid):
    token = json.loads(hybrid.signer.sign({"n": 1}))
    first, second = token["signatures"]
    for kept in ([first], [second], [first, first], [second, second], [second, first], []):
        with pytest.raises((MalformedToken, AlgorithmNotAllowed)):
            hybrid.verifier.verify(json.dumps({**token, "signatures": kept}))


def test_a_single_token_is_no_hybrid(hybrid):
    for signer in hybrid.signers:
        with pytest.raises(MalformedToken):
            hybrid.verifier.verify(signer.sign({"n": 1}))


@pytest.mark.parametrize("forged", [0, 1])
def test_both_signatures_must_hold(hybrid, forged):
    token = json.loads(hybrid.signer.sign({"n": 1}))
    other = json.loads(hybrid.signer.sign({"n": 2}))
    token["signatures"][forged]["signature"] = other["signatures"][forged]["signature"]
    with pytest.raises(BadSignature):
        hybrid.verifier.verify(json.dumps(token))


@pytest.mark.parametrize("unknown", [0, 1])
def test_both_keys_must_be_trusted(lib, hybrid, unknown):
    keys = [key for i, key in enumerate(hybrid.jwks["keys"]) if i != unknown]
    with pytest.raises(UnknownKey):
        lib.HybridVerifier({"keys": keys}).verify(hybrid.signer.sign({}))


def test_signatures_of_two_tokens_are_not_put_together(lib, kms, hybrid):
    """Each covers the ids of both keys."""
    other = Hybrid(lib, kms)
    token, its = (json.loads(each.signer.sign({"n": 1})) for each in (hybrid, other))
    token["signatures"][1] = its["signatures"][1]
    keys = {"keys": [*hybrid.jwks["keys"], *other.jwks["keys"]]}
    with pytest.raises(MalformedToken, match="name each other"):
        lib.HybridVerifier(keys).verify(json.dumps(token))


def test_two_signatures_of_one_sort_are_no_hybrid(lib, kms):
    pairs = [("ECC_NIST_P256", "RSA_2048"), ("ML_DSA_44", "ML_DSA_65"), ("ML_DSA_44", "RSA_2048")]
    for pair in pairs:
        with pytest.raises(UnsupportedKey):
            Hybrid(lib, kms, *pair).signer.sign({})


@pytest.mark.parametrize(
    "pair", [("ECC_NIST_P256", "RSA_2048"), ("ML_DSA_44", "ML_DSA_65"), ("ML_DSA_44", "RSA_2048")]
)
def test_genuine_signatures_of_two_keys_of_one_sort_are_no_hybrid(lib, kms, pair):
    """As another library may make them, each naming the other."""
    made = Hybrid(lib, kms, *pair)
    keys, payload = [signer.key() for signer in made.signers], encode({"n": 1})
    headers = [protected(key, keys, None) for key in keys]
    signatures = [
        signer.sign_bytes(f"{header}.{payload}".encode())
        for signer, header in zip(made.signers, headers, strict=True)
    ]
    with pytest.raises(AlgorithmNotAllowed, match="ML-DSA"):
        made.verifier.verify(serialized(payload, headers, signatures))


@pytest.mark.parametrize(
    "change",
    [
        {"more": 1},
        {"payload": 1},
        {"payload": encode(b"[]")},
        {"signatures": {}},
        {"signatures": [1, 2]},
        {"signatures": [{}, {}]},
    ],
)
def test_another_form_is_malformed(hybrid, change):
    token = json.loads(hybrid.signer.sign({"n": 1}))
    with pytest.raises((MalformedToken, BadSignature)):
        hybrid.verifier.verify(json.dumps(token | change))


def test_an_unprotected_header_is_refused(hybrid):
    token = json.loads(hybrid.signer.sign({"n": 1}))
    token["signatures"][0]["header"] = {"kid": "mine"}
    with pytest.raises(MalformedToken):
        hybrid.verifier.verify(json.dumps(token))


@pytest.mark.parametrize("token", ["", "{}", "[" * 50_000, "a.b.c", "\ud800", None, b"{}"])
def test_what_is_no_token_is_malformed(hybrid, token):
    with pytest.raises(MalformedToken):
        hybrid.verifier.verify(token)


BOTH = {"crit": ["hybrid"], "hybrid": ["a", "b"]}
HEADERS = ({"alg": "ES256", "kid": "a", **BOTH}, {"alg": "ML-DSA-65", "kid": "b", **BOTH})


def of(*headers, **document):
    """Return a token of signatures with these headers, which are those of no key."""
    parts = [{"protected": encode(each), "signature": "AA"} for each in headers]
    return json.dumps({"payload": encode({}), "signatures": parts, **document})


def of_both(first=None, second=None, **document):
    """Return a token of both signatures, with changes of their headers."""
    changed = [own | (more or {}) for own, more in zip(HEADERS, (first, second), strict=True)]
    return of(*({k: v for k, v in each.items() if v} for each in changed), **document)


def test_both_signatures_are_read():
    one, other = read_hybrid(of_both({"typ": "a+jwt"}, {"typ": "a+jwt"}))
    assert (one.kid, other.kid) == ("a", "b")
    assert one.payload == other.payload == b"{}"


SAME = {"kid": "a", "hybrid": ["a", "a"]}
OTHERS = {
    "of one kid": of_both(SAME, SAME),
    "of which the first does not name both": of_both({"hybrid": ["a", "c"]}),
    "of which the second does not name both": of_both(None, {"hybrid": ["b", "a"]}),
    "of two types": of_both({"typ": "a+jwt"}, {"typ": "b+jwt"}),
    "of which one has no type": of_both(None, {"typ": "b+jwt"}),
    "of which one names no key": of_both(None, {"crit": None, "hybrid": None}),
    "that are no list": of_both(signatures=None),
    "that are lists": of_both(signatures=[["protected", "signature"]] * 2),
    "of three": of(*({**HEADERS[i], "hybrid": ["a", "b", "a"]} for i in (0, 1, 0))),
}


@pytest.mark.parametrize("token", OTHERS.values(), ids=OTHERS)
def test_it_has_signatures_of_another_form(token):
    with pytest.raises(MalformedToken):
        read_hybrid(token)


def test_a_token_may_be_as_long_as_any_and_no_longer():
    token = of_both()
    assert read_hybrid(token.rjust(64 * 1024))
    with pytest.raises(MalformedToken, match="at most"):
        read_hybrid(token.rjust(64 * 1024 + 1))


def test_a_token_has_no_white_space(hybrid):
    assert not any(each.isspace() for each in hybrid.signer.sign({"n": 1}))


def test_a_type_is_a_text(hybrid):
    with pytest.raises(InvalidValue, match="token_type"):
        hybrid.signer.sign({}, token_type=7)


def test_claims_and_types_are_judged(lib, hybrid):
    with pytest.raises(TokenExpired):
        hybrid.verifier.verify(hybrid.signer.sign({"exp": NOW}))
    typed = lib.HybridVerifier(hybrid.jwks, token_type="a+jwt")
    assert typed.verify(hybrid.signer.sign({"n": 1}, token_type="a+jwt")) == {"n": 1}
    with pytest.raises(ClaimRejected):
        typed.verify(hybrid.signer.sign({}, token_type="b+jwt"))
    with pytest.raises(AlgorithmNotAllowed):
        lib.HybridVerifier(hybrid.jwks, algorithms=["ES256"]).verify(hybrid.signer.sign({}))


def test_a_hybrid_carries_its_payload(hybrid):
    with pytest.raises(MalformedToken):
        hybrid.verifier.verify_detached(hybrid.signer.sign({}), b"")


def test_a_key_that_is_replaced_while_signing_is_named_rightly(lib, kms):
    first, second, later = kms.create(), kms.create(), kms.create("ML_DSA_44")
    kms.aliases["alias/a"] = first
    moved = lib.Signer("alias/a", client=kms)
    signer = lib.HybridSigner(moved, lib.Signer(later, client=kms))
    moved.key()
    kms.aliases["alias/a"] = second
    kms.disabled.add(first)
    verifier = lib.HybridVerifier(lib.jwks([second, later], client=kms))
    assert verifier.verify(signer.sign({"n": 1})) == {"n": 1}


def test_what_this_installation_cannot_verify_is_not_called_forged(lib, kms, monkeypatch):
    """Of a cryptography package without ML-DSA, which is no statement on the token."""
    monkeypatch.setattr("interlock._protocol.signing.checking.mldsa", None)
    hybrid = Hybrid(lib, kms)
    with pytest.raises(AlgorithmUnavailable, match="ML-DSA-65"):
        hybrid.verifier.verify(hybrid.signer.sign({}))
    # KMS verifies it, and other keys of the set are not the worse for it.
    pair = zip(hybrid.keys, hybrid.signers, strict=True)
    for key, signer in pair:
        assert lib.KmsVerifier([key], client=kms).verify(signer.sign({"n": 1})) == {"n": 1}
    assert lib.Verifier(hybrid.jwks).verify(hybrid.signers[0].sign({"n": 1})) == {"n": 1}


def test_receipts_can_be_hybrid(lib, hybrid):
    receipts = lib.ReceiptIssuer(hybrid.signer, issuer="https://api.example", wall_clock=Clock())
    token = receipts.issue("visits", value=7, amount=3)
    verifier = lib.HybridVerifier(
        hybrid.jwks, token_type="interlock-receipt+jwt", wall_clock=Clock()
    )
    claims = verifier.verify(token)
    assert (claims["counter"], claims["value"]) == ("visits", 7)


def test_a_failure_of_one_key_is_raised(kms, hybrid):
    kms.disabled.add(hybrid.keys[1])
    with pytest.raises(SigningError):
        hybrid.signer.sign({})
