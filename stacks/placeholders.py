"""Values of `cdk.json` that stand for your own: accounts, certificates and names of examples."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

# Accounts of AWS's own documents, and those of one digit.
_ACCOUNT = re.compile(r"111122223333|444455556666|123456789012|(\d)\1{11}")
# The same of certificates and images.
_CERTIFICATE = re.compile(
    r"certificate/(0{8}-0{4}-[0-9a-f]0{3}-[0-9a-f]0{3}-0{12}|12345678-1234-1234-1234-123456789012"
    r"|(.)\2{7}-\2{4}-\2{4}-\2{4}-\2{12})$"
)
_IMAGE = re.compile(r"ami-(0abcdef1234567890|0123456789abcdef0|1234567890abcdef0|12345678|(.)\2+)")
# RFC 2606: https://www.rfc-editor.org/rfc/rfc2606
_RESERVED = r"(example\.(com|net|org|edu)|example|invalid|test|localhost)"
_NAME = re.compile(rf"(.*[.@/])?{_RESERVED}", re.IGNORECASE)
_ADDRESS = re.compile(rf"https?://([^/]*\.)?{_RESERVED}([:/?].*)?", re.IGNORECASE)
_PATTERNS: Mapping[str, re.Pattern[str]] = {
    "account": _ACCOUNT,
    "image_id": _IMAGE,
    "alarm_email": _NAME,
}
_ZONE = re.compile(r"Z(EXAMPLE.*|0?123456789.*|0+|X+)")
_PARTS: Mapping[str, Mapping[str, re.Pattern[str]]] = {
    "identity": {"host": _NAME},
    "domain": {"name": _NAME, "zone_id": _ZONE, "zone_name": _NAME},
}


def placeholders_in(values: Mapping[str, Any]) -> list[str]:
    """Return a line for each value that stands for another one, in the order of the mapping."""
    return [f"{key} is {value!r}, which stands for your own" for key, value in _found(values)]


def _found(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        if key in _PARTS and isinstance(value, dict):
            for part, each in value.items():
                pattern = _PARTS[key].get(part, _ADDRESS)
                if isinstance(each, str) and pattern.fullmatch(each):
                    yield f"{key}.{part}", each
        elif not isinstance(value, str):
            continue
        elif key == "certificate_arn":
            if _CERTIFICATE.search(value):
                yield key, value
        elif key in _PATTERNS and _PATTERNS[key].fullmatch(value):
            yield key, value
