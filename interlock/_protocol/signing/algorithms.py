"""The signature algorithms: as JOSE names them, as KMS does, and of which key each is."""

import base64
import hashlib
from collections.abc import Collection, Mapping
from typing import Any

from interlock._dataclasses import dataclass
from interlock._protocol.signing.der import der_to_raw, raw_to_der
from interlock._protocol.texts import texts
from interlock.errors import InvalidValue

# https://docs.aws.amazon.com/kms/latest/APIReference/API_Sign.html
_MAX_RAW_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Algorithm:
    """A JWS algorithm (IANA's registry) and what KMS calls it.

    `kind` is the kind of key that it takes: RSA, or the curve or parameter set, which decides the
    algorithm too. `size` is the length of one coordinate in bytes for ECDSA, 0 otherwise.
    """

    name: str
    kms_name: str
    kind: str
    hash_name: str = ""
    size: int = 0

    def kms_message(self, message: bytes, jwk: Mapping[str, str]) -> tuple[bytes, str]:
        """Return what KMS is given of a message, and its MessageType.

        A digest wherever that gives the same signature, so that neither the length of the message
        matters nor it leaves this process: for ML-DSA that is mu (FIPS 204, 6.2). Ed25519 hashes
        the message twice, so it is sent as it is; raises InvalidValue if it is too long for that.
        """
        if self.hash_name:
            return hashlib.new(self.hash_name, message).digest(), "DIGEST"
        if self.kind.startswith("ML-DSA"):
            public = hashlib.shake_256(decoded(jwk["pub"])).digest(64)
            # 0, 0: the message itself is signed, under an empty context (FIPS 204, 5.2).
            return hashlib.shake_256(public + b"\0\0" + message).digest(64), "EXTERNAL_MU"
        if len(message) > _MAX_RAW_BYTES:
            reason = f"{len(message)} bytes; KMS takes {_MAX_RAW_BYTES} at most for {self.name}"
            raise InvalidValue("message", reason)
        return message, "RAW"

    def jws_signature(self, signature: bytes) -> bytes:
        """Return KMS's signature in the form that JWS and RFC 9421 want; raise ValueError."""
        if len(signature) != _LENGTHS.get(self.kind, len(signature)):
            raise ValueError(f"a signature of {len(signature)} bytes")
        return der_to_raw(signature, self.size) if self.size else signature

    def kms_signature(self, signature: bytes) -> bytes:
        """Return JWS's signature in the form that KMS takes; raise ValueError."""
        return raw_to_der(signature, self.size) if self.size else signature


_LENGTHS = {"Ed25519": 64, "ML-DSA-44": 2420, "ML-DSA-65": 3309, "ML-DSA-87": 4627}

# RFC 7518, 3.1; RFC 8812 (secp256k1); RFC 9864 (Ed25519, which RFC 8037 called EdDSA); ML-DSA as
# registered in https://www.iana.org/assignments/jose/jose.xhtml
ALL = {
    algorithm.name: algorithm
    for algorithm in (
        Algorithm("ES256", "ECDSA_SHA_256", "P-256", "sha256", 32),
        Algorithm("ES384", "ECDSA_SHA_384", "P-384", "sha384", 48),
        Algorithm("ES512", "ECDSA_SHA_512", "P-521", "sha512", 66),
        Algorithm("ES256K", "ECDSA_SHA_256", "secp256k1", "sha256", 32),
        Algorithm("PS256", "RSASSA_PSS_SHA_256", "RSA", "sha256"),
        Algorithm("RS256", "RSASSA_PKCS1_V1_5_SHA_256", "RSA", "sha256"),
        Algorithm("Ed25519", "ED25519_SHA_512", "Ed25519"),
        Algorithm("ML-DSA-44", "ML_DSA_SHAKE_256", "ML-DSA-44"),
        Algorithm("ML-DSA-65", "ML_DSA_SHAKE_256", "ML-DSA-65"),
        Algorithm("ML-DSA-87", "ML_DSA_SHAKE_256", "ML-DSA-87"),
    )
}
OF_KIND = {algorithm.kind: algorithm for algorithm in ALL.values() if algorithm.kind != "RSA"}
# One algorithm under two names; the first is fully specified (RFC 9864, 2.2).
_SYNONYMS = {"EdDSA": "Ed25519"}

# Never "none", never HS*: a public key must not pass as a secret. PKCS #1 v1.5 and secp256k1 are
# accepted where they are asked for.
SUPPORTED = frozenset({*ALL, *_SYNONYMS})
ALGORITHMS = SUPPORTED - {"RS256", "ES256K"}
POST_QUANTUM = frozenset({"ML-DSA-44", "ML-DSA-65", "ML-DSA-87"})


def own_name(name: str) -> str:
    """Return the one name by which an algorithm is known here."""
    return _SYNONYMS.get(name, name)


def allowed(algorithms: Collection[str]) -> frozenset[str]:
    """Return a caller's choice of algorithms; raise InvalidValue for what is none."""
    names = texts("algorithms", algorithms)
    unknown = [name for name in names if name not in SUPPORTED]
    if unknown:
        known = ", ".join(sorted(SUPPORTED))
        raise InvalidValue("algorithms", f"{unknown[0]!r} verifies nothing here; known: {known}")
    return frozenset(map(own_name, names))


def kind_of(jwk: Mapping[str, Any]) -> str | None:
    """Return the kind of a public JWK, or None if none of these algorithms takes it."""
    field = {"EC": "crv", "OKP": "crv", "AKP": "alg"}.get(jwk["kty"])
    if field is None:
        return "RSA" if jwk["kty"] == "RSA" else None
    kind = jwk.get(field)
    known = isinstance(kind, str) and kind in OF_KIND and _KEY_TYPES[kind] == jwk["kty"]
    return kind if known else None


_KEY_TYPES = {
    **dict.fromkeys(("P-256", "P-384", "P-521", "secp256k1"), "EC"),
    "Ed25519": "OKP",
    **dict.fromkeys(POST_QUANTUM, "AKP"),
}


def algorithm_of(jwk: Mapping[str, Any]) -> str | None:
    """Return the one algorithm that a published key is for, or None if it does not say."""
    kind = kind_of(jwk)
    own = OF_KIND[kind].name if kind in OF_KIND else None
    given = jwk.get("alg", own)
    return own_name(given) if given is not None and own in {None, own_name(given)} else None


def base64url(data: bytes) -> str:
    """Encode without padding (RFC 7515, 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    """Decode base64url without padding; raise ValueError unless it is in its one form."""
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    # Bits that are thrown away in decoding would let one text be written in several ways.
    if base64url(data) != text:
        raise ValueError("it is not in its one form")
    return data
