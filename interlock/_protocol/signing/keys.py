"""A KMS key as JOSE sees it: its algorithm, its public JWK and the `kid` that follows from it."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from interlock._dataclasses import dataclass
from interlock._protocol.kinds import checked_choice
from interlock._protocol.signing.algorithms import ALL, OF_KIND, Algorithm, base64url
from interlock._protocol.signing.der import ec_point, octet_key, rsa_numbers
from interlock.errors import UnsupportedKey

Jwk: TypeAlias = dict[str, str]
RsaAlgorithm: TypeAlias = Literal["PS256", "RS256"]


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
    """Read the response of GetPublicKey; raise UnsupportedKey if the key signs no JWS.

    Raises ValueError, TypeError or LookupError for what is no such response.
    """
    if not isinstance(reply["KeyId"], str) or not isinstance(reply["PublicKey"], bytes):
        raise TypeError("a public key of another form")
    arn = reply["KeyId"]
    if reply["KeyUsage"] != "SIGN_VERIFY":
        raise UnsupportedKey(f"{arn} is for {reply['KeyUsage']}; a Signer needs SIGN_VERIFY")
    try:
        algorithm, jwk = _read(reply["PublicKey"], rsa_algorithm)
    except ValueError as error:
        spec = reply.get("KeySpec") or reply.get("CustomerMasterKeySpec") or "unknown"
        raise UnsupportedKey(
            f"{arn} has key spec {spec}, which signs no JWS here ({error}); use ECC_NIST_P256"
        ) from error
    return PublicKey(arn, algorithm, jwk, thumbprint(jwk))


def checked_rsa(name: RsaAlgorithm) -> RsaAlgorithm:
    """Return the algorithm that RSA keys sign by, or raise `InvalidValue`."""
    checked_choice("rsa_algorithm", name, ("PS256", "RS256"))
    return name


def thumbprint(jwk: Mapping[str, str]) -> str:
    """Return the JWK thumbprint with SHA-256, base64url (RFC 7638).

    `jwk` holds the required members only: crv, kty, x, y for a curve; e, kty, n for RSA; crv, kty,
    x for Ed25519; alg, kty, pub for ML-DSA.
    """
    canonical = json.dumps(dict(jwk), sort_keys=True, separators=(",", ":"))
    return base64url(hashlib.sha256(canonical.encode()).digest())


def same_key(one: str, other: str) -> bool:
    """Whether two key ARNs, or an ARN and a bare key id, name the same KMS key."""
    if one.startswith("arn:") and other.startswith("arn:"):
        return one == other
    return one.rpartition("/")[2] == other.rpartition("/")[2]


def _read(public: bytes, rsa_algorithm: RsaAlgorithm) -> tuple[Algorithm, Jwk]:
    if point := ec_point(public):
        curve, x, y = point
        jwk = {"kty": "EC", "crv": curve, "x": base64url(x), "y": base64url(y)}
        return OF_KIND[curve], jwk
    if numbers := rsa_numbers(public):
        modulus, exponent = map(base64url, numbers)
        return ALL[rsa_algorithm], {"kty": "RSA", "n": modulus, "e": exponent}
    if key := octet_key(public):
        name, octets = key
        if name == "Ed25519":
            return ALL[name], {"kty": "OKP", "crv": name, "x": base64url(octets)}
        return ALL[name], {"kty": "AKP", "alg": name, "pub": base64url(octets)}
    raise ValueError("neither an elliptic curve, nor RSA, Ed25519 or ML-DSA")
