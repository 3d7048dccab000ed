"""Calls API Gateway: signed, over pooled connections, repeated only where that is safe."""

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from interlock.errors import InvalidValue
from server.connections import CONNECT, Connections
from server.sender import Answer, Broken, Sender, TooLong, Unreachable
from server.sigv4 import RequestSigner

ATTEMPTS = 3
BACKOFF = 0.1
MAX_REPLY = 4 * 1024 * 1024
_REPEATABLE = frozenset({"GET", "HEAD"})
_PASSING = frozenset({500, 502, 503, 504})
_SENDABLE = "%!$&'()*+,-./:;=?@[\\]^_|~"  # beside letters and digits, in a request's target
_SYSTEM = random.SystemRandom()  # no process shares its state, however it came about


class UpstreamFailed(Exception):
    """No usable answer came. `status` is what to tell the caller, `maybe` if it may have acted."""

    def __init__(self, status: int, detail: str, *, maybe: bool) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.maybe = maybe


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer of the API: names of headers in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    attempts: int


class Upstream:
    """The API behind this service. Safe to use from any number of tasks.

    `timeout` is in seconds and covers all attempts of a call together.
    """

    def __init__(
        self,
        url: str,
        signer: RequestSigner,
        *,
        timeout: float,
        api_key: str | None = None,
        connections: Sender | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        draw: Callable[[], float] = _SYSTEM.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url.rstrip("/")
        self._signer = signer
        self._timeout = timeout
        self._api_key = api_key
        self._sleep = sleep
        self._draw = draw
        self._clock = clock
        self._connections = connections or Connections(connect=min(CONNECT, timeout))

    async def close(self) -> None:
        """Close the pooled connections."""
        await self._connections.close()

    async def call(
        self, method: str, path: bytes, *, headers: Mapping[str, str], body: bytes = b""
    ) -> Reply:
        """Make one call. `path` is what follows the stage, still percent-encoded, with its query.

        Raises `UpstreamFailed` without a usable answer, `CredentialsMissing` without credentials.
        """
        url = self._url + quote(path, safe=_SENDABLE)
        sent = {**headers, **({"x-api-key": self._api_key} if self._api_key else {})}
        repeatable = method in _REPEATABLE or "idempotency-key" in headers
        deadline = self._clock() + self._timeout
        attempt = 1
        while True:
            last = attempt == ATTEMPTS
            try:
                async with asyncio.timeout(max(0.0, deadline - self._clock())):
                    reply = await self._send(method, url, sent, body, attempt)
                if reply.status not in _PASSING or not repeatable or last:
                    return reply
            except TimeoutError:
                raise UpstreamFailed(
                    504, f"the API gave no answer within {self._timeout:g} s", maybe=True
                ) from None
            except Unreachable as error:
                # Nothing has left this machine, so that any call may be repeated.
                if last:
                    raise UpstreamFailed(502, "the API cannot be reached", maybe=False) from error
            except Broken as error:
                if not repeatable or last:
                    raise UpstreamFailed(
                        502, "the connection to the API broke", maybe=True
                    ) from error
            pause = self._draw() * BACKOFF * 2 ** (attempt - 1)
            await self._sleep(min(pause, max(0.0, deadline - self._clock())))
            attempt += 1

    async def _send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, attempt: int
    ) -> Reply:
        try:
            signed = await self._signer.sign(method, url, body, headers)
        except InvalidValue as error:
            reason = f"the request cannot be signed: {error}"
            raise UpstreamFailed(400, reason, maybe=False) from error
        try:
            answer = await self._connections.send(
                method, url, headers=signed, body=body, most=MAX_REPLY
            )
        except TooLong as error:
            raise UpstreamFailed(502, "the API's answer is too long", maybe=True) from error
        _refuse_malformed(answer)
        return Reply(answer.status, answer.headers, answer.body, attempt)


def _refuse_malformed(answer: Answer) -> None:
    """Raise for an answer that says it is JSON and is not."""
    if not answer.body or "json" not in answer.headers.get("content-type", ""):
        return
    try:
        json.loads(answer.body)
    except ValueError as error:
        raise UpstreamFailed(502, "the API's answer is not JSON", maybe=True) from error
