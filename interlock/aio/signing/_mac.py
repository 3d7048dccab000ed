"""MACs by a KMS HMAC key: for parties that both make and check a token."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any

from interlock._drivers.awaitable.opening import open_driver
from interlock._drivers.bounds import timeout_bound
from interlock._drivers.environment import Environment
from interlock._drivers.unshared import Unshared
from interlock._exports import public_in
from interlock._protocol.durations import seconds
from interlock._protocol.signing.mac import MacAlgorithm, MacOperations, mac_settings
from interlock._protocol.signing.tokens import ClaimRules


@public_in("interlock.aio.signing")
class Mac(Unshared):
    """Makes and checks tokens under a KMS HMAC key: HS256, or as `algorithm` says.

    `key_id` makes them; tokens of the `previous` keys are accepted too, so a rotation drops
    nothing. Ids or ARNs, no aliases: a token names its key. Each call asks KMS once, for up to
    `timeout` (default 5 seconds); the claims' rules are those of `Verifier`. A token holds about
    3 kB of claims, since KMS takes messages of 4,096 bytes. `client` is any aiobotocore KMS client.

    Both methods may raise AccessDenied, KeyUnusable, RequestRefused, Throttled or
    ServiceUnavailable.
    """

    def __init__(
        self,
        key_id: str,
        *,
        previous: Sequence[str] = (),
        algorithm: MacAlgorithm = "HS256",
        client: Any = None,
        timeout: timedelta = timedelta(seconds=5),
        required: Collection[str] = (),
        issuer: str | None = None,
        audience: str | None = None,
        leeway: timedelta = timedelta(0),
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        rules = ClaimRules(required, issuer, audience, seconds("leeway", leeway, least=0.0))
        within = seconds("timeout", timeout, positive=True)
        self._operations = MacOperations(mac_settings(key_id, previous, algorithm, within, rules))
        self._driver = open_driver(
            client,
            "kms",
            bound=timeout_bound(within),
            environment=Environment(wall_clock=wall_clock),
        )

    async def sign(self, claims: Mapping[str, Any], *, lifetime: timedelta | None = None) -> str:
        """Return the claims as a compact JWS; `lifetime` sets `exp`, as in `Signer.sign`.

        Raises InvalidValue for claims that are too long.
        """
        lasting = None if lifetime is None else seconds("lifetime", lifetime)
        return await self._driver.run(self._operations.sign(claims, lifetime=lasting))

    async def verify(self, token: str) -> dict[str, Any]:
        """Return the claims of a token that is genuine and valid now.

        Raises a subclass of InvalidToken that says why it is not.
        """
        return await self._driver.run(self._operations.verify(token))
