"""A Verifier accepts what is genuine and says of anything else why it is not."""

import hashlib
import hmac
import json
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from interlock.errors import (
    AlgorithmNotAllowed,
    BadSignature,
    ClaimMissing,
    ClaimRejected,
    InvalidToken,
    MalformedToken,
    TokenExpired,
    TokenNotYetValid,
)
from tests.unit.signing.issuer import NOW, Clock, Issuer, encode
from tests.unit.signing.kms import LocalKms

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@pytest.fixture
def verifier(lib, issuer):
    return lib.Verifier(issuer.jwks, wall_clock=Clock())


def test_a_token_without_algorithm_is_refused(verifier):
    """RFC 7515, A.5 is such a token; RFC 8725, 2.1 tells the attack."""
    for alg in ("none", "None", "NONE", "nOnE"):
        token = f"{encode({'alg': alg, 'kid': 'k1'})}.{encode({'a': 1})}."
        with pytest.raises(AlgorithmNotAllowed):
            verifier.verify(token)
    rfc = (
        "eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlL"
        "mNvbS9pc19yb290Ijp0cnVlfQ."
    )
    with pytest.raises(AlgorithmNotAllowed):
        verifier.verify(rfc)


def test_the_public_key_is_no_secret(issuer, verifier):
    """Algorithm confusion (RFC 8725, 2.1): HMAC keyed with what is public."""
    public = json.dumps(issuer.jwk).encode()
    signing_input = f"{encode({'alg': 'HS256', 'kid': 'k1'})}.{encode({'admin': True})}"
    mac = hmac.digest(public, signing_input.encode(), hashlib.sha256)
    with pytest.raises(AlgorithmNotAllowed):
        verifier.verify(f"{signing_input}.{encode(mac)}")


def test_a_symmetric_key_in_the_document_is_no_key(lib):
    secret = {"kty": "oct", "k": encode(b"0" * 32), "kid": "k1", "alg": "HS256"}
    verifier = lib.Verifier({"keys": [secret]})
    with pytest.raises(InvalidToken):
        verifier.verify(f"{encode({'alg': 'HS256', 'kid': 'k1'})}.{encode({})}.{encode(b'x')}")


@pytest.mark.parametrize(
    "algorithm", ["ES384", "ES512", "PS256", "RS256", "ES256K", "EdDSA", "Ed25519", "ML-DSA-65"]
)
def test_an_algorithm_other_than_the_keys_is_refused(lib, issuer, algorithm):
    verifier = lib.Verifier(issuer.jwks, algorithms={"ES256", algorithm})
    with pytest.raises(AlgorithmNotAllowed):
        verifier.verify(issuer.token({}, alg=algorithm))


def test_an_rsa_key_without_alg_does_not_take_a_curves_algorithm(lib):
    kms = LocalKms()
    key = kms.create("RSA_2048")
    document = lib.jwks([key], client=kms)
    del document["keys"][0]["alg"]
    token = lib.Signer(key, client=kms).sign({"a": 1})
    assert lib.Verifier(document).verify(token) == {"a": 1}
    rest = token.partition(".")[2]
    forged = encode({"alg": "ES256", "kid": document["keys"][0]["kid"]}) + "." + rest
    with pytest.raises(AlgorithmNotAllowed):
        lib.Verifier(document).verify(forged)


def test_an_algorithm_off_the_list_is_refused(lib, issuer):
    with pytest.raises(AlgorithmNotAllowed, match="allowed: ES384"):
        lib.Verifier(issuer.jwks, algorithms={"ES384"}).verify(issuer.token({}))


def test_a_key_that_came_with_the_token_is_not_used(verifier):
    """The header's own jwk proves nothing (CVE-2018-0114)."""
    attacker = Issuer()
    token = attacker.token({"admin": True}, jwk=attacker.jwk, jku="https://evil.example/jwks")
    with pytest.raises(BadSignature):
        verifier.verify(token)


def test_an_altered_payload_is_refused(issuer, verifier):
    head, _, signature = issuer.token({"value": 1}).split(".")
    with pytest.raises(BadSignature):
        verifier.verify(f"{head}.{encode({'value': 2})}.{signature}")


def test_an_altered_header_is_refused(issuer, verifier):
    _, payload, signature = issuer.token({"value": 1}).split(".")
    head = encode({"alg": "ES256", "kid": "k1", "typ": "other"})
    with pytest.raises(BadSignature):
        verifier.verify(f"{head}.{payload}.{signature}")


# Wycheproof's ecdsa_secp256r1_sha256_p1363_test.json: special values and lengths of r and s.
SPECIAL = {
    "r and s zero (CVE-2022-21449)": (0, 0),
    "r zero": (0, 1),
    "s zero": (1, 0),
    "both one": (1, 1),
    "r is the order": (P256_ORDER, 1),
    "s is the order": (1, P256_ORDER),
    "both the order": (P256_ORDER, P256_ORDER),
    "r over the order": (P256_ORDER + 1, P256_ORDER - 1),
    "the largest that fits": (2**256 - 1, 2**256 - 1),
}


@pytest.mark.parametrize("numbers", SPECIAL.values(), ids=SPECIAL.keys())
def test_special_numbers_are_no_signature(issuer, verifier, numbers):
    signing_input = issuer.token({}).rpartition(".")[0]
    forged = b"".join(n.to_bytes(32, "big") for n in numbers)
    with pytest.raises(BadSignature):
        verifier.verify(f"{signing_input}.{encode(forged)}")


@pytest.mark.parametrize("change", ["empty", "short", "long", "padded", "der"])
def test_a_signature_of_another_form_is_refused(issuer, verifier, change):
    signing_input = issuer.token({}).rpartition(".")[0]
    message = signing_input.encode()
    raw = issuer.raw_signature(message)
    signature = {
        "empty": b"",
        "short": raw[:63],
        "long": raw + b"\x00",
        "padded": b"\x00" + raw[:32] + b"\x00" + raw[32:],
        "der": issuer.private.sign(message, ec.ECDSA(hashes.SHA256())),
    }[change]
    with pytest.raises(BadSignature):
        verifier.verify(f"{signing_input}.{encode(signature)}")


def test_a_token_has_one_spelling(issuer, verifier):
    """Base64url with spare bits, padding or line ends would let a revoked text live on."""
    token = issuer.token({"a": 1})
    verifier.verify(token)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = alphabet[alphabet.index(token[-1]) ^ 1]  # 64 bytes leave four bits of the last character
    for other in (token[:-1] + last, token + "=", token + "==", token + "\n", " " + token):
        with pytest.raises(MalformedToken):
            verifier.verify(other)


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "a.b",
        "a.b.c.d",
        "a.b.c.d.e",
        "é.é.é",
        f"{encode(b'[]')}.{encode({})}.AA",
        f"{encode(b'nope')}.{encode({})}.AA",
        f"{encode(b'[' * 20_000)}.{encode({})}.AA",
        "A" * 70_000,
        None,
        b"bytes",
    ],
)
def test_what_is_no_token_is_malformed(verifier, token):
    with pytest.raises(MalformedToken):
        verifier.verify(token)


def test_a_payload_that_is_no_object_is_malformed(issuer, verifier):
    for payload in (b"[]", b"1", b"", b'{"a":NaN}', b'{"a":1,"a":2}', b"\xff"):
        with pytest.raises(MalformedToken):
            verifier.verify(issuer.token(payload))


@pytest.mark.parametrize(
    "header",
    [
        {"crit": ["exp"]},
        {"crit": []},
        {"crit": "b64"},
        {"crit": ["b64"]},
        {"b64": False},
        {"crit": ["b64"], "b64": "false"},
        {"crit": ["b64", "exp"], "b64": True},
        {"kid": 7},
        {"kid": ""},
    ],
)
def test_a_header_that_is_not_understood_is_refused(issuer, verifier, header):
    with pytest.raises(MalformedToken):
        verifier.verify(issuer.token({}, **header))


@pytest.mark.parametrize(
    ("claims", "error"),
    [
        ({"exp": NOW}, TokenExpired),
        ({"exp": NOW - 1}, TokenExpired),
        ({"nbf": NOW + 1.5}, TokenNotYetValid),
        ({"iat": NOW + 1.5}, TokenNotYetValid),
        ({"exp": "tomorrow"}, ClaimRejected),
        ({"exp": None}, ClaimRejected),
        ({"exp": True}, ClaimRejected),
        ({"exp": 10**400}, ClaimRejected),
    ],
)
def test_times_are_judged(issuer, verifier, claims, error):
    with pytest.raises(error):
        verifier.verify(issuer.token(claims))


def test_leeway_forgives_a_skewed_clock(lib, issuer):
    verifier = lib.Verifier(issuer.jwks, leeway=timedelta(seconds=5), wall_clock=Clock())
    claims = {"exp": NOW - 4, "nbf": NOW + 5, "iat": NOW + 5}
    assert verifier.verify(issuer.token(claims)) == claims
    with pytest.raises(TokenExpired):
        verifier.verify(issuer.token({"exp": NOW - 5}))


def test_a_clock_one_second_ahead_does_not_refuse_a_fresh_token(lib, issuer):
    verifier = lib.Verifier(issuer.jwks, wall_clock=Clock())
    claims = {"iat": NOW + 1, "nbf": NOW + 1, "exp": NOW + 2}
    assert verifier.verify(issuer.token(claims)) == claims


def test_claims_are_matched(lib, issuer):
    verifier = lib.Verifier(
        issuer.jwks, issuer="interlock", audience="shop", required=["jti"], wall_clock=Clock()
    )
    good = {"iss": "interlock", "aud": ["shop", "bank"], "jti": "1"}
    assert verifier.verify(issuer.token(good)) == good
    for missing in good:
        with pytest.raises(ClaimMissing, match=missing):
            verifier.verify(issuer.token({k: v for k, v in good.items() if k != missing}))
    wrongs: list[dict[str, object]] = [
        {"iss": "other"},
        {"iss": ["interlock"]},
        {"aud": "shopping"},
        {"aud": {}},
    ]
    for wrong in wrongs:
        with pytest.raises(ClaimRejected):
            verifier.verify(issuer.token(good | wrong))


def test_one_kind_of_token_does_not_pass_for_another(lib, issuer):
    verifier = lib.Verifier(issuer.jwks, token_type="receipt+jwt")
    verifier.verify(issuer.token({}, typ="application/receipt+jwt"))
    for typ in ({}, {"typ": "JWT"}, {"typ": 3}):
        with pytest.raises(ClaimRejected):
            verifier.verify(issuer.token({}, **typ))


def test_the_unencoded_example_of_rfc_7797_is_taken_apart(lib):
    """RFC 7797, 4.2 (HS256 there, which is refused here)."""
    with pytest.raises(AlgorithmNotAllowed):
        lib.Verifier({"keys": []}).verify_detached(
            "eyJhbGciOiJIUzI1NiIsImI2NCI6ZmFsc2UsImNyaXQiOlsiYjY0Il19..A5dxf2s96_n5FLueVuW1Z_vh161FwX"
            "ZC4YLPff6dmDY",
            b"$.02",
        )


def test_a_detached_signature_is_that_of_its_payload_only(lib):
    kms = LocalKms()
    key = kms.create()
    verifier = lib.Verifier(lib.jwks([key], client=kms))
    token = lib.Signer(key, client=kms).sign_detached(b"$.02")
    verifier.verify_detached(token, b"$.02")
    with pytest.raises(BadSignature):
        verifier.verify_detached(token, b"$.03")
    with pytest.raises(MalformedToken, match="verify_detached"):
        verifier.verify(token)
    with pytest.raises(MalformedToken, match="own payload"):
        verifier.verify_detached(lib.Signer(key, client=kms).sign({}), b"")
