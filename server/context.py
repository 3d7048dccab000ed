"""Around every request: its id, its line in the log, and the answer's security headers."""

import logging
import re
import time
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.logs import request_id, subject
from server.problems import problem

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'"
)
SECURITY_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "strict-transport-security": "max-age=31536000",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
_REQUEST_ID = re.compile(r"[A-Za-z0-9._=:-]{1,128}")
_GONE = 499
"""In the log only: the caller left before its request was whole."""

_QUIET = frozenset({"/healthz", "/readyz"})
_log = logging.getLogger("server.access")


class RequestContext:
    """Pure ASGI, so that streams pass through unbuffered."""

    def __init__(self, app: ASGIApp, instance: str) -> None:
        self._app = app
        self._instance = instance

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        identifier = given if _REQUEST_ID.fullmatch(given) else str(uuid.uuid4())
        token, before = request_id.set(identifier), subject.set(None)
        started = time.perf_counter()
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers[name] = value
                headers["x-request-id"] = identifier
                headers["x-instance"] = self._instance
            await send(message)

        try:
            await self._app(scope, receive, answer)
        except ClientDisconnect:
            status = _GONE
        except Exception:
            _log.exception("request failed")
            if status:
                raise
            failure = problem(500, "the service failed; its log says why")
            await failure(scope, receive, answer)
        finally:
            _log.log(
                logging.DEBUG if scope["path"] in _QUIET else logging.INFO,
                "%s %s",
                scope["method"],
                scope["path"],
                extra={
                    "fields": {
                        "status": status,
                        "ms": round((time.perf_counter() - started) * 1000, 1),
                    }
                },
            )
            request_id.reset(token)
            subject.reset(before)
