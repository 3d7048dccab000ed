"""Routes that say themselves what an address takes: methods, and no query where it knows none."""

from collections.abc import Awaitable, Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.problems import problem

KNOWN = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
READS = ("GET", "HEAD")
_NOT_ALLOWED = 405

Answer = Callable[[Request], Awaitable[Response]]


def route(path: str, answer: Answer, methods: tuple[str, ...] = READS) -> Route:
    """Return a route that takes these methods, and says so to OPTIONS and all others.

    Every method that is known reaches it: one that it does not take would otherwise be looked for
    among the files, and be told what those take.
    """

    async def limited(request: Request) -> Response:
        return among(methods, request) or await answer(request)

    return Route(path, limited, methods=list(KNOWN))


def without_query(answer: Answer) -> Answer:
    """Return what refuses a query before it answers: a parameter would go unnoticed."""

    async def plain(request: Request) -> Response:
        for parameter in request.query_params:
            return problem(400, f"{parameter[:20]} is not known here", field=parameter[:20])
        return await answer(request)

    return plain


def among(methods: tuple[str, ...], request: Request) -> Response | None:
    """Return the answer to OPTIONS, None for one of `methods`; raise `HTTPException` for others."""
    if request.method in methods:
        return None
    allow = {"Allow": ", ".join(sorted({*methods, "OPTIONS"}))}
    if request.method == "OPTIONS":
        return Response(status_code=204, headers=allow)
    raise HTTPException(_NOT_ALLOWED, headers=allow)
