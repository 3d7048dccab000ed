"""The cryptographic part of verification, by PyJWT and cryptography."""

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from jwt.algorithms import Algorithm, get_default_algorithms
from jwt.exceptions import PyJWTError

from interlock._protocol.kinds import checked_bytes
from interlock._protocol.signing.algorithms import (
    ALL,
    POST_QUANTUM,
    algorithm_of,
    decoded,
    kind_of,
    own_name,
)
from interlock._protocol.signing.cache import KeysOfKid, public_members
from interlock._protocol.signing.delegation import Certificate
from interlock._protocol.signing.tokens import (
    ClaimRules,
    Token,
    choose_keys,
    read_json,
)
from interlock.errors import (
    AlgorithmNotAllowed,
    AlgorithmUnavailable,
    BadSignature,
    InvalidToken,
    MalformedToken,
    UnknownKey,
)

try:
    from cryptography.hazmat.primitives.asymmetric import mldsa
except ImportError:  # before cryptography 47, or built against a library without it
    mldsa = None  # type: ignore[assignment]

# What PyJWT calls an algorithm: of those that are known here, never "none" or HS*.
_JWT_NAMES = {**{name: name for name in ALL}, "Ed25519": "EdDSA"}
_ALGORITHMS: dict[str, Algorithm] = get_default_algorithms()
# RFC 7518, 3.3 and 3.5; above the second OpenSSL verifies nothing, at great expense.
_LEAST_RSA_BITS, _MOST_RSA_BITS = 2048, 16384


def check_token(
    token: Token,
    keys: KeysOfKid,
    algorithms: Collection[str],
    rules: ClaimRules,
    now: float,
) -> dict[str, Any]:
    """Return the claims of a genuine token that keeps the rules."""
    if token.payload is None:
        raise MalformedToken("a detached token: use verify_detached and hand over its payload")
    check_content(token, token.signing_prefix, keys, algorithms)
    claims = read_json(token.payload, "payload")
    rules.check(claims, now)
    return claims


def delegated_keys(
    certificate: Certificate, keys: KeysOfKid, algorithms: Collection[str]
) -> KeysOfKid:
    """Return the key that a certificate is for, as the one of its kid.

    Raises unless one of `keys`, those of the certificate's own kid, signed it. The last ones that
    were genuine are remembered.
    """
    token = certificate.token
    alike = choose_keys(token, keys, algorithms)
    name, trusted = own_name(token.algorithm), tuple(public_members(jwk) for jwk in alike)
    known = (name, token.signing_prefix, token.signature, repr(trusted))
    if known not in _genuine:
        check_content(token, token.signing_prefix, keys, algorithms)
        if len(_genuine) >= _MOST_GENUINE:
            _genuine.clear()
        _genuine.add(known)
    return {kind_of(certificate.jwk) or "": [certificate.jwk]}


# As many processes as may sign at a time, with room for those before them.
_MOST_GENUINE = 4096
_genuine: set[tuple[str, bytes, bytes, str]] = set()


def check_detached(
    token: Token, payload: bytes, keys: KeysOfKid, algorithms: Collection[str]
) -> None:
    """Return if the token is that of this payload."""
    if token.payload is not None:
        raise MalformedToken("the token carries its own payload: use verify")
    check_content(token, token.signing_prefix + checked_bytes("payload", payload), keys, algorithms)


def check_content(
    token: Token, content: bytes, keys: KeysOfKid, algorithms: Collection[str]
) -> None:
    """Raise unless one of the keys of the token's kid signed this content."""
    failure: InvalidToken | None = None
    for jwk in choose_keys(token, keys, algorithms):
        try:
            return check_signature(token.algorithm, jwk, content, token.signature)
        except BadSignature as error:
            failure = error
        except UnknownKey as error:  # it is broken, which says less than a signature that is not
            failure = failure or error
    raise failure or UnknownKey(f"no trusted key has kid {token.kid!r}")


def only_key(
    kid: str, keys: KeysOfKid, algorithms: Collection[str]
) -> tuple[str, Mapping[str, Any]]:
    """Return the one algorithm that is allowed among a kid's keys, and its key."""
    named = [(algorithm_of(jwk), jwk) for alike in keys.values() for jwk in alike]
    found = [(name, jwk) for name, jwk in named if name is not None and name in algorithms]
    if len(found) != 1:
        names = ", ".join(name or "no algorithm" for name, _ in named)
        raise AlgorithmNotAllowed(f"key {kid!r} is for {names}, not for one that is allowed")
    return found[0]


def check_signature(
    algorithm: str, jwk: Mapping[str, Any], message: bytes, signature: bytes
) -> None:
    """Raise BadSignature unless this key signed this message."""
    name = own_name(algorithm)
    key = load_key(name, jwk)
    if name in POST_QUANTUM:
        try:
            key.verify(signature, message)
        except InvalidSignature:
            genuine = False
        else:
            genuine = True
    else:
        genuine = _ALGORITHMS[_JWT_NAMES[name]].verify(message, key, signature)
    if not genuine:
        raise BadSignature("the signature is not that of this content by this key")


def load_key(algorithm: str, jwk: Mapping[str, Any]) -> Any:
    """Return the JWK as a public key of cryptography.

    Raises UnknownKey if it is broken or too weak, AlgorithmUnavailable if this installation cannot
    verify by it.
    """
    members = public_members(jwk)
    if not all(isinstance(value, str) for _, value in members):
        raise UnknownKey("the key set's key is unusable: its members are no texts")
    return _public_key(own_name(algorithm), members)


@lru_cache(maxsize=256)  # reading a key costs as much as a verification
def _public_key(algorithm: str, members: tuple[tuple[str, str], ...]) -> Any:
    jwk = dict(members)
    try:
        if algorithm in POST_QUANTUM:
            return _ml_dsa_key(algorithm, decoded(jwk["pub"]))
        if jwk["kty"] == "RSA":
            _check_size(jwk["n"])
        return _ALGORITHMS[_JWT_NAMES[algorithm]].from_jwk(jwk)
    except UnsupportedAlgorithm as error:
        raise AlgorithmUnavailable(f"{algorithm} cannot be verified here: {error}") from error
    except (PyJWTError, ValueError, TypeError, KeyError, OverflowError) as error:
        raise UnknownKey(f"the key set's key is unusable: {error}") from error


def _check_size(modulus: str) -> None:
    bits = int.from_bytes(decoded(modulus), "big").bit_length()
    if not _LEAST_RSA_BITS <= bits <= _MOST_RSA_BITS:
        raise ValueError(f"RSA of {bits} bits; {_LEAST_RSA_BITS} to {_MOST_RSA_BITS} are accepted")


def _ml_dsa_key(algorithm: str, public: bytes) -> Any:
    if mldsa is None:
        raise AlgorithmUnavailable(
            f"{algorithm} cannot be verified here: the cryptography package has no ML-DSA; "
            "install a newer one, or verify by KmsVerifier"
        )
    kind = getattr(mldsa, f"MLDSA{algorithm[-2:]}PublicKey")
    return kind.from_public_bytes(public)
