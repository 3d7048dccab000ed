"""A request of API Gateway, checked part by part against what the OpenAPI document says."""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from decimal import Decimal
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from problems import invalid

LARGEST = 10**38 - 1
LARGEST_BODY = 64 * 1024
MAX_SHARDS = 64
_DIGITS = 40  # of a number that may still be in range; Python refuses to read 4,300 and more
_NAME = re.compile(r"[A-Za-z0-9._~:@-]{1,128}", re.ASCII)
_LOCK_NAME = re.compile(r"[A-Za-z0-9_~:@-][A-Za-z0-9._~:@/-]{0,255}", re.ASCII)
_KEY = re.compile(r"[\x21-\x7e]{1,128}", re.ASCII)
_JSON = re.compile(r'application/json(\s*;\s*charset="?utf-8"?)?\s*', re.IGNORECASE)


class Request:
    """One request of API Gateway's proxy integration; `id` names it in the logs."""

    def __init__(self, event: dict[str, Any], request_id: str) -> None:
        self._event = event
        self.id = request_id
        self._headers: dict[str, list[str]] = {}
        for name, lines in _lines(event, "multiValueHeaders", "headers"):
            # HTTP/1.1 sends names in any case, and two cases of one name are one header.
            self._headers.setdefault(name.lower(), []).extend(lines)
        self._query = dict(
            _lines(event, "multiValueQueryStringParameters", "queryStringParameters")
        )

    @property
    def signer(self) -> str | None:
        """Return the ARN that signed the request, None for a route that needs no signature."""
        identity = (self._event.get("requestContext") or {}).get("identity") or {}
        arn: str | None = identity.get("userArn")
        return arn or None

    @property
    def method(self) -> str:
        """Return the method."""
        method: str = self._event["httpMethod"]
        return method

    @property
    def resource(self) -> str:
        """Return the resource; a parameter that may hold slashes (`{name+}`) as any other."""
        resource: str = self._event["resource"]
        return resource.replace("+}", "}")

    def header(self, name: str) -> str | None:
        """Return a header that is a list, its lines joined (RFC 9110, 5.3); None without one."""
        lines = self._headers.get(name.lower())
        return None if lines is None else ", ".join(lines)

    def single(self, name: str) -> str | None:
        """Return a header of one value; refuse one that was sent twice, for either could count."""
        lines = self._headers.get(name.lower(), [])
        if len(lines) > 1:
            raise invalid(name, f"{name} was sent {len(lines)} times")
        return lines[0] if lines else None

    @property
    def name(self) -> str:
        """Return the name in the path."""
        return named(self._path_name(), "name")

    @property
    def lock_name(self) -> str:
        """Return the lock's name in the path."""
        name = self._path_name()
        if not _LOCK_NAME.fullmatch(name):
            raise invalid("name", "1 to 256 letters, digits and . _ ~ : @ / - are wanted")
        return name

    @property
    def idempotency_key(self) -> str | None:
        """Return the Idempotency-Key header, None if there is none."""
        key = self.single("Idempotency-Key")
        if key is not None and not _KEY.fullmatch(key):
            raise invalid("Idempotency-Key", "1 to 128 visible ASCII characters are wanted")
        return key

    def refuse_key(self) -> None:
        """Refuse an Idempotency-Key where none is kept: it says that to repeat is safe."""
        if self.header("Idempotency-Key") is not None:
            raise invalid("Idempotency-Key", "no key is kept here; If-Match makes a change once")

    def body(self, *allowed: str, needed: tuple[str, ...] = ()) -> dict[str, Any]:
        """Return the JSON object that the body is."""
        text = self._text()
        self._check_content_type(text)
        try:
            body = json.loads(
                text, object_pairs_hook=_object, parse_float=_decimal, parse_int=_integer
            )
        except (ValueError, RecursionError):
            raise invalid("body", "the body is not JSON") from None
        if not isinstance(body, dict):
            raise invalid("body", "the body is not an object")
        for name in body:
            if name not in allowed:
                raise invalid(name, f"{name} is not known here; known are: {', '.join(allowed)}")
        for name in needed:
            if name not in body:
                raise invalid(name, f"{name} is missing")
        return body

    def only(self, *allowed: str) -> None:
        """Refuse a query with parameters beyond these, as a misspelt one would go unnoticed."""
        for name, values in self._query.items():
            if name not in allowed:
                known = f"known are: {', '.join(allowed)}" if allowed else "there are none"
                raise invalid(name, f"{name} is not known here; {known}")
            if len(values) > 1:
                raise invalid(name, f"{name} was given {len(values)} times")

    def limit(self) -> int:
        """Return how many names a page may have."""
        text = self.parameter("limit")
        if text is None:
            return 100
        if not (text.isascii() and text.isdecimal() and len(text) <= 3 and 1 <= int(text) <= 100):  # noqa: PLR2004 - as documented
            raise invalid("limit", "an integer from 1 to 100 is wanted")
        return int(text)

    def optional_name(self, parameter: str) -> str | None:
        """Return a name from the query."""
        value = self.parameter(parameter)
        return None if value is None else named(value, parameter)

    def parameter(self, name: str) -> str | None:
        """Return a parameter of the query, None if there is none."""
        values = self._query.get(name)
        return values[-1] if values else None

    def _path_name(self) -> str:
        return unquote((self._event.get("pathParameters") or {}).get("name") or "")

    def _text(self) -> str:
        text: str = self._event.get("body") or ""
        if self._event.get("isBase64Encoded"):
            try:
                text = base64.b64decode(text, validate=True).decode("utf-8")
            except (binascii.Error, UnicodeDecodeError):
                raise invalid("body", "the body is not UTF-8") from None
        if len(text.encode(errors="replace")) > LARGEST_BODY:
            status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            raise invalid("body", f"the body is over {LARGEST_BODY} bytes", status)
        return text

    def _check_content_type(self, text: str) -> None:
        unsupported = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
        if (self.single("Content-Encoding") or "identity").lower() != "identity":
            raise invalid("Content-Encoding", "send the body as it is", unsupported)
        kind = self.single("Content-Type")
        if text and (kind is None or not _JSON.fullmatch(kind)):
            given = "there is none" if kind is None else f"not {kind}"
            detail = f"the body's Content-Type must be application/json; {given}"
            raise invalid("Content-Type", detail, unsupported)


def named(value: object, path: str) -> str:
    """Return a counter's name, or raise the problem that `path` has."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise invalid(path, "1 to 128 letters, digits and . _ ~ : @ - are wanted")
    return value


def integer(value: object, path: str, least: int = -LARGEST, most: int = LARGEST) -> int:
    """Return an integer within limits, or raise the problem that `path` has.

    1.0 and 1e2 are integers, as JSON Schema has it; no digit of what was sent is lost.
    """
    if isinstance(value, Decimal) and value.is_finite() and value.adjusted() < _DIGITS:
        exact = int(value)
        value = exact if exact == value else value
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise invalid(path, f"an integer from {least} to {most} is wanted")
    return value


def text_in(body: dict[str, Any], path: str) -> str:
    """Return a member that is a text, or raise the problem that `path` has."""
    value = body[path]
    if not isinstance(value, str):
        raise invalid(path, "a text is wanted")
    return value


def optional(body: dict[str, Any], path: str) -> int | None:
    """Return an integer that may be null or absent."""
    value = body.get(path)
    return None if value is None else integer(value, path)


def _lines(event: Mapping[str, Any], several: str, single: str) -> list[tuple[str, list[str]]]:
    """Return names with all their values; events made by hand may have the last ones alone."""
    found: Mapping[str, list[str]] | None = event.get(several)
    if found is None:
        found = {name: [value] for name, value in (event.get(single) or {}).items()}
    return list(found.items())


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name in members:
            raise invalid(name, f"{name} is there twice")
        members[name] = value
    return members


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except ArithmeticError:
        # Its exponent is beyond all that a Decimal holds, as in 1e99999999999999999999.
        return Decimal("NaN")


def _integer(text: str) -> int | Decimal:
    return int(text) if len(text) <= _DIGITS else Decimal(text)
