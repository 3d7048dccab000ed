"""Signing with KMS keys, awaitable. Verification is local: `Verifier` awaits its fetches."""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from interlock._drivers.awaitable.opening import open_driver
from interlock._drivers.environment import Environment
from interlock._protocol.signing.keys import Jwk, PublicKey, RsaAlgorithm
from interlock._protocol.signing.mac import MacAlgorithm, mac_settings, sign_with_mac, verify_mac
from interlock._protocol.signing.signer import Signature, SigningOperations, fetch_jwks
from interlock._protocol.signing.tokens import ClaimRules
from interlock.metrics import Metrics
from interlock.signing import Verifier as BlockingVerifier
from interlock.signing._counting import errors_counted

__all__ = ["Mac", "Signer", "Verifier", "jwks"]


class Signer:
    """Signs with a KMS key; as `interlock.Signer`, over an aiobotocore KMS client."""

    def __init__(
        self,
        key_id: str,
        *,
        client: Any,
        refresh: timedelta = timedelta(minutes=5),
        timeout: timedelta = timedelta(seconds=5),
        rsa_algorithm: RsaAlgorithm = "PS256",
        metrics: Metrics | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._driver = open_driver(
            client,
            "kms",
            environment=Environment(monotonic=monotonic, wall_clock=wall_clock),
        )
        self._operations = SigningOperations(
            key_id,
            refresh=refresh.total_seconds(),
            timeout=timeout.total_seconds(),
            rsa_algorithm=rsa_algorithm,
        )
        self._counted = partial(errors_counted, metrics, key_id)

    async def sign(
        self,
        claims: Mapping[str, Any],
        *,
        lifetime: timedelta | None = None,
        token_type: str | None = None,
    ) -> str:
        """Return the claims as a compact JWS; as the blocking `Signer.sign`."""
        seconds = None if lifetime is None else lifetime.total_seconds()
        with self._counted():
            return await self._driver.run(
                self._operations.sign_claims(claims, lifetime=seconds, token_type=token_type)
            )

    async def sign_detached(self, payload: bytes, *, token_type: str | None = None) -> str:
        """Return the JWS of a payload kept elsewhere; as the blocking `Signer.sign_detached`."""
        with self._counted():
            return await self._driver.run(
                self._operations.sign_detached(payload, token_type=token_type)
            )

    async def sign_bytes(self, message: bytes) -> Signature:
        """Return a bare signature and its key; as the blocking `Signer.sign_bytes`."""
        with self._counted():
            return await self._driver.run(self._operations.sign(lambda _: message))

    async def key(self) -> PublicKey:
        """Return the key that signs at present."""
        return await self._driver.run(self._operations.current_key())


class Mac:
    """Makes and checks MAC tokens; as `interlock.signing.Mac`, over an aiobotocore KMS client."""

    def __init__(
        self,
        key_id: str,
        *,
        client: Any,
        previous: Sequence[str] = (),
        algorithm: MacAlgorithm = "HS256",
        timeout: timedelta = timedelta(seconds=5),
        required: Collection[str] = (),
        issuer: str | None = None,
        audience: str | None = None,
        leeway: timedelta = timedelta(0),
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        rules = ClaimRules(tuple(required), issuer, audience, leeway.total_seconds())
        self._settings = mac_settings(key_id, previous, algorithm, timeout.total_seconds(), rules)
        self._driver = open_driver(client, "kms", environment=Environment(wall_clock=wall_clock))

    async def sign(self, claims: Mapping[str, Any], *, lifetime: timedelta | None = None) -> str:
        """Return the claims as a compact JWS; as the blocking `Mac.sign`."""
        seconds = None if lifetime is None else lifetime.total_seconds()
        return await self._driver.run(sign_with_mac(self._settings, claims, seconds))

    async def verify(self, token: str) -> dict[str, Any]:
        """Return the claims of a genuine token; as the blocking `Mac.verify`."""
        return await self._driver.run(verify_mac(self._settings, token))


class Verifier:
    """Verifies tokens by a JWKS; takes what `interlock.Verifier` takes.

    Runs in a thread, so neither a fetch of the keys nor a large payload holds up the loop.
    """

    def __init__(self, keys: Any, **options: Any) -> None:
        self._verifier = BlockingVerifier(keys, **options)

    async def verify(self, token: str) -> dict[str, Any]:
        """Return a token's claims; as the blocking `Verifier.verify`."""
        return await asyncio.to_thread(self._verifier.verify, token)

    async def verify_detached(self, token: str, payload: bytes) -> None:
        """Check a detached signature; as the blocking `Verifier.verify_detached`."""
        await asyncio.to_thread(self._verifier.verify_detached, token, payload)


async def jwks(
    key_ids: Iterable[str],
    *,
    client: Any,
    timeout: timedelta = timedelta(seconds=5),  # noqa: ASYNC109 - bounds retries, within the operation
    rsa_algorithm: RsaAlgorithm = "PS256",
) -> dict[str, list[Jwk]]:
    """Return the JSON Web Key Set of these KMS keys; as `interlock.signing.jwks`."""
    return await open_driver(client, "kms").run(
        fetch_jwks(key_ids, rsa_algorithm=rsa_algorithm, timeout=timeout.total_seconds())
    )
