"""A KMS key as JOSE sees it: its algorithm, its public JWK and the `kid` that follows from it."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from interlock._protocol.signing.der import der_to_raw, ec_point, rsa_numbers
from interlock.errors import UnsupportedKey

Jwk: TypeAlias = dict[str, str]
RsaAlgorithm: TypeAlias = Literal["PS256", "RS256"]


@dataclass(frozen=True, slots=True)
class Algorithm:
    """A JWS algorithm (RFC 7518, 3.1; RFC 8812) and what KMS calls it.

    `size` is the length of one coordinate in bytes for ECDSA, 0 for RSA.
    """

    name: str
    kms_name: str
    hash_name: str
    size: int = 0

    def digest(self, message: bytes) -> bytes:
        """Hash the message."""
        return hashlib.new(self.hash_name, message).digest()

    def jws_signature(self, signature: bytes) -> bytes:
        """Return KMS's signature in the form that JWS and RFC 9421 want."""
        return der_to_raw(signature, self.size) if self.size else signature


_BY_CURVE = {
    "P-256": Algorithm("ES256", "ECDSA_SHA_256", "sha256", 32),
    "P-384": Algorithm("ES384", "ECDSA_SHA_384", "sha384", 48),
    "P-521": Algorithm("ES512", "ECDSA_SHA_512", "sha512", 66),
    "secp256k1": Algorithm("ES256K", "ECDSA_SHA_256", "sha256", 32),
}
_RSA = {
    "PS256": Algorithm("PS256", "RSASSA_PSS_SHA_256", "sha256"),
    "RS256": Algorithm("RS256", "RSASSA_PKCS1_V1_5_SHA_256", "sha256"),
}


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A signing key that KMS holds: where it is, and its public half.

    `arn` names the key itself, never an alias; `kid` is the RFC 7638 thumbprint of `jwk`, so it
    is the same for as long as the key is, and no two keys share one.
    """

    arn: str
    algorithm: Algorithm
    jwk: Mapping[str, str]
    kid: str

    def published(self) -> Jwk:
        """Return the JWK as a JWKS carries it, bound to one algorithm (RFC 8725, 3.1)."""
        return {**self.jwk, "kid": self.kid, "alg": self.algorithm.name, "use": "sig"}


def public_key(reply: Mapping[str, Any], rsa_algorithm: RsaAlgorithm) -> PublicKey:
    """Read the response of GetPublicKey; raise UnsupportedKey if the key signs no JWS."""
    arn = reply["KeyId"]
    if reply["KeyUsage"] != "SIGN_VERIFY":
        raise UnsupportedKey(f"{arn} is for {reply['KeyUsage']}; a Signer needs SIGN_VERIFY")
    try:
        algorithm, jwk = _read(bytes(reply["PublicKey"]), rsa_algorithm)
    except ValueError as error:
        spec = reply.get("KeySpec") or reply.get("CustomerMasterKeySpec")
        raise UnsupportedKey(
            f"{arn} has key spec {spec}, which signs no JWS here ({error}); use ECC_NIST_P256"
        ) from error
    return PublicKey(arn, algorithm, jwk, thumbprint(jwk))


def thumbprint(jwk: Mapping[str, str]) -> str:
    """Return the JWK thumbprint with SHA-256, base64url (RFC 7638).

    `jwk` holds the required members only: crv, kty, x, y for a curve; e, kty, n for RSA.
    """
    canonical = json.dumps(dict(jwk), sort_keys=True, separators=(",", ":"))
    return base64url(hashlib.sha256(canonical.encode()).digest())


def same_key(one: str, other: str) -> bool:
    """Whether two key ARNs, or an ARN and a bare key id, name the same KMS key."""
    if one.startswith("arn:") and other.startswith("arn:"):
        return one == other
    return one.rpartition("/")[2] == other.rpartition("/")[2]


def base64url(data: bytes) -> str:
    """Encode without padding (RFC 7515, 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _read(public: bytes, rsa_algorithm: RsaAlgorithm) -> tuple[Algorithm, Jwk]:
    if point := ec_point(public):
        curve, x, y = point
        jwk = {"kty": "EC", "crv": curve, "x": base64url(x), "y": base64url(y)}
        return _BY_CURVE[curve], jwk
    if numbers := rsa_numbers(public):
        modulus, exponent = numbers
        return _RSA[rsa_algorithm], {
            "kty": "RSA",
            "n": base64url(modulus),
            "e": base64url(exponent),
        }
    raise ValueError("neither an elliptic curve nor RSA")
