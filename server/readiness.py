"""Whether a request would come through: the API answers, and to this instance's credentials."""

import asyncio
import logging
import time
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from server.problems import problem
from server.sigv4 import CredentialsMissing
from server.upstream import Upstream, UpstreamFailed

HOLDS = 1.0
"""Seconds for which an answer is given again: any program may ask, and the API shall not pay."""
WITHIN = 3.0
"""Seconds in which the API has to answer: a load balancer waits five for an answer of ours."""

_ERROR = 400
_log = logging.getLogger("server.readiness")


class Readiness:
    """Asks the API for one counter's name, at most once in `HOLDS` seconds."""

    def __init__(
        self,
        upstream: Upstream,
        *,
        clock: Callable[[], float] = time.monotonic,
        within: float = WITHIN,
    ) -> None:
        self._upstream = upstream
        self._clock = clock
        self._within = within
        self._lock = asyncio.Lock()
        self._found = self._until = float("-inf")
        self._lack: str | None = None

    async def answer(self, _: Request) -> Response:
        """Answer 200, or 503 with what is missing, as soon as one look has ended at the latest."""
        came = self._clock()
        async with self._lock:
            if self._clock() >= self._until and self._found < came:
                self._lack = await self._look()
                self._found = self._clock()
                self._until = self._found + HOLDS
        if self._lack is not None:
            return problem(503, f"not ready: {self._lack}", headers={"retry-after": "1"})
        return PlainTextResponse("ready", headers={"cache-control": "no-store"})

    async def _look(self) -> str | None:
        try:
            async with asyncio.timeout(self._within):
                reply = await self._upstream.call("GET", b"/counters?limit=1", headers={})
        except TimeoutError:
            return f"the API gave no answer within {self._within:g} s"
        except UpstreamFailed as error:
            return error.detail
        except CredentialsMissing as error:
            # Its words may name files and addresses, which are for the log alone.
            _log.error("no credentials: %s", error)
            return "this instance has no credentials"
        return f"the API answers {reply.status}" if reply.status >= _ERROR else None
