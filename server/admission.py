"""Refuses, before any view sees them, too many requests and framing that is ambiguous."""

import math

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from server.limits import RateLimit, caller_of
from server.problems import problem

_METERED = ("/api/", "/service/", "/events", "/readyz")


class Admission:
    """Pure ASGI, so that streams pass through unbuffered.

    Metered is what costs a call of the API or the table. The client's files and the load
    balancer's health checks are free.
    """

    def __init__(self, app: ASGIApp, rate: RateLimit, proxies: int) -> None:
        self._app = app
        self._rate = rate
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run or refuse one request."""
        answer = self._app
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            ambiguity = _ambiguity(scope, headers)
            if ambiguity:
                # Two ends that differ on where this request ends take its rest for another one:
                # RFC 9112, 6.1. The connection is closed, so that no rest can follow.
                answer = problem(400, ambiguity, headers={"connection": "close"})
            elif scope["path"].startswith(_METERED):
                wait = self._rate.wait(caller_of(scope, self._proxies))
                if wait:
                    answer = problem(
                        429,
                        "too many requests from this caller",
                        headers={"retry-after": str(max(1, math.ceil(wait)))},
                    )
        await answer(scope, receive, send)


def _ambiguity(scope: Scope, headers: Headers) -> str | None:
    """Return what leaves in doubt where a request ends, None if nothing does."""
    if "transfer-encoding" not in headers:
        return None
    if "content-length" in headers:
        return "the request has both Content-Length and Transfer-Encoding"
    if scope["http_version"] == "1.0":
        return "the request has Transfer-Encoding, which HTTP/1.0 does not know"
    return None
