"""Verification by KMS: needs boto3 only, and one call a token."""

import time
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from typing import Any

from interlock._protocol.signing.keys import RsaAlgorithm
from interlock._protocol.signing.kms_verifier import KmsVerification, KmsVerifierOperations
from interlock._protocol.signing.tokens import ALGORITHMS, ClaimRules
from interlock.signing._client import kms_driver


class KmsVerifier:
    """Verifies tokens of these KMS keys by KMS `Verify`, where cryptography is not installed.

    `key_ids` are ids or ARNs of keys, or aliases as they point at the first use. All else is as
    in `Verifier`, which is faster and asks nobody; `timeout` (default 5 seconds) bounds one call.
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
        self._driver = kms_driver(client, wall_clock=wall_clock)
        self._operations = KmsVerifierOperations(
            KmsVerification(
                tuple(key_ids),
                frozenset(algorithms),
                token_type,
                ClaimRules(tuple(required), issuer, audience, leeway.total_seconds()),
                timeout.total_seconds(),
                rsa_algorithm,
            )
        )

    def verify(self, token: str) -> dict[str, Any]:
        """Return the claims of a token that is genuine and valid now.

        Raises a subclass of InvalidToken that says why it is not, or what `Signer.sign` raises
        when KMS does not answer.
        """
        return self._driver.run(self._operations.verify(token))
