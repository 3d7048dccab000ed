"""From API Gateway's event to its answer: the route, problems, ETags, HEAD and OPTIONS."""

import logging
from http import HTTPStatus
from typing import Any

from callers import person_of
from conditions import etag_of, not_modified
from problems import Problem, Reply, internal, problem_of
from request import Request
from routes import ROUTES, Route, Services

from interlock.errors import InterlockError

logger = logging.getLogger("counters")


def dispatch(services: Services, event: dict[str, Any], request_id: str) -> dict[str, Any]:
    """Answer one request of API Gateway (proxy integration)."""
    request = Request(event, request_id)
    reply = respond(services, request)
    body = reply.payload()
    headers = {"Cache-Control": "no-cache", **reply.headers}
    if body:
        headers["Content-Type"] = reply.media_type
    if request.method in {"GET", "HEAD"} and reply.status is HTTPStatus.OK:
        headers["ETag"] = etag_of(body)
        if not_modified(request, headers["ETag"]):
            del headers["Content-Type"]
            reply, body = Reply(HTTPStatus.NOT_MODIFIED), ""
    if request.method == "HEAD":
        body = ""
    return {"statusCode": reply.status.value, "headers": headers, "body": body}


def operation_of(event: dict[str, Any]) -> str:
    """Return the `operationId` of what serves an event; "unknown" where nothing does."""
    route = route_of(Request(event, ""))
    return route.serve.__name__ if route else "unknown"


def route_of(request: Request) -> Route | None:
    """Return what serves a request; None where nothing does."""
    method = "GET" if request.method == "HEAD" else request.method
    return ROUTES.get((method, request.resource))


def respond(services: Services, request: Request) -> Reply:
    """Serve the request, or say what is wrong with it."""
    try:
        route = route_of(request)
        if route is None:
            return _other(request)
        request.only(*route.query)
        if route.keyless:
            request.refuse_key()
        person_of(request, services.speaker)  # refused before anything is changed
        return route.serve(services, request)
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


def _other(request: Request) -> Reply:
    """Answer OPTIONS, or raise the problem of a route or method that is not there."""
    methods = {method for method, resource in ROUTES if resource == request.resource}
    if not methods:
        raise Problem(HTTPStatus.NOT_FOUND, "no-such-route", "there is no such route")
    methods |= {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())
    allow = {"Allow": ", ".join(sorted(methods))}
    if request.method == "OPTIONS":
        return Reply(HTTPStatus.NO_CONTENT, headers=allow)
    detail = f"{request.method} is not possible here"
    raise Problem(HTTPStatus.METHOD_NOT_ALLOWED, "method-not-allowed", detail, headers=allow)
