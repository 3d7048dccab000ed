"""Tokens under a KMS HMAC key: HS256 and its longer kin (RFC 7518, 3.2)."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from interlock._protocol.faults import Refused
from interlock._protocol.requests import Operation, wall_clock
from interlock._protocol.signing.keys import base64url, same_key
from interlock._protocol.signing.kms import ask
from interlock._protocol.signing.signer import json_bytes
from interlock._protocol.signing.tokens import ClaimRules, read_json, read_token
from interlock.errors import (
    AlgorithmNotAllowed,
    BadSignature,
    InvalidValue,
    MalformedToken,
    SigningError,
    UnknownKey,
)

MacAlgorithm: TypeAlias = Literal["HS256", "HS384", "HS512"]

_KMS_NAMES: Mapping[str, str] = {
    "HS256": "HMAC_SHA_256",
    "HS384": "HMAC_SHA_384",
    "HS512": "HMAC_SHA_512",
}
# https://docs.aws.amazon.com/kms/latest/APIReference/API_GenerateMac.html
_MAX_MESSAGE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class MacSettings:
    """The keys, the one in use first, and the rules. `timeout` in seconds."""

    key_ids: tuple[str, ...]
    algorithm: MacAlgorithm
    timeout: float
    rules: ClaimRules


def mac_settings(
    key_id: str,
    previous: Sequence[str],
    algorithm: MacAlgorithm,
    timeout: float,
    rules: ClaimRules,
) -> MacSettings:
    """Check and keep a Mac's settings; raise ValueError for an alias or an unknown algorithm."""
    key_ids = (key_id, *previous)
    for each in key_ids:
        if "alias/" in each:
            raise ValueError(f"{each!r} may come to mean another key; pass key ids or ARNs")
    if algorithm not in _KMS_NAMES:
        raise ValueError(f"{algorithm!r} is none of {', '.join(_KMS_NAMES)}")
    return MacSettings(key_ids, algorithm, timeout, rules)


def mac_kid(key_id: str) -> str:
    """Return the `kid` of a MAC key: a hash of its id, which gives no account number away."""
    return base64url(hashlib.sha256(key_id.rpartition("/")[2].encode()).digest()[:16])


def sign_with_mac(
    settings: MacSettings, claims: Mapping[str, Any], lifetime: float | None
) -> Operation[str]:
    """Return the claims as a compact JWS under the key in use."""
    claims = dict(claims)
    if lifetime is not None:
        now = int((yield from wall_clock()))
        claims = {"iat": now, **claims, "exp": now + int(lifetime)}
    key_id = settings.key_ids[0]
    header = {"alg": settings.algorithm, "kid": mac_kid(key_id)}
    signing_input = f"{base64url(json_bytes(header))}.{base64url(json_bytes(claims))}"
    if len(signing_input) > _MAX_MESSAGE_BYTES:
        raise InvalidValue(
            "claims", f"{len(signing_input)} bytes; KMS makes MACs of {_MAX_MESSAGE_BYTES} at most"
        )
    reply = yield from ask(
        "GenerateMac",
        timeout=settings.timeout,
        KeyId=key_id,
        Message=signing_input.encode(),
        MacAlgorithm=_KMS_NAMES[settings.algorithm],
    )
    if not same_key(reply["KeyId"], key_id):
        raise SigningError(f"asked {key_id} for a MAC, and {reply['KeyId']} made it")
    return f"{signing_input}.{base64.urlsafe_b64encode(reply['Mac']).rstrip(b'=').decode()}"


def verify_mac(settings: MacSettings, text: str) -> Operation[dict[str, Any]]:
    """Return the claims of a genuine token of one of the keys."""
    token = read_token(text, known=_KMS_NAMES)
    if token.algorithm != settings.algorithm:
        raise AlgorithmNotAllowed(f"alg {token.algorithm!r} is not {settings.algorithm}")
    if token.payload is None:
        raise MalformedToken("a detached token has no claims")
    key_id = next((k for k in settings.key_ids if mac_kid(k) == token.kid), None)
    if key_id is None:
        raise UnknownKey(f"no MAC key has kid {token.kid!r}")
    if len(token.signing_prefix) > _MAX_MESSAGE_BYTES:
        raise MalformedToken(f"longer than the {_MAX_MESSAGE_BYTES} bytes that KMS makes MACs of")
    try:
        yield from ask(
            "VerifyMac",
            timeout=settings.timeout,
            KeyId=key_id,
            Message=token.signing_prefix,
            MacAlgorithm=_KMS_NAMES[settings.algorithm],
            Mac=token.signature,
        )
    except SigningError as error:
        cause = error.__cause__
        if isinstance(cause, Refused) and cause.code == "KMSInvalidMacException":
            raise BadSignature("the MAC is not that of this content by this key") from error
        raise
    claims = read_json(token.payload, "payload")
    settings.rules.check(claims, (yield from wall_clock()))
    return claims
