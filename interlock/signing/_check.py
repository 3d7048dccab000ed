"""The cryptographic part of verification, by PyJWT and cryptography."""

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

from jwt.algorithms import Algorithm, get_default_algorithms
from jwt.exceptions import PyJWTError

from interlock._protocol.signing.tokens import (
    SUPPORTED,
    ClaimRules,
    Token,
    check_algorithm,
    read_json,
)
from interlock.errors import BadSignature, MalformedToken, UnknownKey

_ALGORITHMS: dict[str, Algorithm] = {
    name: algorithm for name, algorithm in get_default_algorithms().items() if name in SUPPORTED
}


def check_token(
    token: Token,
    jwk: Mapping[str, Any],
    algorithms: Collection[str],
    rules: ClaimRules,
    now: float,
) -> dict[str, Any]:
    """Return the claims of a genuine token that keeps the rules."""
    if token.payload is None:
        raise MalformedToken("a detached token: use verify_detached and hand over its payload")
    check_algorithm(token, jwk, algorithms)
    check_signature(token.algorithm, jwk, token.signing_prefix, token.signature)
    claims = read_json(token.payload, "payload")
    rules.check(claims, now)
    return claims


def check_detached(
    token: Token, payload: bytes, jwk: Mapping[str, Any], algorithms: Collection[str]
) -> None:
    """Return if the token is that of this payload."""
    if token.payload is not None:
        raise MalformedToken("the token carries its own payload: use verify")
    check_algorithm(token, jwk, algorithms)
    check_signature(token.algorithm, jwk, token.signing_prefix + payload, token.signature)


def check_signature(
    algorithm: str, jwk: Mapping[str, Any], message: bytes, signature: bytes
) -> None:
    """Raise BadSignature unless this key signed this message."""
    if not _ALGORITHMS[algorithm].verify(message, load_key(algorithm, jwk), signature):
        raise BadSignature("the signature is not that of this content by this key")


def load_key(algorithm: str, jwk: Mapping[str, Any]) -> Any:
    """Return the JWK as a public key of cryptography; raise UnknownKey if it is broken."""
    return _public_key(algorithm, tuple(sorted((k, jwk[k]) for k in _members(jwk) if k in jwk)))


@lru_cache(maxsize=256)  # reading a key costs as much as a verification
def _public_key(algorithm: str, members: tuple[tuple[str, str], ...]) -> Any:
    try:
        return _ALGORITHMS[algorithm].from_jwk(dict(members))
    except (PyJWTError, ValueError, TypeError) as error:
        raise UnknownKey(f"the key set's key is unusable: {error}") from error


def _members(jwk: Mapping[str, Any]) -> tuple[str, ...]:
    # Public members only: were a private key published by mistake, it would still be no use here.
    return ("kty", "n", "e") if jwk["kty"] == "RSA" else ("kty", "crv", "x", "y")
