"""What a request asks for, checked part by part against what the OpenAPI document says."""

import json
import re
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from problems import invalid

LARGEST = 10**38 - 1
LARGEST_BODY = 64 * 1024
MAX_SHARDS = 64
_NAME = re.compile(r"[A-Za-z0-9._~:@-]{1,128}", re.ASCII)
_LOCK_NAME = re.compile(r"[A-Za-z0-9_~:@-][A-Za-z0-9._~:@/-]{0,255}", re.ASCII)
_KEY = re.compile(r"[\x21-\x7e]{1,128}", re.ASCII)


class Request:
    """One request of API Gateway's proxy integration; `id` names it in the logs."""

    def __init__(self, event: dict[str, Any], request_id: str) -> None:
        self._event = event
        self.id = request_id
        self.headers = {k.lower(): v for k, v in (event.get("headers") or {}).items()}
        self.query: dict[str, str] = event.get("queryStringParameters") or {}

    @property
    def route(self) -> tuple[str, str]:
        """Return method and resource."""
        return route_of(self._event)

    @property
    def name(self) -> str:
        """Return the name in the path."""
        return named(unquote((self._event.get("pathParameters") or {}).get("name") or ""), "name")

    @property
    def lock_name(self) -> str:
        """Return the lock's name in the path."""
        name = unquote((self._event.get("pathParameters") or {}).get("name") or "")
        if not _LOCK_NAME.fullmatch(name):
            raise invalid("name", "1 to 256 letters, digits and . _ ~ : @ / - are wanted")
        return name

    @property
    def idempotency_key(self) -> str | None:
        """Return the Idempotency-Key header, None if there is none."""
        key = self.headers.get("idempotency-key")
        if key is not None and not _KEY.fullmatch(key):
            raise invalid("Idempotency-Key", "1 to 128 visible ASCII characters are wanted")
        return key

    def body(self, *allowed: str, needed: tuple[str, ...] = ()) -> dict[str, Any]:
        """Return the JSON object that the body is."""
        text = self._event.get("body") or ""
        if len(text.encode()) > LARGEST_BODY:
            status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            raise invalid("body", f"the body is over {LARGEST_BODY} bytes", status)
        try:
            body = json.loads(text)
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
        """Refuse a query with parameters beyond these: a misspelt one would go unnoticed."""
        for name in self.query:
            if name not in allowed:
                raise invalid(name, f"{name} is not known here; known are: {', '.join(allowed)}")

    def limit(self) -> int:
        """Return how many names a page may have."""
        text = self.query.get("limit", "100")
        if not (text.isascii() and text.isdecimal() and len(text) <= 3 and 1 <= int(text) <= 100):  # noqa: PLR2004
            raise invalid("limit", "an integer from 1 to 100 is wanted")
        return int(text)

    def optional_name(self, parameter: str) -> str | None:
        """Return a name from the query."""
        value = self.query.get(parameter)
        return None if value is None else named(value, parameter)


def route_of(event: dict[str, Any]) -> tuple[str, str]:
    """Return method and resource; a parameter that may hold slashes (`{name+}`) as any other."""
    return event["httpMethod"], event["resource"].replace("+}", "}")


def named(value: object, path: str) -> str:
    """Return a counter's name, or raise the problem that `path` has."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise invalid(path, "1 to 128 letters, digits and . _ ~ : @ - are wanted")
    return value


def integer(value: object, path: str, least: int = -LARGEST, most: int = LARGEST) -> int:
    """Return an integer within limits, or raise the problem that `path` has.

    1.0 is an integer, as JSON Schema has it.
    """
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise invalid(path, f"an integer from {least} to {most} is wanted")
    return value


def optional(body: dict[str, Any], path: str) -> int | None:
    """Return an integer that may be null or absent."""
    value = body.get(path)
    return None if value is None else integer(value, path)
