"""`/api/*`: the caller's request to API Gateway, and its answer back."""

import asyncio
import json
import logging
import math
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, unquote

from starlette.requests import Request
from starlette.responses import Response

from server.identity import person_of, raw_path
from server.limits import BodyTooLarge, read_body
from server.logs import request_id
from server.origin import from_another_site
from server.problems import MEDIA_TYPE, problem
from server.sigv4 import CredentialsMissing
from server.upstream import Reply, Upstream, UpstreamFailed

_LISTS = ("accept", "if-match", "if-none-match")
_SINGLE = ("content-encoding", "content-type", "idempotency-key")
_RETURNED = (
    "allow",
    "cache-control",
    "content-type",
    "etag",
    "idempotency-replayed",
    "link",
    "location",
    "retry-after",
)
_PREFIX = b"/api/"
_PLAIN = "!#$&'()*+,/:;=?@[]|"  # beside letters and digits, what may stand in a header as it is
_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_ERROR = 400
_log = logging.getLogger("server.forwarding")


class Forwarding:
    """Hands requests under `/api` on. `changed` is told after each write that succeeded.

    A body may have `max_body` bytes and take `patience` seconds.
    """

    def __init__(
        self,
        upstream: Upstream,
        *,
        max_body: int,
        patience: float,
        changed: Callable[[], None],
    ) -> None:
        self._upstream = upstream
        self._max_body = max_body
        self._patience = patience
        self._changed = changed

    async def answer(self, request: Request) -> Response:
        """Answer one request."""
        refusal = self._refuse(request)
        if refusal is not None:
            return refusal
        try:
            async with asyncio.timeout(self._patience):
                body = await read_body(request, self._max_body)
        except BodyTooLarge:
            return self._problem(413, f"the body has over {self._max_body} bytes")
        except TimeoutError:
            return self._problem(408, f"the body did not come within {self._patience:g} s")
        headers = _given(request)
        headers["x-request-id"] = request_id.get() or ""
        person = person_of(request.scope)
        if person is not None:
            # For the function's log, beside the role that signs: a caller's own is never sent on.
            headers["x-interlock-subject"] = quote(person.subject, safe=_PLAIN)
        try:
            reply = await self._upstream.call(
                request.method, _target(request), headers=headers, body=body
            )
        except CredentialsMissing as error:
            _log.error("no credentials: %s", error)
            return self._problem(503, "the service has no credentials for the API", retry=5)
        except UpstreamFailed as error:
            _log.warning("upstream failed: %s", error.detail)
            return self._failed(request, error)
        if request.method not in _READS and reply.status < _ERROR:
            self._changed()
        return _answer(request, reply)

    def _refuse(self, request: Request) -> Response | None:
        # Of the request line itself: request.url is made from the Host header, which can be
        # anything, and has a `?` in it if the caller likes.
        _, _, *parts = request.scope["path"].split("/")
        # A gateway that takes two slashes for one would answer of another lock, or counter.
        if not raw_path(request.scope).startswith(_PREFIX) or "" in parts:
            return self._problem(404, "there is nothing at this address")
        if any(unquote(part) in {".", ".."} for part in parts):
            return self._problem(400, "the path holds a dot segment")
        if (refusal := self._refuse_headers(request)) is not None:
            return refusal
        if request.method not in _READS and from_another_site(request):
            # The role signs for any program that reaches this port, also for a page that a browser
            # happens to show: without this, any web site could write through a visitor.
            return self._problem(403, "writes are taken from this service's own pages only")
        return None

    def _refuse_headers(self, request: Request) -> Response | None:
        for name in (*_LISTS, *_SINGLE):
            lines = request.headers.getlist(name)
            if not all(line.isascii() for line in lines):  # SigV4 knows ASCII only
                return self._problem(400, "the header is not ASCII", field=name.title())
            if name in _SINGLE and len(lines) > 1:
                detail = f"the header was sent {len(lines)} times"
                return self._problem(400, detail, field=name.title())
        return None

    def _failed(self, request: Request, error: UpstreamFailed) -> Response:
        detail = error.detail
        if error.maybe and request.method not in _READS:
            detail += "; the change may have happened: repeat it with the same Idempotency-Key"
        return self._problem(error.status, detail)

    def _problem(
        self, status: int, detail: str, *, retry: float | None = None, **members: str
    ) -> Response:
        headers = {"retry-after": str(max(1, math.ceil(retry)))} if retry is not None else None
        return problem(status, detail, headers=headers, **members)


def _given(request: Request) -> dict[str, str]:
    """Return the headers that go on; the lines of a list become one (RFC 9110, 5.3)."""
    found = {name: request.headers.getlist(name) for name in (*_LISTS, *_SINGLE)}
    return {name: ", ".join(lines) for name, lines in found.items() if lines}


def _target(request: Request) -> bytes:
    """Return the path after /api as the caller encoded it, with the query."""
    path = raw_path(request.scope).removeprefix(b"/api")
    query: bytes = request.scope["query_string"]
    return path + (b"?" + query if query else b"")


def _answer(request: Request, reply: Reply) -> Response:
    headers = {name: v for name in _RETURNED if (v := reply.headers.get(name)) is not None}
    headers["x-upstream-attempts"] = str(reply.attempts)
    headers.setdefault("cache-control", "no-store")
    if upstream_id := reply.headers.get("x-amzn-requestid"):
        headers["x-upstream-request-id"] = upstream_id
    if reply.status < _ERROR or reply.headers.get("content-type", "").startswith(MEDIA_TYPE):
        response = Response(reply.body, reply.status, headers)
        if request.method == "HEAD":
            del response.headers["content-length"]  # it would be the length of nothing
        return response
    # API Gateway's own refusals ({"message": ...}) and a load balancer's pages, as problems.
    headers.pop("content-type", None)
    return problem(reply.status, _words_of(reply), headers=headers)


def _words_of(reply: Reply) -> str:
    try:
        content: Any = json.loads(reply.body)
    except ValueError:
        content = None
    if isinstance(content, dict):
        words = content.get("detail") or content.get("message") or content.get("Message")
        if isinstance(words, str):
            return words
    return "the API refused the request and gave no reason"
