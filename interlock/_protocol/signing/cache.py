"""The keys a verifier trusts: fetched when needed, kept when a fetch fails."""

import json
import logging
from collections.abc import Mapping
from typing import Any

from interlock._protocol.faults import NoReply
from interlock._protocol.requests import Operation, call, monotonic
from interlock.errors import KeysUnavailable, UnknownKey

log = logging.getLogger("interlock")


# With no key at all nothing can be verified, so the next attempt comes sooner.
_EMPTY_COOLDOWN = 1.0


class KeyCache:
    """Public keys by `kid`, of one JWKS.

    fetch ---- fresh for `lifetime` ----> the next use fetches again
      an unknown kid: fetches again, but not within `cooldown` of the last attempt
      a failed fetch: the keys stay; the next attempt is a cooldown later
    """

    def __init__(self, *, lifetime: float, cooldown: float) -> None:
        self._lifetime = lifetime
        self._cooldown = cooldown
        self._keys: dict[str, Mapping[str, Any]] | None = None
        self._fetched = 0.0
        self._tried: float | None = None

    def known(self, kid: str, now: float) -> Mapping[str, Any] | None:
        """Return the key if it is cached and fresh; no request is made."""
        if self._keys is None or now - self._fetched >= self._lifetime:
            return None
        return self._keys.get(kid)

    def find(self, kid: str) -> Operation[Mapping[str, Any]]:
        """Return the JWK of this `kid`, fetching if that may help.

        Raises UnknownKey, or KeysUnavailable if no fetch has succeeded yet. Not to be run twice
        at once: the caller holds a lock, so that many tokens at a cold start cause one fetch.
        """
        now = yield from monotonic()
        key = self.known(kid, now)
        if key is not None:
            return key
        pause = self._cooldown if self._keys is not None else min(self._cooldown, _EMPTY_COOLDOWN)
        if self._tried is None or now - self._tried >= pause:
            self._tried = now
            yield from self._fetch(now)
        if self._keys is None:
            raise KeysUnavailable("no trusted keys: the key set could not be fetched yet")
        if kid not in self._keys:
            raise UnknownKey(f"no trusted key has kid {kid!r}")
        return self._keys[kid]

    def _fetch(self, now: float) -> Operation[None]:
        try:
            document = yield from call("FetchKeys")
            self._keys = keys_by_kid(document)
        except (NoReply, ValueError) as error:
            if self._keys is None:
                raise KeysUnavailable(f"cannot fetch the trusted keys: {error}") from error
            log.warning("cannot fetch the trusted keys again, the cached ones stay: %s", error)
            return
        self._fetched = now


def keys_by_kid(document: Any) -> dict[str, Mapping[str, Any]]:
    """Index a JWKS; raise ValueError for what is none, or has no key that can verify.

    Keys for other uses (`use`, `key_ops`), without a kid, or of an unknown type are passed over
    (RFC 7517, 4.2, 4.3 and 5).
    Symmetric keys never verify here: a public document cannot hold a secret.
    """
    if isinstance(document, str | bytes):
        document = json.loads(document)
    listed = document.get("keys") if isinstance(document, Mapping) else None
    keys: dict[str, Mapping[str, Any]] = {}
    for key in listed if isinstance(listed, list) else ():
        if not isinstance(key, Mapping) or not isinstance(key.get("kid"), str):
            continue
        if key.get("kty") not in ("EC", "RSA") or not _verifies(key):
            continue
        if keys.setdefault(key["kid"], key) != key:
            raise ValueError(f"two keys in the JWKS share the kid {key['kid']!r}")
    if not keys:
        raise ValueError("not a JWKS with at least one public key that has a kid")
    return keys


def _verifies(key: Mapping[str, Any]) -> bool:
    return key.get("use", "sig") == "sig" and "verify" in key.get("key_ops", ("verify",))
