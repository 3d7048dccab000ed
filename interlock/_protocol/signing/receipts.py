"""The statement of a receipt, and the claims that make it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from interlock._dataclasses import dataclass, names_of
from interlock._exports import public_in
from interlock._protocol.kinds import checked_mapping, shown
from interlock._protocol.signing.tokens import time_of
from interlock.errors import ClaimMissing, ClaimRejected, InvalidValue

# Sets a receipt apart from any other token that the same key might sign (RFC 8725, 3.11).
RECEIPT_TYPE = "interlock-receipt+jwt"

_OPTIONAL = frozenset({"amount", "shard", "previous", "idempotency_key", "request_id", "subject"})
# A registered claim has the name that is registered (RFC 7519, 4.1).
_CLAIMS: Mapping[str, str] = {"subject": "sub"}


@public_in("interlock.receipts")
@dataclass(frozen=True, slots=True)
class Receipt:
    """The statement of a receipt: after this change the counter, or its shard, had this value.

    `amount` is negative for a decrement, and `None` for a reset, which sets the value whatever it
    was. `time` is when the receipt was signed. `shard` is the
    shard's number if the counter has several: then `value` and `previous` are the shard's.
    `previous` is the value before, and `None` where it is not known. `replayed` says that the
    change was made by an earlier request with the same idempotency key; it was made once.
    `subject` is who made the change, as the issuer knows them (the claim `sub`, RFC 7519, 4.1.2):
    an identifier that stays, and `None` where the issuer does not know or does not tell.
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
    subject: str | None = None


@public_in("interlock.receipts")
def receipt_of(claims: Mapping[str, Any]) -> Receipt:
    """Return what claims state that were verified with `RECEIPT_TYPE` as the token's type.

    Raises ClaimMissing or ClaimRejected if they state no receipt.
    """
    checked_mapping("claims", claims, "what Verifier.verify returned")
    values: dict[str, Any] = {}
    for name in names_of(Receipt):
        if name == "time":
            issued = time_of(claims, "iat")
            if issued is None:
                raise ClaimMissing("iat")
            values["time"] = datetime.fromtimestamp(issued, UTC)
        elif (claim := _CLAIMS.get(name, name)) in claims:
            values[name] = _checked(name, claim, claims[claim])
        elif name in ("counter", "value"):
            raise ClaimMissing(name)
    return Receipt(**values)


def stated(receipt: Receipt) -> dict[str, Any]:
    """Return the claims of a receipt; raise `InvalidValue` for what no receipt can state."""
    told = {name: getattr(receipt, name) for name in names_of(Receipt) if name != "time"}
    values = {n: value for n, value in told.items() if not (n in _OPTIONAL and value is None)}
    for name, value in values.items():
        if type(value) is not _TYPES[name]:
            raise InvalidValue(name, f"{shown(value)} is not of type {_TYPES[name].__name__}")
    return {_CLAIMS.get(name, name): value for name, value in values.items()}


_TYPES: Mapping[str, type] = {
    "counter": str,
    "value": int,
    "amount": int,
    "shard": int,
    "previous": int,
    "replayed": bool,
    "idempotency_key": str,
    "request_id": str,
    "subject": str,
}


def _checked(name: str, claim: str, value: Any) -> Any:
    if type(value) is not _TYPES[name]:  # a bool is an int, but no amount
        raise ClaimRejected(claim, f"is {value!r}, not of type {_TYPES[name].__name__}")
    return value
