"""The keys a verifier trusts: fetched when needed, kept when a fetch fails."""

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from interlock._protocol.faults import NoReply
from interlock._protocol.requests import Operation, call, monotonic
from interlock._protocol.signing.algorithms import ALL, kind_of
from interlock.errors import KeysUnavailable, UnknownKey

log = logging.getLogger("interlock")

# The keys of one kid, by the algorithm or, where a key does not name one, the kind they are for.
# As a rule one each: a kid should be unique (RFC 7517, 4.5), and more are tried one by one.
KeysOfKid: TypeAlias = Mapping[str, Sequence[Mapping[str, Any]]]
_MOST_ALIKE = 4
_OF_RSA = frozenset(name for name, algorithm in ALL.items() if algorithm.kind == "RSA")

# With no key at all nothing can be verified, so the next attempt comes sooner.
_EMPTY_COOLDOWN = 1.0


class KeyCache:
    """Public keys by `kid` and kind, of one JWKS.

    fetch ---- fresh for `lifetime` ----> the next use fetches again
      an unknown kid: fetches again, but not within `cooldown` of the last attempt
      a failed fetch: the keys stay; the next attempt is a cooldown later
    """

    def __init__(self, *, lifetime: float, cooldown: float) -> None:
        self._lifetime = lifetime
        self._cooldown = cooldown
        # And when they were fetched. Replaced whole: other threads read it while one fetches.
        self._kept: tuple[dict[str, KeysOfKid], float] | None = None
        self._tried: float | None = None

    def known(self, kid: str, now: float) -> KeysOfKid | None:
        """Return the keys if they are cached and fresh; no request is made."""
        if self._kept is None:
            return None
        keys, fetched = self._kept
        return keys.get(kid) if now - fetched < self._lifetime else None

    def stale(self, kid: str) -> KeysOfKid | None:
        """Return the keys if they are cached, however old: for use while they are fetched."""
        return None if self._kept is None else self._kept[0].get(kid)

    def find(self, kid: str, asked: float) -> Operation[KeysOfKid]:
        """Return the JWKs of this `kid`, fetching if that may help.

        `asked` is when the caller came, on the monotonic clock: what was tried since is not tried
        again. Raises UnknownKey, or KeysUnavailable if no fetch has succeeded yet. Not to be run
        twice at once: the caller holds a lock, so that many tokens at a cold start cause one fetch.
        """
        now = yield from monotonic()
        keys = self.known(kid, now)
        if keys is not None:
            return keys
        pause = self._cooldown if self._kept is not None else min(self._cooldown, _EMPTY_COOLDOWN)
        if self._tried is None or (self._tried < asked and now - self._tried >= pause):
            self._tried = now
            try:
                yield from self._fetch(now)
            finally:
                # A source that hangs is left alone for the whole pause, not for what is left of it.
                self._tried = max(self._tried, (yield from monotonic()))
        if self._kept is None:
            raise KeysUnavailable("no trusted keys: the key set could not be fetched yet")
        trusted, _ = self._kept
        if kid not in trusted:
            raise UnknownKey(f"no trusted key has kid {kid!r}")
        return trusted[kid]

    def _fetch(self, now: float) -> Operation[None]:
        try:
            document = yield from call("FetchKeys")
            self._kept = keys_by_kid(document), now
        except (NoReply, ValueError) as error:
            if self._kept is None:
                raise KeysUnavailable(f"cannot fetch the trusted keys: {error}") from error
            log.warning("cannot fetch the trusted keys again, the cached ones stay: %s", error)


def keys_by_kid(document: Any) -> dict[str, KeysOfKid]:
    """Index a JWKS by kid and kind; raise ValueError for what is none, or has no key to verify by.

    Keys for other uses (`use`, `key_ops`), without a kid, or of an unknown type are passed over
    (RFC 7517, 4.2, 4.3 and 5), and so are more than four of one kid and kind. Symmetric keys never
    verify here: a public document cannot hold a secret.
    """
    try:
        if isinstance(document, str | bytes):
            document = json.loads(document)
        listed = document.get("keys") if isinstance(document, Mapping) else None
        found = [key for key in listed if _usable(key)] if isinstance(listed, list) else []
        keys = _indexed(found)
    except ValueError:
        raise
    except Exception as error:  # nested too deeply, or an object that only looks like a document
        raise ValueError(f"not a JWKS: {type(error).__name__} when it was read") from error
    if not keys:
        raise ValueError("not a JWKS with at least one public key that has a kid")
    return keys


def _indexed(found: list[Mapping[str, Any]]) -> dict[str, KeysOfKid]:
    keys: dict[str, dict[str, list[Mapping[str, Any]]]] = {}
    for key in found:
        alike = keys.setdefault(key["kid"], {}).setdefault(_slot(key), [])
        if len(alike) < _MOST_ALIKE and all(
            public_members(other) != public_members(key) for other in alike
        ):
            alike.append(key)
    return dict(keys)


def _slot(key: Mapping[str, Any]) -> str:
    kind = kind_of(key) or ""
    # One RSA key may be published for each of its algorithms; of another's it takes no place.
    return str(key["alg"]) if kind == "RSA" and key.get("alg") in _OF_RSA else kind


def public_members(jwk: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Return the members that are the key, by name (RFC 7638, 3.2).

    Public ones only: were a private key published by mistake, it would still be no use here.
    """
    names = {"RSA": ("kty", "n", "e"), "AKP": ("kty", "alg", "pub")}
    return tuple(
        (name, jwk[name]) for name in names.get(jwk["kty"], ("kty", "crv", "x", "y")) if name in jwk
    )


def _usable(key: Any) -> bool:
    return (
        isinstance(key, Mapping)
        and isinstance(key.get("kid"), str)
        and isinstance(key.get("kty"), str)
        and isinstance(key.get("alg", ""), str)
        and kind_of(key) is not None
        and _verifies(key)
    )


def _verifies(key: Mapping[str, Any]) -> bool:
    operations = key.get("key_ops", ["verify"])
    listed = isinstance(operations, list | tuple) and "verify" in operations
    return key.get("use", "sig") == "sig" and listed
