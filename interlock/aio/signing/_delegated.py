"""Signing by a key of this process, which a KMS key vouches for. Needs `interlock[verify]`."""

import logging
import time
from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from typing import Any

from interlock._dataclasses import dataclass
from interlock._drivers.awaitable.exclusion import Exclusion
from interlock._drivers.lifecycle import watch_forks
from interlock._drivers.unshared import Unshared
from interlock._exports import public_in
from interlock._protocol.durations import seconds
from interlock._protocol.kinds import checked_choice, checked_mapping, optional_text, shown, written
from interlock._protocol.signing.algorithms import base64url
from interlock._protocol.signing.client import json_bytes, with_times
from interlock._protocol.signing.delegation import (
    EXTENSION,
    certificate_claims,
    check_scope,
)
from interlock._protocol.signing.ephemeral import EphemeralAlgorithm, EphemeralKey, new_key
from interlock._protocol.signing.receipts import RECEIPT_TYPE
from interlock._protocol.signing.tokens import CERTIFICATE_TYPE
from interlock.aio.signing._signer import Signer
from interlock.errors import InterlockError, InvalidValue, SigningError
from interlock.metrics import Metrics

log = logging.getLogger("interlock")

_RENEW_AHEAD = 0.2  # of the lifetime, so that an outage of KMS as long is not noticed
_RETRY_RENEWAL = 10.0  # seconds


@dataclass(frozen=True, slots=True)
class _Delegate:
    """A key of this process and its certificate. Times in seconds since the epoch."""

    key: EphemeralKey
    headers: Mapping[str, str]
    begins: float
    ends: float
    renewal: float


@public_in("interlock.aio.signing")
class DelegatedSigner(Unshared):
    """Signs tokens by a key of this process, so that only its certificate costs a KMS call.

    The key is weaker kept than one in KMS: what can read this process' memory can take it, and
    sign whatever the certificate covers as of any moment until it ends. So the certificate covers
    `token_types` (default: receipts) and, if given, one `issuer` only, for `lifetime` (default 15
    minutes, an hour at most).

    `key_id` is the KMS key that vouches, as for `Signer`, with its `client`, `timeout` and
    `metrics`; verifiers need no other key set. The key is made by the first signature, and anew
    for each certificate, in a forked child and in a restored snapshot; it is never stored. The
    certificate is renewed when a fifth of its lifetime is left; while KMS fails, the old one is
    used to its end. `algorithm` is ES256, or Ed25519. Safe to share, as far as `client` is.
    """

    def __init__(
        self,
        key_id: str,
        *,
        token_types: Collection[str] = (RECEIPT_TYPE,),
        issuer: str | None = None,
        lifetime: timedelta = timedelta(minutes=15),
        algorithm: EphemeralAlgorithm = "ES256",
        client: Any = None,
        timeout: timedelta = timedelta(seconds=5),
        metrics: Metrics | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        checked_choice("algorithm", algorithm, ("ES256", "Ed25519"))
        self._lifetime = seconds("lifetime", lifetime)
        self._token_types = check_scope(token_types, self._lifetime)
        self._issuer = optional_text("issuer", issuer)
        self._algorithm: EphemeralAlgorithm = algorithm
        self._signer = Signer(
            key_id, client=client, timeout=timeout, metrics=metrics, wall_clock=wall_clock
        )
        self._wall_clock = wall_clock
        self._delegate: _Delegate | None = None
        self._attempts, self._tried = 0, float("-inf")
        self._failure: InterlockError | None = None
        self._certifying = Exclusion()
        watch_forks(self)

    def forked(self) -> None:
        """Forget the key: another process has it, or another copy of a snapshot."""
        self._delegate = None

    async def sign(
        self,
        claims: Mapping[str, Any],
        *,
        lifetime: timedelta | None = None,
        token_type: str | None = None,
    ) -> str:
        """Return the claims as a compact JWS, with `iat` unless given.

        `lifetime` sets `exp`, as in `Signer.sign`. `token_type` is one of the certificate's (the
        default if there is one only). Raises InvalidValue for a type, an issuer or an `iat` that
        the certificate does not cover, and what `Signer.sign` raises where a certificate is needed.
        """
        if token_type is None and len(self._token_types) == 1:
            (token_type,) = self._token_types
        if token_type not in self._token_types:
            allowed = ", ".join(self._token_types)
            given = "none is given" if token_type is None else f"is {written(token_type)}"
            raise InvalidValue("token_type", f"{given}; the delegation covers {allowed}")
        checked_mapping("claims", claims, '{"sub": ...}')
        if self._issuer is not None and claims.get("iss") != self._issuer:
            raise InvalidValue("claims['iss']", f"is not {self._issuer!r}, as the delegation's is")
        now = self._wall_clock()
        delegate = self._delegate
        if delegate is None or not delegate.begins <= now < delegate.renewal:
            delegate = await self._current()
            now = self._wall_clock()
        lasting = None if lifetime is None else seconds("lifetime", lifetime)
        stated = {"iat": int(now), **with_times(claims, lasting, now)}
        issued = stated["iat"]
        if isinstance(issued, bool) or not isinstance(issued, int | float):
            raise InvalidValue("claims['iat']", f"{shown(issued)} is not a number of seconds")
        if not delegate.begins <= issued <= delegate.ends:
            raise InvalidValue("claims['iat']", "is not within the time of the delegation")
        signing_input = f"{delegate.headers[token_type]}.{base64url(json_bytes(stated))}"
        return f"{signing_input}.{base64url(delegate.key.sign(signing_input.encode()))}"

    async def _current(self) -> _Delegate:
        """Return what signs now: a new key if one is due and can be had."""
        attempts, now = self._attempts, self._wall_clock()
        known = self._serving(now)
        if known is not None:
            tried_lately = 0 <= now - self._tried < _RETRY_RENEWAL
            if now < known.renewal or tried_lately or self._certifying.held():
                return known
        async with self._certifying:
            if self._attempts == attempts:  # no other caller has tried while this one waited
                await self._renew(now)
            serving = self._serving(self._wall_clock())
            if serving is None:
                raise self._failure or SigningError("the delegation ended before it was used")
            return serving

    def _serving(self, now: float) -> _Delegate | None:
        known = self._delegate
        return known if known is not None and known.begins <= now < known.ends else None

    async def _renew(self, now: float) -> None:
        self._tried, self._failure = now, None
        try:
            self._delegate = await self._certified()
        except InterlockError as error:
            self._failure = error
            if self._serving(now) is not None:
                log.warning("a delegation cannot be renewed yet, the old one stays: %s", error)
        finally:
            self._attempts += 1  # at the end: a caller that comes meanwhile has waited for it

    async def _certified(self) -> _Delegate:
        key, begins = new_key(self._algorithm), int(self._wall_clock())
        claims = certificate_claims(
            key.jwk,
            token_types=self._token_types,
            issuer=self._issuer,
            begins=begins,
            lifetime=self._lifetime,
        )
        certificate = await self._signer.sign(claims, token_type=CERTIFICATE_TYPE)
        common = {"alg": key.algorithm, "kid": key.kid}
        critical = {"crit": [EXTENSION], EXTENSION: certificate}
        headers = {
            each: base64url(json_bytes({**common, "typ": each, **critical}))
            for each in self._token_types
        }
        ends = begins + int(self._lifetime)
        return _Delegate(key, headers, begins, ends, ends - self._lifetime * _RENEW_AHEAD)
