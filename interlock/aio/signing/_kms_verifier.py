"""Verification by KMS: without cryptography installed, and by one call a token."""

import time
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from typing import Any

from interlock._drivers.awaitable.opening import open_driver
from interlock._drivers.bounds import timeout_bound
from interlock._drivers.environment import Environment
from interlock._drivers.unshared import Unshared
from interlock._exports import public_in
from interlock._protocol.durations import seconds
from interlock._protocol.kinds import optional_text
from interlock._protocol.signing.algorithms import ALGORITHMS, allowed
from interlock._protocol.signing.keys import RsaAlgorithm, checked_rsa
from interlock._protocol.signing.kms_verifier import KmsVerification, KmsVerifierOperations
from interlock._protocol.signing.tokens import ClaimRules
from interlock._protocol.texts import texts


@public_in("interlock.aio.signing")
class KmsVerifier(Unshared):
    """Verifies tokens of these KMS keys by KMS `Verify`, where cryptography is not installed.

    `key_ids` are ids or ARNs of keys, or aliases as they point at the first use. All else is as
    in `Verifier`, which is faster and calls no service; `timeout` (default 5 seconds) bounds one
    call. `client` is any aiobotocore KMS client.
    """

    def __init__(
        self,
        key_ids: Sequence[str],
        *,
        algorithms: Collection[str] = ALGORITHMS,
        required: Collection[str] = (),
        issuer: str | None = None,
        audience: str | None = None,
        leeway: timedelta = timedelta(0),
        token_type: str | None = None,
        client: Any = None,
        timeout: timedelta = timedelta(seconds=5),
        rsa_algorithm: RsaAlgorithm = "PS256",
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        within = seconds("timeout", timeout, positive=True)
        self._driver = open_driver(
            client,
            "kms",
            bound=timeout_bound(within),
            environment=Environment(wall_clock=wall_clock),
        )
        self._operations = KmsVerifierOperations(
            KmsVerification(
                texts("key_ids", key_ids),
                allowed(algorithms),
                optional_text("token_type", token_type),
                ClaimRules(required, issuer, audience, seconds("leeway", leeway, least=0.0)),
                within,
                checked_rsa(rsa_algorithm),
            )
        )

    async def verify(self, token: str) -> dict[str, Any]:
        """Return the claims of a token that is genuine and valid now.

        Raises a subclass of InvalidToken that says why it is not, or what `Signer.sign` raises
        when KMS does not answer.
        """
        return await self._driver.run(self._operations.verify(token))
