"""Signing with the key that a KMS id or alias means now."""

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from interlock._dataclasses import dataclass
from interlock._protocol.kinds import (
    checked_bytes,
    checked_mapping,
    checked_text,
    optional_text,
)
from interlock._protocol.requests import Operation, monotonic, wall_clock
from interlock._protocol.signing.algorithms import base64url
from interlock._protocol.signing.keys import (
    Jwk,
    PublicKey,
    RsaAlgorithm,
    checked_rsa,
    public_key,
    same_key,
)
from interlock._protocol.signing.kms import ask, expect, expect_key, octets
from interlock._protocol.texts import texts
from interlock.errors import InterlockError, InvalidValue, KeyUnusable

log = logging.getLogger("interlock")

KEY_ID = "the id, ARN or alias of a KMS key"
_RETRY_REFRESH = 30.0


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature in JOSE's form, and the key that made it."""

    key: PublicKey
    value: bytes


class SigningOperations:
    """The operations of a `Signer`. Remembers the key between them.

    An alias may be pointed at another key at any moment. So the alias is only ever used to look
    up the key; `Sign` names the key's own ARN, which makes the `kid` right by construction:

        GetPublicKey(alias) -> key A    alias -> key B       Sign(A): kid A, signed by A
        ----------|------------------------|--------------------------|-------> refresh: key B
    """

    def __init__(
        self, key_id: str, *, refresh: float, timeout: float, rsa_algorithm: RsaAlgorithm
    ) -> None:
        self._key_id = checked_text("key_id", key_id, wanted=KEY_ID)
        self._refresh = refresh
        self._timeout = timeout
        self._rsa_algorithm: RsaAlgorithm = checked_rsa(rsa_algorithm)
        self._known: tuple[PublicKey, float] | None = None  # replaced whole: threads share it

    @property
    def key_id(self) -> str:
        """The ARN of the key that signs; until that is known, what the caller named it by.

        An alias' ARN counts as the alias, so that both have one metric, which an alarm can name.
        """
        if self._known is not None:
            return self._known[0].arn
        _, alias, name = self._key_id.rpartition("alias/")
        return alias + name

    def current_key(self) -> Operation[PublicKey]:
        """Return the key, looked up again when `refresh` seconds have passed.

        A look-up that fails leaves the known key in use: it still signs, or KMS says otherwise.
        """
        now = yield from monotonic()
        if self._known is None:
            return (yield from self._resolve())
        key, due = self._known
        if now < due:
            return key
        self._known = key, now + min(self._refresh, _RETRY_REFRESH)
        try:
            return (yield from self._resolve(most=1))
        except InterlockError as error:
            log.warning(
                "cannot look up %s again, signing goes on as %s: %s", self._key_id, key.arn, error
            )
            return key

    def sign(self, message_for: Callable[[PublicKey], bytes]) -> Operation[Signature]:
        """Sign what `message_for` returns for the key in use (its header names the key)."""
        key = yield from self.current_key()
        try:
            return (yield from self._sign_with(key, message_for(key)))
        except KeyUnusable:
            # The key may have been retired since it was looked up.
            successor = yield from self._resolve()
            if successor.arn == key.arn:
                raise
        return (yield from self._sign_with(successor, message_for(successor)))

    def sign_claims(
        self, claims: Mapping[str, Any], *, lifetime: float | None, token_type: str | None
    ) -> Operation[str]:
        """Return the compact JWS of the claims (RFC 7515, 7.1)."""
        optional_text("token_type", token_type)
        payload = base64url(json_bytes((yield from timed(claims, lifetime))))

        def signing_input(key: PublicKey) -> bytes:
            return f"{_header(key, token_type)}.{payload}".encode()

        signature = yield from self.sign(signing_input)
        return f"{signing_input(signature.key).decode()}.{base64url(signature.value)}"

    def sign_detached(self, payload: bytes, *, token_type: str | None) -> Operation[str]:
        """Return the JWS of a payload that travels elsewhere: `header..signature` (RFC 7797)."""
        optional_text("token_type", token_type)
        content = checked_bytes("payload", payload)

        def header(key: PublicKey) -> str:
            return _header(key, token_type, b64=False, crit=["b64"])

        signature = yield from self.sign(lambda key: header(key).encode() + b"." + content)
        return f"{header(signature.key)}..{base64url(signature.value)}"

    def _resolve(self, *, most: int | None = None) -> Operation[PublicKey]:
        key = yield from fetch_key(self._key_id, self._rsa_algorithm, self._timeout, most=most)
        self._known = key, (yield from monotonic()) + self._refresh
        return key

    def _sign_with(self, key: PublicKey, message: bytes) -> Operation[Signature]:
        algorithm = key.algorithm

        def read(reply: Mapping[str, Any]) -> bytes:
            expect_key(reply, key.arn)
            expect(reply, "SigningAlgorithm", algorithm.kms_name)
            return algorithm.jws_signature(octets(reply, "Signature"))

        content, message_type = algorithm.kms_message(message, key.jwk)
        value = yield from ask(
            "Sign",
            read,
            key_id=key.arn,
            timeout=self._timeout,
            Message=content,
            MessageType=message_type,
            SigningAlgorithm=algorithm.kms_name,
        )
        return Signature(key, value)


def fetch_key(
    key_id: str, rsa_algorithm: RsaAlgorithm, timeout: float, *, most: int | None = None
) -> Operation[PublicKey]:
    """Ask KMS for the public half of the key that an id, ARN or alias means now."""

    def read(reply: Mapping[str, Any]) -> PublicKey:
        key = public_key(reply, rsa_algorithm)
        if "alias/" not in key_id and not same_key(key.arn, key_id):
            raise ValueError(f"the public key is that of {key.arn}")
        return key

    return (yield from ask("GetPublicKey", read, key_id=key_id, timeout=timeout, most=most))


def fetch_jwks(
    key_ids: Iterable[str], *, rsa_algorithm: RsaAlgorithm, timeout: float
) -> Operation[dict[str, list[Jwk]]]:
    """Return the JWKS (RFC 7517, 5) of the keys, in their order, each key once."""
    checked_rsa(rsa_algorithm)
    keys: dict[str, Jwk] = {}
    for key_id in texts("key_ids", key_ids):
        key = yield from fetch_key(key_id, rsa_algorithm, timeout)
        keys.setdefault(key.kid, key.published())
    return {"keys": list(keys.values())}


def timed(claims: Mapping[str, Any], lifetime: float | None) -> Operation[dict[str, Any]]:
    """Return the claims with their times, as of now."""
    return with_times(claims, lifetime, (yield from wall_clock()))


def with_times(claims: Mapping[str, Any], lifetime: float | None, now: float) -> dict[str, Any]:
    """Return the claims with `exp`, and `iat` unless given, if they have a lifetime in seconds."""
    checked_mapping("claims", claims, '{"sub": ...}')
    if lifetime is None:
        return dict(claims)
    return {"iat": int(now), **claims, "exp": int(now) + int(lifetime)}


def json_bytes(value: Mapping[str, Any]) -> bytes:
    """Return compact UTF-8 JSON; raise `InvalidValue` for claims that JSON cannot hold."""
    try:
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidValue("claims", f"JSON cannot hold them: {error}") from error


def _header(key: PublicKey, token_type: str | None, **more: Any) -> str:
    header = {"alg": key.algorithm.name, "kid": key.kid, **more}
    if token_type is not None:
        header["typ"] = token_type
    return base64url(json_bytes(header))
