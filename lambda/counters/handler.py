"""Counters over HTTP: reads the request, calls the counter, writes the answer."""

import json
import os
from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from aws_lambda_powertools import Logger

from interlock import CounterClient
from interlock.errors import CounterLimitExceeded

CEILING = 1_000_000_000
LONGEST_NAME = 128
LARGEST_BODY = 64 * 1024

logger = Logger()
counters = CounterClient(os.environ["INTERLOCK_TABLE"])

Response = dict[str, Any]


class BadRequest(Exception):
    """The request cannot be served; `field` names the part at fault."""

    def __init__(
        self, field: str, detail: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST
    ) -> None:
        super().__init__(detail)
        self.field = field
        self.detail = detail
        self.status = status


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> Response:  # noqa: ARG001 - Lambda's signature
    """Answer one request of API Gateway (proxy integration)."""
    try:
        return ROUTES.get((event["httpMethod"], event["resource"]), unknown)(event)
    except BadRequest as error:
        return problem(error.status, error.detail, field=error.field)
    except CounterLimitExceeded as error:
        return problem(HTTPStatus.CONFLICT, str(error), value=error.value, ceiling=error.ceiling)
    except Exception:
        logger.exception("request failed")
        return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "the log has the request's id")


def read(event: dict[str, Any]) -> Response:
    """GET /counters/{name}."""
    name = name_of(event)
    return answer(HTTPStatus.OK, {"name": name, "value": counter(name).get()})


def increment(event: dict[str, Any]) -> Response:
    """POST /counters/{name}/increment."""
    name, amount = name_of(event), amount_of(event)
    return answer(HTTPStatus.OK, {"name": name, "value": counter(name).increment(amount).value})


def unknown(event: dict[str, Any]) -> Response:
    """Refuse a route that API Gateway has and this function does not."""
    raise BadRequest("path", f"no route {event['resource']}", HTTPStatus.NOT_FOUND)


ROUTES: dict[tuple[str, str], Callable[[dict[str, Any]], Response]] = {
    ("GET", "/counters/{name}"): read,
    ("POST", "/counters/{name}/increment"): increment,
}


def counter(name: str) -> Any:
    """Return the counter of this name."""
    return counters.counter(name, ceiling=CEILING)


def name_of(event: dict[str, Any]) -> str:
    """Return the counter's name from the path, or raise `BadRequest`."""
    name = unquote((event.get("pathParameters") or {}).get("name") or "")
    if not 0 < len(name) <= LONGEST_NAME:
        raise BadRequest("name", f"a name has 1 to {LONGEST_NAME} characters")
    if "/" in name or "#" in name or not name.isprintable():
        raise BadRequest("name", "a name has no '/', no '#' and no unprintable character")
    return name


def amount_of(event: dict[str, Any]) -> int:
    """Return the amount from the body, or raise `BadRequest`."""
    text = event.get("body") or ""
    if len(text.encode()) > LARGEST_BODY:
        raise BadRequest("body", f"over {LARGEST_BODY} bytes", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    try:
        body = json.loads(text)
    except ValueError:
        raise BadRequest("body", "the body is not JSON") from None
    if not isinstance(body, dict) or "amount" not in body:
        raise BadRequest("amount", "amount is missing")
    amount = body["amount"]
    if type(amount) is not int or not 0 < amount <= CEILING:
        raise BadRequest("amount", f"amount is not an integer from 1 to {CEILING}")
    return amount


def answer(
    status: HTTPStatus, body: dict[str, Any], content_type: str = "application/json"
) -> Response:
    """Return a response as API Gateway takes it."""
    return {
        "statusCode": status.value,
        "headers": {"Content-Type": content_type, "Cache-Control": "no-store"},
        "body": json.dumps(body),
    }


def problem(status: HTTPStatus, detail: str, **members: Any) -> Response:
    """Return problem details (RFC 9457)."""
    body = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "detail": detail,
        **members,
    }
    return answer(status, body, "application/problem+json")
