"""Receipts and the keys that prove them, where a signing key is configured."""

from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from interlock.metrics import EmbeddedMetrics
from interlock.receipts import RECEIPT_TYPE, ReceiptIssuer, receipt_of
from interlock.signing import KmsVerifier, Signer, jwks

if TYPE_CHECKING:
    from interlock.receipts import Receipt


class Proofs:
    """Signs and verifies receipts with KMS keys: the first signs, all are published."""

    def __init__(self, key_arns: list[str], issuer: str, *, client: Any = None) -> None:
        self._key_arns = key_arns
        self._client = client
        # The change is made already: its caller rather hears of it than of a receipt.
        signer = Signer(
            key_arns[0], client=client, timeout=timedelta(seconds=2), metrics=EmbeddedMetrics()
        )
        self.receipts = ReceiptIssuer(signer, issuer=issuer)
        # By KMS, because this function's layer has no cryptography; the caller has signed anyway.
        self._verifier = KmsVerifier(
            key_arns, issuer=issuer, token_type=RECEIPT_TYPE, client=client
        )

    @cached_property
    def key_set(self) -> dict[str, Any]:
        """The JWKS: read from KMS once an environment, for a new key comes with a deployment."""
        return dict(jwks(self._key_arns, client=self._client))

    def verify(self, text: str) -> "Receipt":
        """Return what a genuine receipt states, or raise InvalidToken."""
        return receipt_of(self._verifier.verify(text))
