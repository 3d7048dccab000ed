"""Verification without KMS, by keys that are cached. Needs `interlock[verify]`."""

import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import timedelta
from typing import Any

from interlock._drivers.awaitable.driver import Driver
from interlock._drivers.awaitable.exclusion import Exclusion
from interlock._drivers.awaitable.fetching import fetch_url
from interlock._drivers.environment import Environment
from interlock._drivers.unshared import Unshared
from interlock._exports import public_in
from interlock._protocol.durations import seconds
from interlock._protocol.kinds import checked_bytes, checked_text, optional_text
from interlock._protocol.signing.algorithms import ALGORITHMS, allowed
from interlock._protocol.signing.cache import KeyCache, KeysOfKid
from interlock._protocol.signing.checking import (
    check_content,
    check_detached,
    check_token,
    delegated_keys,
    only_key,
)
from interlock._protocol.signing.delegation import EXTENSION, read_certificate
from interlock._protocol.signing.hybrid import read_hybrid
from interlock._protocol.signing.tokens import (
    UNENCODED,
    ClaimRules,
    check_type,
    read_json,
    read_token,
)
from interlock.aio.signing._keys import KeySet, KeySource
from interlock.errors import MalformedToken


@public_in("interlock.aio.signing")
class Verifier(Unshared):
    """Verifies tokens by a JWKS, which is fetched when needed and cached.

    `keys` is the JWKS' URL, the JWKS itself, or a coroutine function that returns it
    (`lambda: jwks(["alias/receipts"])` asks KMS). A URL is https, or http on loopback.

    `algorithms` are accepted (default: all but RS256 and ES256K), `required` claims must be there,
    `issuer` and `audience` must match where given, and times are judged with `leeway` (default
    none; `iat` and `nbf` may always lie one second ahead, for clocks that differ). `token_type` is
    the header's `typ` that a token must have, where given.

    Tokens of a `DelegatedSigner` are accepted if a key of the set vouches for theirs, for as long
    as `delegation` at most (default one hour; zero accepts none).

    The JWKS is fetched again after `lifetime` (default 10 minutes), and for an unknown `kid` at
    most once in `cooldown` (default 30 seconds), whatever asks. A failed fetch leaves the cached
    keys in use, and only the caller that fetches waits for it. `fetch` is a coroutine function that
    gets a URL and returns its body (default: within 2 seconds in all); it may raise anything. Safe
    to share.
    """

    def __init__(
        self,
        keys: str | KeySet | Callable[[], Awaitable[KeySet]],
        *,
        algorithms: Collection[str] = ALGORITHMS,
        required: Collection[str] = (),
        issuer: str | None = None,
        audience: str | None = None,
        leeway: timedelta = timedelta(0),
        token_type: str | None = None,
        delegation: timedelta = timedelta(hours=1),
        lifetime: timedelta = timedelta(minutes=10),
        cooldown: timedelta = timedelta(seconds=30),
        fetch: Callable[[str], Awaitable[bytes]] = fetch_url,
        monotonic: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._algorithms = allowed(algorithms)
        self._token_type = optional_text("token_type", token_type)
        self._delegation = seconds("delegation", delegation, least=0.0)
        self._rules = ClaimRules(required, issuer, audience, seconds("leeway", leeway, least=0.0))
        self._driver = Driver(KeySource(keys, fetch), environment=Environment(monotonic=monotonic))
        self._cache = KeyCache(
            lifetime=seconds("lifetime", lifetime, positive=True),
            cooldown=seconds("cooldown", cooldown, least=0.0),
        )
        self._fetching = Exclusion()
        self._monotonic = monotonic
        self._wall_clock = wall_clock

    async def verify(self, token: str) -> dict[str, Any]:
        """Return the claims of a token that is genuine and valid now.

        Raises a subclass of InvalidToken that says why it is not: MalformedToken,
        AlgorithmNotAllowed, UnknownKey, BadSignature, ClaimMissing, ClaimRejected, TokenExpired
        or TokenNotYetValid; or KeysUnavailable if no key set could be had, AlgorithmUnavailable if
        this installation lacks the algorithm.
        """
        parsed = read_token(token, extensions=(UNENCODED, EXTENSION))
        check_type(parsed, self._token_type)
        if parsed.extension != EXTENSION:
            keys = await self._keys(parsed.kid)
            return check_token(parsed, keys, self._algorithms, self._rules, self._wall_clock())
        certificate = read_certificate(parsed, self._delegation)
        trusted = await self._keys(certificate.token.kid)
        keys, now = delegated_keys(certificate, trusted, self._algorithms), self._wall_clock()
        claims = check_token(parsed, keys, self._algorithms, self._rules, now)
        certificate.check(parsed, claims, self._rules, now)
        return claims

    async def verify_detached(self, token: str, payload: bytes) -> None:
        """Return if the token signs this payload (RFC 7797); raise as `verify` does if not."""
        checked_bytes("payload", payload)
        parsed = read_token(token)
        check_type(parsed, self._token_type)
        check_detached(parsed, payload, await self._keys(parsed.kid), self._algorithms)

    async def key_for(self, kid: str) -> tuple[str, Mapping[str, Any]]:
        """Return the trusted key of this `kid` as a JWK, and the JWS algorithm it is for.

        Raises UnknownKey, AlgorithmNotAllowed or KeysUnavailable.
        """
        checked_text("kid", kid, wanted="the kid of a key")
        return only_key(kid, await self._keys(kid), self._algorithms)

    async def _keys(self, kid: str) -> KeysOfKid:
        asked = self._monotonic()
        keys = self._cache.known(kid, asked)
        if keys is None and self._fetching.held():
            keys = self._cache.stale(kid)
        if keys is not None:
            return keys
        async with self._fetching:
            return await self._driver.run(self._cache.find(kid, asked))


@public_in("interlock.aio.signing")
class HybridVerifier(Verifier):
    """Verifies tokens of `HybridSigner`, by a JWKS that has both keys; takes what `Verifier` takes.

    Both signatures must hold. A token with one, or with one of them removed, is refused.
    """

    async def verify(self, token: str) -> dict[str, Any]:
        """Return the claims of a token whose two signatures are genuine; as `Verifier.verify`."""
        parts = read_hybrid(token)
        for part in parts:
            check_type(part, self._token_type)
            keys = await self._keys(part.kid)
            check_content(part, part.signing_prefix, keys, self._algorithms)
        claims = read_json(parts[0].payload or b"", "payload")
        self._rules.check(claims, self._wall_clock())
        return claims

    async def verify_detached(self, token: str, payload: bytes) -> None:
        """Raise MalformedToken: a hybrid token carries its payload."""
        del token, payload
        raise MalformedToken("a hybrid token carries its payload")
