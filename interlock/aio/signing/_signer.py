"""Signing with an asymmetric KMS key."""

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from interlock._drivers.awaitable.opening import open_driver
from interlock._drivers.bounds import timeout_bound
from interlock._drivers.environment import Environment
from interlock._drivers.unshared import Unshared
from interlock._exports import public_in
from interlock._protocol.durations import seconds
from interlock._protocol.kinds import checked_bytes, checked_metrics
from interlock._protocol.signing.client import Signature, SigningOperations, fetch_jwks
from interlock._protocol.signing.counting import errors_counted
from interlock._protocol.signing.keys import Jwk, PublicKey, RsaAlgorithm
from interlock.metrics import Metrics


@public_in("interlock.aio.signing")
class Signer(Unshared):
    """Signs with a KMS key, by the algorithm that its spec decides.

    ES256, ES384, ES512 or ES256K by its curve, Ed25519, ML-DSA-44, -65 or -87; PS256 for RSA, or
    RS256 as `rsa_algorithm` says.

    `key_id` is a key's id or ARN, or an alias' name or ARN. The key is looked up once and again
    every `refresh` (default 5 minutes), so an alias that is pointed at a new key is followed
    within that time; each token's `kid` is that of the key which signed it. `timeout` (default
    5 seconds) bounds one signature, retries included. `client` is any aiobotocore KMS client.
    `metrics` receives each error (`SigningErrors`, dimension `KeyId`: the key's ARN; until that is
    known, `key_id`, or the alias in it). Safe to share, as far as `client` is.

    Every method may raise AccessDenied, KeyUnusable, UnsupportedKey, RequestRefused, Throttled,
    ServiceUnavailable or SigningError.
    """

    def __init__(
        self,
        key_id: str,
        *,
        client: Any = None,
        refresh: timedelta = timedelta(minutes=5),
        timeout: timedelta = timedelta(seconds=5),
        rsa_algorithm: RsaAlgorithm = "PS256",
        metrics: Metrics | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        environment = Environment(monotonic=monotonic, wall_clock=wall_clock)
        within = seconds("timeout", timeout, positive=True)
        self._driver = open_driver(
            client, "kms", bound=timeout_bound(within), environment=environment
        )
        self._operations = SigningOperations(
            key_id,
            refresh=seconds("refresh", refresh, least=0.0),
            timeout=within,
            rsa_algorithm=rsa_algorithm,
        )
        checked_metrics(metrics)
        self._counted = partial(errors_counted, metrics, lambda: self._operations.key_id)

    async def sign(
        self,
        claims: Mapping[str, Any],
        *,
        lifetime: timedelta | None = None,
        token_type: str | None = None,
    ) -> str:
        """Return the claims as a compact JWS (RFC 7515).

        With `lifetime`, `exp` is set that far from now (whole seconds) and `iat` to now unless
        given. `token_type` becomes the header's `typ`, which sets one kind of token apart from
        another (RFC 8725, 3.11). Raises InvalidValue for claims that JSON cannot hold, and for
        what is too long for an Ed25519 key, 4,096 bytes in all.
        """
        lasting = None if lifetime is None else seconds("lifetime", lifetime)
        with self._counted():
            return await self._driver.run(
                self._operations.sign_claims(claims, lifetime=lasting, token_type=token_type)
            )

    async def sign_detached(self, payload: bytes, *, token_type: str | None = None) -> str:
        """Return the JWS `header..signature` of a payload that is kept elsewhere (RFC 7797).

        The payload may have any length, since only its digest is sent; for an Ed25519 key, which
        has no such digest, 4,096 bytes with the header.
        """
        with self._counted():
            return await self._driver.run(
                self._operations.sign_detached(payload, token_type=token_type)
            )

    async def sign_bytes(self, message: bytes) -> Signature:
        """Return the bare signature of a message, and the key that made it.

        ECDSA signatures have the fixed width of JWS and RFC 9421: r and s, big-endian.
        """
        content = checked_bytes("message", message)
        with self._counted():
            return await self._driver.run(self._operations.sign(lambda _: content))

    async def key(self) -> PublicKey:
        """Return the key that signs at present."""
        return await self._driver.run(self._operations.current_key())


@public_in("interlock.aio.signing")
async def jwks(
    key_ids: Iterable[str],
    *,
    client: Any = None,
    timeout: timedelta = timedelta(seconds=5),
    rsa_algorithm: RsaAlgorithm = "PS256",
) -> dict[str, list[Jwk]]:
    """Return the JSON Web Key Set (RFC 7517) of these KMS keys: all that verifiers need.

    One GetPublicKey a key, each up to `timeout`. Name every key whose signatures are to be
    accepted, and publish a new key before it signs. Raises what `Signer` raises.
    """
    within = seconds("timeout", timeout, positive=True)
    return await open_driver(client, "kms", bound=timeout_bound(within)).run(
        fetch_jwks(key_ids, rsa_algorithm=rsa_algorithm, timeout=within)
    )
