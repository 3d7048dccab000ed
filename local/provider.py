"""`python -m local.provider`: an OpenID Connect provider for this machine alone.

It knows a person of each role, alice, bob and carol, and signs each in with one click, without a
password: it is for trying the application out. Everything else is as the protocol has it: codes
that work once, for one client, which shows its secret
(https://openid.net/specs/openid-connect-core-1_0.html, section 3.1).
It also publishes the public key of the emulator's load balancer, as AWS does at an address of its
own.
"""

import html
import json
import os
import secrets
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import uvicorn
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

CLIENT_ID = "interlock-local"
SECRET_VARIABLE = "INTERLOCK_CLIENT_SECRET"
BALANCER_KEY_ID = "local-load-balancer"
PEOPLE = {"alice": "administrator", "bob": "viewer", "carol": "operator"}
"""The group of each, which is a role."""

CODE_LIFE = 60.0
TOKEN_LIFE = 3600.0
_REFUSED = "This cannot be signed in to"
_CALLBACK = "/oauth2/idpresponse"
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Sign in · Interlock on this machine</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
<style>
:root {{ color-scheme: light dark }}
body {{ font: 1rem/1.5 system-ui, sans-serif; display: grid; place-items: center }}
body {{ min-height: 90vh }}
form {{ display: grid; gap: .75rem }}
button {{ font: inherit; padding: .75rem 1.25rem; cursor: pointer }}
</style></head>
<body><main><h1>{title}</h1><p>{words}</p>{form}</main></body></html>"""


@dataclass(frozen=True, slots=True)
class _Grant:
    person: str
    redirect: str
    until: float


@dataclass
class Provider:
    """The endpoints. `secret` is the client's; `balancer_key` a public key as PEM, with its id."""

    issuer: str
    secret: str
    balancer_key: bytes
    balancer_key_id: str
    codes: dict[str, _Grant] = field(default_factory=dict)
    tokens: dict[str, _Grant] = field(default_factory=dict)

    def application(self) -> Starlette:
        """Return the ASGI application."""
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self.describe),
                Route("/authorize", self.authorize, methods=["GET", "POST"]),
                Route("/token", self.exchange, methods=["POST"]),
                Route("/userinfo", self.tell),
                Route("/sign-out", self.sign_out),
                Route("/keys/{key_id}", self.publish),
            ]
        )

    async def describe(self, _: Request) -> Response:
        """Answer with the discovery document."""
        return JSONResponse(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "userinfo_endpoint": f"{self.issuer}/userinfo",
                "response_types_supported": ["code"],
                "scopes_supported": ["openid", "profile"],
            }
        )

    async def authorize(self, request: Request) -> Response:
        """Offer the people; with one chosen, send the browser back with a code for it."""
        asked = request.query_params
        redirect = asked.get("redirect_uri", "")
        if asked.get("client_id") != CLIENT_ID or not _is_of_this_machine(redirect):
            # Not sent anywhere: the address may be any program's.
            return _page(_REFUSED, "The client or its address is unknown.", status=400)
        if asked.get("response_type") != "code" or not asked.get("state"):
            return _page(_REFUSED, "A code and a state are wanted.", status=400)
        if request.method == "GET":
            buttons = "".join(
                f'<button name="person" value="{name}">{name} ({group})</button>'
                for name, group in PEOPLE.items()
            )
            target = html.escape(f"/authorize?{urlencode(asked.multi_items())}")
            form = f'<form method="post" action="{target}">{buttons}</form>'
            words = "This machine's own provider; no password is asked."
            return _page("Who are you?", words, form=form)
        person = parse_qs(await _text(request)).get("person", [""])[0]
        if person not in PEOPLE:
            return _page(_REFUSED, "There is no such person.", status=400)
        code = _issue(self.codes, _Grant(person, redirect, time.monotonic() + CODE_LIFE))
        answer = urlencode({"code": code, "state": asked["state"]})
        return RedirectResponse(f"{redirect}?{answer}", 303)

    async def exchange(self, request: Request) -> Response:
        """Give the client a token for its code, once."""
        given = {name: values[0] for name, values in parse_qs(await _text(request)).items()}
        shown = given.get("client_secret", "").encode()
        known = secrets.compare_digest(shown, self.secret.encode())
        if given.get("client_id") != CLIENT_ID or not known:
            return JSONResponse({"error": "invalid_client"}, 401)
        grant = self.codes.pop(given.get("code", ""), None)
        if (
            given.get("grant_type") != "authorization_code"
            or grant is None
            or grant.until < time.monotonic()
            or grant.redirect != given.get("redirect_uri")
        ):
            return JSONResponse({"error": "invalid_grant"}, 400)
        fresh = _Grant(grant.person, "", time.monotonic() + TOKEN_LIFE)
        token = _issue(self.tokens, fresh)
        return JSONResponse(
            {"access_token": token, "token_type": "Bearer", "expires_in": int(TOKEN_LIFE)},
            headers={"cache-control": "no-store"},
        )

    async def tell(self, request: Request) -> Response:
        """Answer who the bearer of a token is."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        grant = self.tokens.get(token)
        if scheme.lower() != "bearer" or grant is None or grant.until < time.monotonic():
            return JSONResponse({"error": "invalid_token"}, 401)
        claims = {"sub": f"local|{grant.person}", "name": grant.person}
        return JSONResponse({**claims, "groups": [PEOPLE[grant.person]]})

    async def sign_out(self, _: Request) -> Response:
        """Say so: it asks at each sign-in, so that there is no session of its own to end."""
        return _page("You are signed out", "Open the application's address again to sign in.")

    async def publish(self, request: Request) -> Response:
        """Answer with the load balancer's public key."""
        if request.path_params["key_id"] != self.balancer_key_id:
            return Response(status_code=403)  # as AWS's bucket says
        return Response(self.balancer_key, media_type="application/x-pem-file")


def public_half(private_pem: bytes) -> bytes:
    """Return the public key of a private one, both as PEM."""
    public = load_pem_private_key(private_pem, None).public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _issue(kept: dict[str, _Grant], grant: _Grant) -> str:
    value = secrets.token_urlsafe(32)
    kept[value] = grant
    for ended in [name for name, each in kept.items() if each.until < time.monotonic()]:
        del kept[ended]
    return value


def _is_of_this_machine(address: str) -> bool:
    parts = urlsplit(address)
    host = parts.hostname or ""
    local = host in {"127.0.0.1", "localhost"} or host.endswith(".localhost")
    return local and parts.path == _CALLBACK and not parts.query and parts.scheme == "http"


def _page(title: str, words: str, *, form: str = "", status: int = 200) -> Response:
    return HTMLResponse(_PAGE.format(title=title, words=words, form=form), status)


async def _text(request: Request) -> str:
    return (await request.body()).decode("utf-8", "replace")


def main() -> int:
    """Serve what the environment describes, on loopback, until it is told to stop."""
    settings: dict[str, Any] = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    port = int(settings["port"])
    provider = Provider(
        issuer=f"http://127.0.0.1:{port}",
        secret=os.environ[SECRET_VARIABLE],
        balancer_key=settings["balancer_key"].encode(),
        balancer_key_id=settings["balancer_key_id"],
    )
    uvicorn.run(provider.application(), host="127.0.0.1", port=port, log_level="warning")
    return 0


if __name__ == "__main__":
    sys.exit(main())
