"""The JSON of AWS's protocols 1.0 (DynamoDB) and 1.1 (KMS).

Binary values travel in base64: in DynamoDB's typed values ("B" and "BS"), and in the members of
KMS's replies that `BLOBS` names. Numbers of items travel as text, so none is ever a float here.
https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

BLOBS = {
    "GenerateMac": ("Mac",),
    "GetPublicKey": ("PublicKey",),
    "Sign": ("Signature",),
}


def encode(params: Mapping[str, Any]) -> bytes:
    """Return a call's parameters as a body. Raises TypeError or ValueError for what has no JSON."""
    return _ENCODER.encode(params).encode()


def decode(operation: str, body: bytes) -> dict[str, Any]:
    """Return a reply's body as an object, or raise ValueError."""
    typed = b'"B"' in body or b'"BS"' in body  # only then is the slower decoder needed
    reply = json.loads(body.decode(), object_hook=_typed if typed else None)
    if not isinstance(reply, dict):
        raise ValueError("it is no JSON object")  # noqa: TRY004 - of the body, not of an argument
    for name in BLOBS.get(operation, ()):
        if name in reply:
            reply[name] = _bytes(reply[name])
    return reply


def _text(value: Any) -> str:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return b64encode(value).decode("ascii")
    raise TypeError(f"{value!r} has no form in a request")


def _typed(found: dict[str, Any]) -> dict[str, Any]:
    """Decode a binary value; an item may also have an attribute of the name "B", which is none."""
    if len(found) == 1:
        if isinstance(value := found.get("B"), str):
            return {"B": _bytes(value)}
        if isinstance(value := found.get("BS"), list):
            return {"BS": [_bytes(part) for part in value]}
    return found


def _bytes(value: Any) -> bytes:
    if not isinstance(value, str):
        raise ValueError("a binary value is no text")  # noqa: TRY004 - of the body
    return b64decode(value, validate=True)


# Compact, and without NaN, which is no JSON.
_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False, default=_text)
