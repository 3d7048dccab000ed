"""Signatures over DynamoDB items, kept within them."""

import base64
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from interlock._protocol.signing.signer import json_bytes
from interlock._protocol.values import to_attribute
from interlock.errors import BadSignature

if TYPE_CHECKING:
    from interlock.signing._signer import Signer
    from interlock.signing._verifier import Verifier

# So that no signature made for another purpose passes for an item's, nor the other way round.
_DOMAIN = b"interlock signed item v1\n"


class SignedItem:
    """Which attributes of a table's items are signed, and where the signature is kept.

    Name the primary key's attributes among `attributes`: a signature that does not cover the key
    is as good on another item. The table's name is signed too. A signature proves who wrote the
    attributes, not that they are the latest: sign a version number to detect an older item.
    """

    def __init__(
        self, table: str, attributes: Collection[str], *, signature: str = "signature"
    ) -> None:
        if not attributes or signature in attributes:
            raise ValueError(
                f"sign at least one attribute, and not {signature!r}, which holds the signature"
            )
        self._table = table
        self._attributes = sorted(set(attributes))
        self._signature = signature

    def payload(self, item: Mapping[str, Any]) -> bytes:
        """Return the bytes that are signed: equal items give equal bytes, others do not.

        Compact JSON of typed values: attribute names in order, sets in order, numbers in their
        one decimal form (1.0 is 1), binaries in base64. An attribute that is absent is left out,
        so adding or removing one changes the bytes. Raises InvalidValue for a value that
        DynamoDB cannot hold.
        """
        typed = {
            name: _plain(to_attribute(item[name], f"item[{name!r}]"))
            for name in self._attributes
            if name in item
        }
        document = {"table": self._table, "signed": self._attributes, "item": typed}
        return _DOMAIN + json_bytes(document)

    def sign(self, item: Mapping[str, Any], signer: "Signer") -> dict[str, Any]:
        """Return a copy of the item with its signature. Raises what `Signer.sign` raises."""
        return {**item, self._signature: signer.sign_detached(self.payload(item))}

    def verify(self, item: Mapping[str, Any], verifier: "Verifier") -> None:
        """Return if the item is as it was signed.

        Raises BadSignature if it is not, or has no signature, or what `Verifier.verify` raises.
        """
        token = item.get(self._signature)
        if not isinstance(token, str):
            raise BadSignature(f"the item has no signature in {self._signature!r}")
        verifier.verify_detached(token, self.payload(item))


def _plain(attribute: Mapping[str, Any]) -> dict[str, Any]:
    ((kind, value),) = attribute.items()
    match kind:
        case "B":
            return {kind: _text(value)}
        case "BS":
            return {kind: sorted(_text(member) for member in value)}
        case "L":
            return {kind: [_plain(member) for member in value]}
        case "M":
            return {kind: {name: _plain(value[name]) for name in sorted(value)}}
    return {kind: value}


def _text(binary: bytes) -> str:
    return base64.b64encode(binary).decode()
