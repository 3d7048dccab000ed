"""Receipts: signed statements of what was done to a counter, which anyone can verify.

Making one needs boto3 only; verifying one needs `interlock[verify]`, or a `KmsVerifier`.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from interlock.errors import ClaimMissing, ClaimRejected

if TYPE_CHECKING:
    from interlock.signing import Signer

__all__ = ["RECEIPT_TYPE", "Receipt", "ReceiptIssuer", "ReceiptVerifier", "receipt_of"]

# Tells a receipt from any other token that the same key might sign (RFC 8725, 3.11).
RECEIPT_TYPE = "interlock-receipt+jwt"

_OPTIONAL = frozenset({"amount", "shard", "previous", "idempotency_key", "request_id"})


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a receipt states: after this change the counter, or its shard, had this value.

    `amount` is negative for a decrement, and `None` for a reset, which sets the value whatever it
    was. `time` is when the receipt was signed. `shard` is the
    shard's number if the counter has several: then `value` and `previous` are the shard's.
    `previous` is the value before, and `None` where it is not known. `replayed` says that the
    change was made by an earlier request with the same idempotency key; it was made once.
    """

    counter: str
    value: int
    time: datetime
    amount: int | None = None
    shard: int | None = None
    previous: int | None = None
    replayed: bool = False
    idempotency_key: str | None = None
    request_id: str | None = None


class ReceiptIssuer:
    """Signs receipts with a `Signer`; `issuer` (the API's URL, say) becomes the `iss` claim."""

    def __init__(
        self, signer: "Signer", *, issuer: str, wall_clock: Callable[[], float] = time.time
    ) -> None:
        self._signer = signer
        self._issuer = issuer
        self._wall_clock = wall_clock

    def issue(
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
    ) -> str:
        """Return the receipt of a change that has been committed, as a compact JWS.

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
        )
        claims = {"iss": self._issuer, "iat": int(receipt.time.timestamp()), **_stated(receipt)}
        return self._signer.sign(claims, token_type=RECEIPT_TYPE)


class ReceiptVerifier:
    """Verifies receipts of one issuer.

    Takes what `Verifier` takes; a receipt has no end, it is true for as long as its key is trusted.
    """

    def __init__(self, keys: Any, *, issuer: str, **options: Any) -> None:
        from interlock.signing import Verifier  # noqa: PLC0415 - issuing does without cryptography

        self._verifier = Verifier(keys, issuer=issuer, token_type=RECEIPT_TYPE, **options)

    def verify(self, token: str) -> Receipt:
        """Return what a genuine receipt states; raise as `Verifier.verify` does otherwise."""
        return receipt_of(self._verifier.verify(token))


def receipt_of(claims: Mapping[str, Any]) -> Receipt:
    """Return what claims state that were verified with `RECEIPT_TYPE` as the token's type.

    Raises ClaimMissing or ClaimRejected if they state no receipt.
    """
    values: dict[str, Any] = {}
    for field in fields(Receipt):
        if field.name == "time":
            if "iat" not in claims:
                raise ClaimMissing("iat")
            values["time"] = datetime.fromtimestamp(claims["iat"], UTC)
        elif field.name in claims:
            values[field.name] = _checked(field.name, claims[field.name])
        elif field.name in ("counter", "value"):
            raise ClaimMissing(field.name)
    return Receipt(**values)


def _stated(receipt: Receipt) -> dict[str, Any]:
    return {
        name: value
        for name, value in asdict(receipt).items()
        if name != "time" and not (name in _OPTIONAL and value is None)
    }


_TYPES: Mapping[str, type] = {
    "counter": str,
    "value": int,
    "amount": int,
    "shard": int,
    "previous": int,
    "replayed": bool,
    "idempotency_key": str,
    "request_id": str,
}


def _checked(name: str, value: Any) -> Any:
    if type(value) is not _TYPES[name]:  # a bool is an int, but no amount
        raise ClaimRejected(name, f"is {value!r}, not of type {_TYPES[name].__name__}")
    return value
