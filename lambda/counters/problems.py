"""Problem details (RFC 9457), and which of them each failure is."""

import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from interlock import errors

TYPES = "urn:interlock:problem:"
REQUESTS = "urn:interlock:request:"
MEDIA_TYPE = "application/problem+json"
# As RFC 9110 has them; Python before 3.13 has the words of RFC 2616.
_PHRASES = {413: "Content Too Large", 422: "Unprocessable Content"}
_RETRY = {"Retry-After": "1"}
_FIELDS = {"source": "from", "target": "to", "idempotency_key": "Idempotency-Key"}
"""What the library's arguments are called in a request."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to the caller; `body` is None for none."""

    status: HTTPStatus
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    media_type: str = "application/json"

    def payload(self) -> str:
        """Return the body's text."""
        return "" if self.body is None else json.dumps(self.body, separators=(",", ":"))


class Problem(Exception):
    """The request cannot be served; `members` say what to mend ("field", "value", ...)."""

    def __init__(
        self,
        status: HTTPStatus,
        kind: str,
        detail: str,
        *,
        headers: dict[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.headers = headers or {}
        self.members = members

    def reply(self, request_id: str) -> Reply:
        """Return the problem as a reply; `instance` is the request's id, as the log has it."""
        body = {
            "type": TYPES + self.kind,
            "title": _PHRASES.get(self.status.value, self.status.phrase),
            "status": self.status.value,
            "detail": self.detail,
            "instance": REQUESTS + request_id,
            **self.members,
        }
        return Reply(self.status, body, self.headers, MEDIA_TYPE)


def problem_of(  # noqa: C901, PLR0911 - one case and return a problem
    error: errors.InterlockError,
) -> Problem:
    """Say what an error of the library is over HTTP."""
    match error:
        case errors.CounterLimitExceeded():
            bounds: dict[str, Any] = {
                "value": error.value,
                "floor": error.floor,
                "ceiling": error.ceiling,
            }
            if error.name is not None:
                bounds["counter"] = error.name
            return Problem(HTTPStatus.CONFLICT, "limit-exceeded", str(error), **bounds)
        case errors.CounterNotFound():
            return Problem(HTTPStatus.NOT_FOUND, "counter-not-found", str(error))
        case errors.CounterChanged():
            return Problem(HTTPStatus.PRECONDITION_FAILED, "precondition-failed", str(error))
        case errors.IdempotencyMismatch():
            detail = (
                f"Idempotency-Key {error.key!r} was used before for another request; repeat a "
                "request unchanged under its key, and send another one under a new key"
            )
            return Problem(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                "idempotency-key-reused",
                detail,
                field="Idempotency-Key",
            )
        case errors.InvalidCounterName():
            return invalid("name", str(error))
        case errors.InvalidValue():
            path = _FIELDS.get(error.path, error.path)
            return invalid(path, str(error).removeprefix(f"{error.path}: "))
        case errors.Throttled():
            status = HTTPStatus.TOO_MANY_REQUESTS
            return Problem(status, "throttled", str(error), headers=_RETRY)
        case errors.OutcomeUnknown():
            detail = f"{error}; read the counter, and send an Idempotency-Key to repeat safely"
            # Without Retry-After: a client that has no key must look before it repeats.
            return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "outcome-unknown", detail)
        case errors.ServiceUnavailable():
            detail = "the store cannot be reached; nothing was written"
            status = HTTPStatus.SERVICE_UNAVAILABLE
            return Problem(status, "unavailable", detail, headers=_RETRY)
    return internal()


def invalid(path: str, detail: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> Problem:
    """Return the problem of a request whose part `path` is at fault."""
    return Problem(status, "invalid-request", detail, field=path)


def internal() -> Problem:
    """Return the problem that says nothing but where to look."""
    detail = "the log says why, under the request's id"
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal-error", detail)
