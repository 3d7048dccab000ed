"""Authentication and authorization of every request that reads or changes anything.

Pure ASGI, so that streams pass through unbuffered. Without `Trust` the service is open to all who
reach it, and says so; the deployment decides (docs/security.md).
"""

import logging
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from server.claims import Claims, Person, Trust, Unidentified
from server.keys import KeysUnavailable
from server.logs import request_id, subject
from server.origin import from_another_site
from server.problems import problem
from server.roles import LABELS, Role, needed

PERSON = "interlock.person"
"""Where the person is in a request's scope."""

_GUARDED = ("/api/", "/service/", "/events")
_PUBLIC = frozenset({b"/api/.well-known/jwks.json"})  # all who hold a receipt may verify it
_ALL_ROLES = frozenset({b"/service/me", b"/service/sign-out"})
_COOKIES = tuple(f"AWSELBAuthSessionCookie-{shard}" for shard in range(4))
_log = logging.getLogger("server.identity")


class Identity:
    """Lets a request through whose person may make it, and says why where not."""

    def __init__(self, app: ASGIApp, claims: Claims | None) -> None:
        self._app = app
        self._claims = claims

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run or refuse one request."""
        answer = self._app
        if self._claims and scope["type"] == "http" and _guards(scope):
            answer = await self._refuse(scope, self._claims) or answer
        await answer(scope, receive, send)

    async def _refuse(self, scope: Scope, claims: Claims) -> Response | None:
        try:
            person = await claims.person(Headers(scope=scope))
        except Unidentified as error:
            return _problem(401, str(error), sign_in="/")
        except KeysUnavailable as error:
            _log.error("the load balancer's keys cannot be had: %s", error)
            detail = "who asks cannot be verified just now; nothing was changed"
            return _problem(503, detail, headers={"retry-after": "5"})
        scope[PERSON] = person
        subject.set(person.subject)
        path = raw_path(scope)
        if path in _ALL_ROLES:
            return None
        least = needed(scope["method"], path)
        if person.role is not None and person.role >= least:
            return None
        role = person.role.label if person.role else None
        return _problem(403, _words(person, least), role=role, needed=least.label)


class Session:
    """The answer to the page about its own person."""

    def __init__(self, trust: Trust | None) -> None:
        self._trust = trust

    async def answer_me(self, request: Request) -> Response:
        """Answer who is signed in, and as what."""
        person: Person | None = request.scope.get(PERSON)
        if person is None:
            told: dict[str, object] = {"open": True, "name": None, "role": LABELS[-1]}
        else:
            role = person.role.label if person.role else None
            told = {"open": False, "name": person.name, "subject": person.subject, "role": role}
        return JSONResponse(
            {**told, "roles": LABELS}, headers={"cache-control": "no-store", "vary": "cookie"}
        )

    async def answer_sign_out(self, request: Request) -> Response:
        """End the load balancer's session; the page then goes where the provider ends its own.

        https://docs.aws.amazon.com/elasticloadbalancing/latest/application/listener-authenticate-users.html#authentication-logout
        """
        if from_another_site(request):
            return _problem(403, "only this service's own page signs people out")
        next_ = self._trust.sign_out if self._trust and self._trust.sign_out else "/"
        answer = JSONResponse({"next": next_}, headers={"cache-control": "no-store"})
        secure = request.headers.get("x-forwarded-proto") == "https"
        for name in _COOKIES:
            answer.delete_cookie(name, path="/", secure=secure, httponly=True)
        return answer


def person_of(scope: Scope) -> Person | None:
    """Return who makes this request, None where the service is open to all."""
    person: Person | None = scope.get(PERSON)
    return person


def raw_path(scope: Scope) -> bytes:
    """Return the path as the caller encoded it, without the query."""
    raw: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    return raw.split(b"?", 1)[0]


def _guards(scope: Scope) -> bool:
    public = raw_path(scope) in _PUBLIC and scope["method"] in {"GET", "HEAD"}
    return scope["path"].startswith(_GUARDED) and not public


def _words(person: Person, least: Role) -> str:
    if person.role is None:
        known = ", ".join(LABELS)
        return f"none of the groups of {person.name} gives a role here; one of {known} is needed"
    return f"this needs the role {least.label}; {person.name} is {person.role.label}"


def _problem(
    status: int, detail: str, *, headers: dict[str, str] | None = None, **members: object
) -> Response:
    return problem(status, detail, headers=headers, request_id=request_id.get(), **members)
