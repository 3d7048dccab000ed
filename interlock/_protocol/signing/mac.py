"""Tokens under a KMS HMAC key: HS256 and its longer kin (RFC 7518, 3.2)."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias, TypeVar

from interlock._dataclasses import dataclass
from interlock._protocol.kinds import checked_choice, checked_text
from interlock._protocol.requests import Operation, wall_clock
from interlock._protocol.signing.algorithms import base64url
from interlock._protocol.signing.client import json_bytes, timed
from interlock._protocol.signing.kms import ask, expect, expect_key, octets
from interlock._protocol.signing.tokens import ClaimRules, read_json, read_token
from interlock._protocol.texts import texts
from interlock.errors import (
    AlgorithmNotAllowed,
    BadSignature,
    InvalidValue,
    MalformedToken,
    RequestRefused,
    UnknownKey,
)

T = TypeVar("T")

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
    """Check and keep a Mac's settings; raise `InvalidValue`, for an alias too."""
    key_ids = (
        checked_text("key_id", key_id, wanted="the id or ARN of a KMS key"),
        *texts("previous", previous),
    )
    for each in key_ids:
        if "alias/" in each:
            way_out = "pass key ids or ARNs"
            raise InvalidValue("key_id", f"{each!r} may come to mean another key; {way_out}")
    checked_choice("algorithm", algorithm, _KMS_NAMES)
    return MacSettings(key_ids, algorithm, timeout, rules)


def mac_kid(key_id: str) -> str:
    """Return the `kid` of a MAC key: a hash of its id, which gives no account number away."""
    return base64url(hashlib.sha256(key_id.rpartition("/")[2].encode()).digest()[:16])


class MacOperations:
    """The operations of a `Mac`."""

    def __init__(self, settings: MacSettings) -> None:
        self._settings = settings
        self._size = int(settings.algorithm[2:]) // 8  # of a MAC, in bytes

    def sign(self, claims: Mapping[str, Any], *, lifetime: float | None) -> Operation[str]:
        """Return the claims as a compact JWS under the key in use."""
        key_id, algorithm = self._settings.key_ids[0], self._settings.algorithm
        header = {"alg": algorithm, "kid": mac_kid(key_id)}
        payload = base64url(json_bytes((yield from timed(claims, lifetime))))
        signing_input = f"{base64url(json_bytes(header))}.{payload}"
        if len(signing_input) > _MAX_MESSAGE_BYTES:
            reason = f"{len(signing_input)} bytes; KMS makes MACs of {_MAX_MESSAGE_BYTES} at most"
            raise InvalidValue("claims", reason)

        def read(reply: Mapping[str, Any]) -> bytes:
            self._check(reply, key_id)
            mac = octets(reply, "Mac")
            if len(mac) != self._size:
                raise ValueError(f"a MAC of {len(mac)} bytes")
            return mac

        mac = yield from self._ask("GenerateMac", read, key_id, signing_input.encode())
        return f"{signing_input}.{base64url(mac)}"

    def verify(self, text: str) -> Operation[dict[str, Any]]:
        """Return the claims of a genuine token of one of the keys."""
        token = read_token(text, known=_KMS_NAMES)
        if token.algorithm != self._settings.algorithm:
            raise AlgorithmNotAllowed(f"alg {token.algorithm!r} is not {self._settings.algorithm}")
        if token.payload is None:
            raise MalformedToken("a detached token has no claims")
        key_id = next((k for k in self._settings.key_ids if mac_kid(k) == token.kid), None)
        if key_id is None:
            raise UnknownKey(f"no MAC key has kid {token.kid!r}")
        if len(token.signing_prefix) > _MAX_MESSAGE_BYTES:
            reason = f"longer than the {_MAX_MESSAGE_BYTES} bytes that KMS makes MACs of"
            raise MalformedToken(reason)
        if len(token.signature) != self._size:
            raise BadSignature(f"a MAC of {len(token.signature)} bytes instead of {self._size}")
        asked: str = key_id

        def read(reply: Mapping[str, Any]) -> None:
            self._check(reply, asked)
            if reply["MacValid"] is not True:
                raise ValueError(f"MacValid is {reply['MacValid']!r}")

        try:
            yield from self._ask("VerifyMac", read, key_id, token.signing_prefix, token.signature)
        except RequestRefused as error:
            if error.code != "KMSInvalidMacException":
                raise
            raise BadSignature("the MAC is not that of this content by this key") from error
        claims = read_json(token.payload, "payload")
        self._settings.rules.check(claims, (yield from wall_clock()))
        return claims

    def _ask(
        self,
        operation: str,
        read: Callable[[Mapping[str, Any]], T],
        key_id: str,
        message: bytes,
        mac: bytes | None = None,
    ) -> Operation[T]:
        given: dict[str, Any] = {} if mac is None else {"Mac": mac}
        return ask(
            operation,
            read,
            key_id=key_id,
            timeout=self._settings.timeout,
            Message=message,
            MacAlgorithm=_KMS_NAMES[self._settings.algorithm],
            **given,
        )

    def _check(self, reply: Mapping[str, Any], key_id: str) -> None:
        expect_key(reply, key_id)
        expect(reply, "MacAlgorithm", _KMS_NAMES[self._settings.algorithm])
