"""The ASGI application: routes, and what lives as long as they do."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from server.admission import Admission
from server.assets import Assets
from server.claims import Claims
from server.context import RequestContext
from server.events import Events
from server.forwarding import Forwarding
from server.group import Group
from server.identity import Identity, Session
from server.limits import RateLimit
from server.problems import problem
from server.readiness import Readiness
from server.reading import Reading
from server.settings import Settings
from server.upstream import Upstream

_NOT_FOUND = 404
WEB = Path(__file__).parent / "web"
_METHODS = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]


def create_application(
    settings: Settings,
    upstream: Upstream,
    reading: Reading,
    group: Group,
    *,
    claims: Claims | None = None,
) -> Starlette:
    """Build the application. It runs `group`, and closes `upstream` and `claims`.

    Without `claims` it is open to all who reach it.
    """
    events = Events(reading, group, settings)
    forwarding = Forwarding(
        upstream,
        max_body=settings.max_body,
        patience=settings.timeout,
        changed=events.look,
    )

    async def healthy(_: Request) -> Response:
        return PlainTextResponse("ok", headers={"cache-control": "no-store"})

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with group.running(), events.running():
            yield
        await upstream.close()
        if claims:
            await claims.close()

    session = Session(settings.trust)
    application = Starlette(
        routes=[
            Route("/healthz", healthy),
            Route("/readyz", Readiness(upstream).answer),
            Route("/service/me", session.answer_me),
            Route("/service/sign-out", session.answer_sign_out, methods=["POST"]),
            Route("/service/cluster", group.answer_cluster),
            Route("/service/history/{name}", group.answer_history),
            Route("/events", events.answer),
            Route("/api/{path:path}", forwarding.answer, methods=_METHODS),
            Route("/{path:path}", Assets(WEB).answer),
        ],
        middleware=[
            Middleware(RequestContext, instance=settings.instance_id),
            Middleware(Identity, claims=claims),
            Middleware(
                Admission, rate=RateLimit(settings.rate, settings.burst), proxies=settings.proxies
            ),
        ],
        exception_handlers={404: _refused, 405: _refused},
        lifespan=lifespan,
    )
    application.state.events = events
    return application


async def _refused(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 404)
    if status == _NOT_FOUND:
        return problem(status, "there is nothing at this address")
    if request.method not in _METHODS:
        return problem(501, f"the method {request.method} is not known here")
    possible = getattr(error, "headers", None) or {}
    allowed = ", ".join(sorted(possible.get("Allow", "").split(", ")))  # they come in any order
    return problem(status, f"{request.method} is not possible here", headers={"allow": allowed})
