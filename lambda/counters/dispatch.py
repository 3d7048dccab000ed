"""From API Gateway's event to its answer: the route, problems, ETags and CORS."""

import hashlib
import logging
from http import HTTPStatus
from typing import Any

from problems import Problem, Reply, internal, problem_of
from request import Request
from routes import ROUTES, Services

from interlock.errors import InterlockError

logger = logging.getLogger("counters")


def dispatch(
    services: Services, event: dict[str, Any], request_id: str, *, origin: str | None = None
) -> dict[str, Any]:
    """Answer one request of API Gateway (proxy integration).

    `origin` is the one that pages may call from (CORS); None is none.
    """
    request = Request(event, request_id)
    reply = respond(services, request)
    body = reply.payload()
    headers = {"Cache-Control": "no-cache", **reply.headers}
    if body:
        headers["Content-Type"] = reply.media_type
    if request.route[0] == "GET" and reply.status is HTTPStatus.OK:
        headers["ETag"] = f'"{hashlib.sha256(body.encode()).hexdigest()[:32]}"'
        if _matches(request.headers.get("if-none-match", ""), headers["ETag"]):
            del headers["Content-Type"]
            reply, body = Reply(HTTPStatus.NOT_MODIFIED), ""
    if origin:
        headers |= {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}
    return {"statusCode": reply.status.value, "headers": headers, "body": body}


def respond(services: Services, request: Request) -> Reply:
    """Serve the request, or say what is wrong with it."""
    route = ROUTES.get(request.route)
    if route is None:
        detail = f"no route {' '.join(request.route)}"
        return Problem(HTTPStatus.NOT_FOUND, "no-such-route", detail).reply(request.id)
    try:
        return route(services, request)
    except Problem as problem:
        return problem.reply(request.id)
    except InterlockError as error:
        reply = problem_of(error).reply(request.id)
        if reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            logger.exception("the store failed")
        return reply
    except Exception:
        logger.exception("the request failed")
        return internal().reply(request.id)


def _matches(if_none_match: str, etag: str) -> bool:
    """Whether the header lists the tag: weak comparison (RFC 9110, 13.1.2)."""
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return "*" in tags or etag in tags
