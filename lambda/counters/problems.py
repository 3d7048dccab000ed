"""Problem details (RFC 9457), and which of them each failure is."""

import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from interlock import errors

TYPES = "urn:interlock:problem:"
MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back to the caller; `body` is None for none."""

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
            "title": self.kind.replace("-", " ").capitalize(),
            "status": self.status.value,
            "detail": self.detail,
            "instance": f"urn:uuid:{request_id}",
            **self.members,
        }
        return Reply(self.status, body, self.headers, MEDIA_TYPE)


def problem_of(error: errors.InterlockError) -> Problem:  # noqa: PLR0911 - one return a problem
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
        case errors.IdempotencyMismatch():
            return Problem(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                "idempotency-key-reused",
                str(error),
                field="Idempotency-Key",
            )
        case errors.InvalidCounterName():
            return invalid("name", str(error))
        case errors.InvalidValue():
            return invalid(error.path, str(error))
        case errors.Throttled():
            headers = {"Retry-After": "1"}
            return Problem(HTTPStatus.TOO_MANY_REQUESTS, "throttled", str(error), headers=headers)
        case errors.OutcomeUnknown():
            detail = f"{error}; read the counter, and send an Idempotency-Key to repeat safely"
            return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "outcome-unknown", detail)
        case errors.ServiceUnavailable():
            headers = {"Retry-After": "1"}
            detail = "the store cannot be reached; nothing was written"
            status = HTTPStatus.SERVICE_UNAVAILABLE
            return Problem(status, "unavailable", detail, headers=headers)
    return internal()


def invalid(path: str, detail: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> Problem:
    """Return the problem of a request whose part `path` is at fault."""
    return Problem(status, "invalid-request", detail, field=path)


def internal() -> Problem:
    """Return the problem that tells nothing but where to look."""
    detail = "the log tells more, under the request's id"
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal-error", detail)
