"""The part of a DynamoDB item that is signed."""

import base64
from collections.abc import Collection, Mapping
from typing import Any

from interlock._protocol.signing.client import json_bytes
from interlock._protocol.values import to_attribute
from interlock.errors import InvalidValue

# So that no signature made for another purpose passes for an item's, nor the other way round.
_DOMAIN = b"interlock signed item v1\n"


class ItemLayout:
    """The attributes of a table's items that are signed, in one form."""

    def __init__(self, table: str, attributes: Collection[str], signature: str) -> None:
        if isinstance(attributes, str):
            raise InvalidValue("attributes", f"is one text; pass a collection: [{attributes!r}]")
        if not attributes or signature in attributes:
            raise ValueError(
                f"sign at least one attribute, and not {signature!r}, which holds the signature"
            )
        self._table = table
        self._attributes = sorted(set(attributes))

    def payload(self, item: Mapping[str, Any]) -> bytes:
        """Return the bytes that are signed."""
        typed = {
            name: _plain(to_attribute(item[name], f"item[{name!r}]"))
            for name in self._attributes
            if name in item
        }
        document = {"table": self._table, "signed": self._attributes, "item": typed}
        return _DOMAIN + json_bytes(document)


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
