"""Problem details (RFC 9457), the one form of every error that the service itself gives."""

import uuid
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse

from server.logs import request_id

MEDIA_TYPE = "application/problem+json"
# As RFC 9110 has them; Python before 3.13 has the words of RFC 2616.
_PHRASES = {413: "Content Too Large", 422: "Unprocessable Content"}


def content(status: int, detail: str, **members: Any) -> dict[str, Any]:
    """Return the members of a problem: the title is the status's phrase, `instance` the request."""
    identifier = request_id.get() or str(uuid.uuid4())
    return {
        "type": "about:blank",
        "title": _PHRASES.get(status) or _phrase(status),
        "status": status,
        "detail": detail,
        "instance": f"urn:interlock:request:{identifier}",
        **members,
    }


def problem(
    status: int, detail: str, *, headers: Mapping[str, str] | None = None, **members: Any
) -> JSONResponse:
    """Return a problem as a response."""
    return JSONResponse(
        content(status, detail, **members),
        status_code=status,
        media_type=MEDIA_TYPE,
        headers={"cache-control": "no-store", **(headers or {})},
    )


def _phrase(status: int) -> str:
    """Return the phrase of a status; the API's balancer may give one that has none."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown Status"
