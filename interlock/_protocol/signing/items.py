"""The part of a DynamoDB item that is signed."""

import base64
from collections.abc import Collection, Mapping
from typing import Any

from interlock._protocol.kinds import checked_mapping, checked_table, checked_text
from interlock._protocol.signing.client import json_bytes
from interlock._protocol.texts import texts
from interlock._protocol.values import to_attribute
from interlock.errors import InvalidValue

# So that no signature made for another purpose passes for an item's, nor the other way round.
_DOMAIN = b"interlock signed item v1\n"


class ItemLayout:
    """The attributes of a table's items that are signed, in one form."""

    def __init__(self, table: str, attributes: Collection[str], signature: str) -> None:
        names = texts("attributes", attributes)
        checked_text("signature", signature, wanted="the name of an attribute")
        if not names or signature in names:
            why = f"name at least one, and not {signature!r}, which holds the signature"
            raise InvalidValue("attributes", why)
        self._table = checked_table(table)
        self._attributes = sorted(set(names))

    def payload(self, item: Mapping[str, Any]) -> bytes:
        """Return the bytes that are signed."""
        checked_mapping("item", item, '{"id": ..., "state": ...}')
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
