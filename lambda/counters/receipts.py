"""Receipts and the keys that prove them, where a signing key is configured.

Signing is imported, and its client made, by the first request that signs or verifies: a fresh
environment answers a read 30 ms sooner. `prepare` does it ahead, where time does not matter.
"""

from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from interlock.receipts import Receipt, ReceiptIssuer
    from interlock.signing import DelegatedSigner, KmsVerifier, Signer, Verifier


class Receipts:
    """Signs and verifies receipts with KMS keys: the first signs, all are published.

    With `delegation` it vouches for a key of this process for so long, and that one signs: a
    receipt costs no KMS call then, but what takes over this process can take its key along. That
    needs the package cryptography beside the library.
    """

    def __init__(
        self,
        key_arns: list[str],
        issuer: str,
        *,
        delegation: timedelta | None = None,
        client: Any = None,
    ) -> None:
        self._key_arns = key_arns
        self._issuer = issuer
        self._delegation = delegation
        self._client = client
        if delegation is not None:
            # At the start: a deployment without cryptography fails, rather than each receipt.
            from interlock.signing import DelegatedSigner  # noqa: F401 - to fail here

    @cached_property
    def issuer(self) -> "ReceiptIssuer":
        """The issuer that signs."""
        from interlock.receipts import ReceiptIssuer

        return ReceiptIssuer(self._signer(), issuer=self._issuer)

    def _signer(self) -> "Signer | DelegatedSigner":
        from interlock.metrics import EmbeddedMetrics

        # The change is made already: its caller rather hears of it than of a receipt.
        options: dict[str, Any] = {
            "client": self._client,
            "timeout": timedelta(seconds=2),
            "metrics": EmbeddedMetrics(),
        }
        if self._delegation is None:
            from interlock.signing import Signer

            return Signer(self._key_arns[0], **options)
        from interlock.signing import DelegatedSigner  # needs cryptography

        return DelegatedSigner(
            self._key_arns[0], issuer=self._issuer, lifetime=self._delegation, **options
        )

    @cached_property
    def key_set(self) -> dict[str, Any]:
        """The JWKS: read from KMS once an environment, for a new key comes with a deployment."""
        from interlock.signing import jwks

        return dict(jwks(self._key_arns, client=self._client))

    def verify(self, text: str) -> "Receipt":
        """Return what a genuine receipt states, or raise InvalidToken."""
        from interlock.receipts import receipt_of

        return receipt_of(self._verifier.verify(text))

    def prepare(self) -> None:
        """Import and make all that signing and verifying need; nothing is sent."""
        _ = self.issuer, self._verifier

    @cached_property
    def _verifier(self) -> "KmsVerifier | Verifier":
        from interlock.receipts import RECEIPT_TYPE

        if self._delegation is not None:
            from interlock.signing import Verifier  # needs cryptography

            return Verifier(lambda: self.key_set, issuer=self._issuer, token_type=RECEIPT_TYPE)
        from interlock.signing import KmsVerifier

        # By KMS, because this function's layer has no cryptography; the caller has signed anyway.
        return KmsVerifier(
            self._key_arns, issuer=self._issuer, token_type=RECEIPT_TYPE, client=self._client
        )
