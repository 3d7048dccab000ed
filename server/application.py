"""The ASGI application: routes, and what lives as long as they do."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from server.admission import Admission
from server.assets import Assets
from server.claims import Claims
from server.context import RequestContext
from server.events import Events
from server.forwarding import Forwarding
from server.group import Group
from server.hints import Hints
from server.identity import Identity, Session
from server.limits import RateLimit
from server.locks import Locks
from server.methods import KNOWN, route, without_query
from server.problems import problem
from server.readiness import Readiness
from server.reading import Reading
from server.settings import Settings
from server.upstream import Upstream

_NOT_FOUND = 404
WEB = Path(__file__).parent / "web"


def create_application(
    settings: Settings,
    upstream: Upstream,
    reading: Reading,
    group: Group,
    *,
    locks: Locks | None = None,
    claims: Claims | None = None,
    hints: Hints | None = None,
) -> Starlette:
    """Build the application. It runs `group` and `hints`, and closes the others.

    Without `claims` it is open to all who reach it.
    """
    locks = locks or Locks(settings, None)
    events = Events(reading, group, settings)

    def changed() -> None:
        events.look()
        if hints:
            hints.tell()

    forwarding = Forwarding(
        upstream,
        max_body=settings.max_body,
        patience=settings.timeout,
        changed=changed,
    )

    async def healthy(_: Request) -> Response:
        return PlainTextResponse("ok", headers={"cache-control": "no-store"})

    def hinted() -> AbstractAsyncContextManager[None]:
        if hints is None:
            return nullcontext()
        return hints.running(settings.host, settings.port, events.look)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with group.running(), events.running(), hinted():
            yield
            await locks.close()
        await upstream.close()
        if claims:
            await claims.close()

    session = Session(settings.trust)
    application = Starlette(
        routes=[
            route("/healthz", healthy),
            route("/readyz", Readiness(upstream).answer),
            route("/service/me", without_query(session.answer_me)),
            route("/service/sign-out", without_query(session.answer_sign_out), ("POST",)),
            route("/service/cluster", without_query(group.answer_cluster)),
            route("/service/history/{name}", group.answer_history),
            route("/service/locks", locks.answer_list),
            route("/service/locks/{name:path}", locks.answer_one),
            route("/service/lock-breaks", locks.answer_break, ("POST",)),
            route("/events", events.answer),
            route("/api/{path:path}", forwarding.answer, KNOWN),
            # Which of them are there is the files' to say, before what can be done with them.
            route("/{path:path}", Assets(WEB).answer, KNOWN),
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
    if request.method not in KNOWN:
        return problem(501, f"the method {request.method} is not known here")
    allow = getattr(error, "headers", None) or {}
    return problem(status, f"{request.method} is not possible here", headers=allow)
