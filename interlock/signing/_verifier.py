"""Verification without KMS, by keys that are cached. Needs `interlock[verify]`."""

import threading
import time
from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from typing import Any, TypeAlias

from interlock._drivers.blocking.driver import Driver
from interlock._drivers.environment import Environment
from interlock._protocol.signing.cache import KeyCache
from interlock._protocol.signing.tokens import (
    ALGORITHMS,
    ClaimRules,
    algorithm_of,
    check_type,
    read_token,
)
from interlock.errors import AlgorithmNotAllowed
from interlock.signing._check import check_detached, check_token
from interlock.signing._fetch import KeySource, fetch_url

KeySet: TypeAlias = Mapping[str, Any]


class Verifier:
    """Verifies tokens by a JWKS, which is fetched when needed and cached.

    `keys` is the JWKS' URL, the JWKS itself, or a function that returns it
    (`lambda: jwks(["alias/receipts"])` asks KMS). A URL is https, or http on loopback.

    `algorithms` are accepted (default ES256, ES384, ES512, PS256), `required` claims must be
    there, `issuer` and `audience` must match where given, and times are judged with `leeway`
    (default none). `token_type` is the header's `typ` that a token must have, where given.

    The JWKS is fetched again after `lifetime` (default 10 minutes), and for an unknown `kid` at
    most once in `cooldown` (default 30 seconds), whoever asks. A failed fetch leaves the cached
    keys in use. Safe to share between threads. `fetch` gets a URL and returns its body; it may
    raise OSError or ValueError.
    """

    def __init__(
        self,
        keys: str | KeySet | Callable[[], KeySet],
        *,
        algorithms: Collection[str] = ALGORITHMS,
        required: Collection[str] = (),
        issuer: str | None = None,
        audience: str | None = None,
        leeway: timedelta = timedelta(0),
        token_type: str | None = None,
        lifetime: timedelta = timedelta(minutes=10),
        cooldown: timedelta = timedelta(seconds=30),
        fetch: Callable[[str], bytes] = fetch_url,
        monotonic: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._algorithms = frozenset(algorithms)
        self._token_type = token_type
        self._rules = ClaimRules(tuple(required), issuer, audience, leeway.total_seconds())
        self._driver = Driver(KeySource(keys, fetch), environment=Environment(monotonic=monotonic))
        self._cache = KeyCache(lifetime=lifetime.total_seconds(), cooldown=cooldown.total_seconds())
        self._fetching = threading.Lock()
        self._monotonic = monotonic
        self._wall_clock = wall_clock

    def verify(self, token: str) -> dict[str, Any]:
        """Return the claims of a token that is genuine and valid now.

        Raises a subclass of InvalidToken that says why it is not: MalformedToken,
        AlgorithmNotAllowed, UnknownKey, BadSignature, ClaimMissing, ClaimRejected, TokenExpired
        or TokenNotYetValid; or KeysUnavailable if no key set could be had.
        """
        parsed = read_token(token)
        check_type(parsed, self._token_type)
        return check_token(
            parsed, self._key(parsed.kid), self._algorithms, self._rules, self._wall_clock()
        )

    def verify_detached(self, token: str, payload: bytes) -> None:
        """Return if the token signs this payload (RFC 7797); raise as `verify` does if not."""
        parsed = read_token(token)
        check_type(parsed, self._token_type)
        check_detached(parsed, payload, self._key(parsed.kid), self._algorithms)

    def key_for(self, kid: str) -> tuple[str, Mapping[str, Any]]:
        """Return the trusted key of this `kid` as a JWK, and the JWS algorithm it is for.

        Raises UnknownKey, AlgorithmNotAllowed or KeysUnavailable.
        """
        jwk = self._key(kid)
        algorithm = algorithm_of(jwk)
        if algorithm is None or algorithm not in self._algorithms:
            raise AlgorithmNotAllowed(f"key {kid!r} is for {algorithm}, which is not allowed")
        return algorithm, jwk

    def _key(self, kid: str) -> Mapping[str, Any]:
        key = self._cache.known(kid, self._monotonic())
        if key is not None:
            return key
        with self._fetching:
            return self._driver.run(self._cache.find(kid))
