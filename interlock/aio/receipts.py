"""Receipts: signed statements of what was done to a counter, which any party can verify.

Making one needs aiobotocore only; verifying one needs `interlock[verify]`, or a `KmsVerifier`.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from interlock._protocol.kinds import checked_object, checked_text
from interlock._protocol.signing.receipts import RECEIPT_TYPE, Receipt, receipt_of, stated

if TYPE_CHECKING:
    from interlock.aio.signing._keys import KeySet

__all__ = ["RECEIPT_TYPE", "Receipt", "ReceiptIssuer", "ReceiptVerifier", "receipt_of"]


class ReceiptSigner(Protocol):
    """A `Signer`, `HybridSigner` or `DelegatedSigner`."""

    async def sign(self, claims: Mapping[str, Any], *, token_type: str | None = None) -> str:
        """Return the claims as a token."""
        ...


class ReceiptIssuer:
    """Signs receipts with a `Signer`; `issuer` (the API's URL, say) becomes the `iss` claim."""

    def __init__(
        self, signer: "ReceiptSigner", *, issuer: str, wall_clock: Callable[[], float] = time.time
    ) -> None:
        checked_object("signer", signer, ("sign",), "a Signer")
        self._signer = signer
        self._issuer = checked_text("issuer", issuer, wanted="a name or URL of who signs")
        self._wall_clock = wall_clock

    async def issue(
        self,
        counter: str,
        *,
        value: int,
        amount: int | None,
        shard: int | None = None,
        previous: int | None = None,
        replayed: bool = False,
        idempotency_key: str | None = None,
        request_id: str | None = None,
        subject: str | None = None,
    ) -> str:
        """Return the receipt of a change that has been committed, as a compact JWS.

        `subject` is who made it: an identifier that stays, for whom no name or address is given
        away, since receipts are shown to others. Say it only of who was authenticated.

        Raises what `Signer.sign` raises; the change stays. A retry under the same idempotency
        key then brings the receipt.
        """
        receipt = Receipt(
            counter=counter,
            value=value,
            amount=amount,
            time=datetime.fromtimestamp(int(self._wall_clock()), UTC),
            shard=shard,
            previous=previous,
            replayed=replayed,
            idempotency_key=idempotency_key,
            request_id=request_id,
            subject=subject,
        )
        claims = {"iss": self._issuer, "iat": int(receipt.time.timestamp()), **stated(receipt)}
        return await self._signer.sign(claims, token_type=RECEIPT_TYPE)


class ReceiptVerifier:
    """Verifies receipts of one issuer.

    Takes what `Verifier` takes; a receipt has no end, it is true for as long as its key is trusted.
    """

    def __init__(
        self,
        keys: "str | KeySet | Callable[[], Awaitable[KeySet]]",
        *,
        issuer: str,
        **options: Any,
    ) -> None:
        from interlock.aio.signing import Verifier  # noqa: PLC0415 - issuing does without cryptography

        self._verifier = Verifier(keys, issuer=issuer, token_type=RECEIPT_TYPE, **options)

    async def verify(self, token: str) -> Receipt:
        """Return what a genuine receipt states; raise as `Verifier.verify` does otherwise."""
        return receipt_of(await self._verifier.verify(token))
