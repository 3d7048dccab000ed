"""The ASGI application: routes, and what lives as long as they do."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from server.envelope import Envelope
from server.events import Events
from server.forwarding import Forwarding
from server.group import Group
from server.limits import RateLimit
from server.problems import problem
from server.reading import Reading
from server.settings import Settings
from server.sigv4 import CredentialsMissing
from server.upstream import Upstream, UpstreamFailed

WEB = Path(__file__).parent / "web"
_ERROR = 400
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]


class WebClient(StaticFiles):
    """The client's files; browsers ask each time whether they changed (ETag), and cache."""

    async def get_response(self, path: str, scope: object) -> Response:
        """Answer with the file, or a problem for one that is not there."""
        response = await super().get_response(path, scope)  # type: ignore[arg-type]
        response.headers["cache-control"] = "no-cache"
        return response


def create_application(
    settings: Settings, upstream: Upstream, reading: Reading, group: Group
) -> Starlette:
    """Build the application. It runs `group` and closes `upstream`."""
    events = Events(reading, group, settings.instance_id)
    forwarding = Forwarding(
        upstream,
        rate=RateLimit(settings.rate, settings.burst),
        max_body=settings.max_body,
        proxies=settings.proxies,
        changed=events.look,
    )

    async def healthy(_: Request) -> Response:
        return PlainTextResponse("ok", headers={"cache-control": "no-store"})

    async def ready(_: Request) -> Response:
        """Whether a request would come through: the API answers, and to our credentials."""
        try:
            reply = await upstream.call("GET", b"/counters?limit=1", headers={})
        except (UpstreamFailed, CredentialsMissing) as error:
            return problem(503, f"not ready: {error}")
        if reply.status >= _ERROR:
            return problem(503, f"not ready: the API answers {reply.status}")
        return PlainTextResponse("ready", headers={"cache-control": "no-store"})

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with group.running(), events.running():
            yield
        await upstream.close()

    application = Starlette(
        routes=[
            Route("/healthz", healthy),
            Route("/readyz", ready),
            Route("/service/cluster", group.answer_cluster),
            Route("/service/history/{name}", group.answer_history),
            Route("/events", events.answer),
            Route("/api/{path:path}", forwarding.answer, methods=_METHODS),
            Mount("/", WebClient(directory=WEB, html=True)),
        ],
        middleware=[Middleware(Envelope, instance=settings.instance_id)],
        exception_handlers={404: _refused, 405: _refused},
        lifespan=lifespan,
    )
    application.state.events = events
    return application


async def _refused(_: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 404)
    headers = getattr(error, "headers", None)
    words = {404: "there is nothing at this address", 405: "this address does not take that method"}
    return problem(status, words[status], headers=headers)
