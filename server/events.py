"""Server-sent events: the state of the counters and of the group, pushed as it changes.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import asyncio
import json
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from server.awaiting import Question
from server.beside import beside
from server.group import Group
from server.limits import caller_of
from server.problems import problem
from server.reading import Reading
from server.settings import Settings
from server.sigv4 import CredentialsMissing
from server.upstream import UpstreamFailed

STREAMS = 500
"""Streams of one instance: each holds a connection, and so a file descriptor."""
STREAMS_A_CALLER = 100
"""An office behind one address has many people, one attacker many connections."""
SLOW = 1.5
"""Seconds after which the API's answer is missed: at a look a second, pages know it in 3 s."""
TIMES, SLOWEST = 3.0, 8.0
"""An API that takes long is missed after so many times what it took last, up to so many seconds."""
BEAT = 1.0
"""Seconds of quiet after which a client is told that this instance is still there.

An instance that is paused keeps its connections: only its silence gives it away.
"""
_log = logging.getLogger("server.events")


class Events:
    """Looks at the counters while a page listens, and tells all listeners the whole state.

    Every event carries the complete state, so that a client that comes back after a break needs
    nothing that it missed; of several states that a slow client has not taken yet, only the
    newest is kept.
    """

    def __init__(self, reading: Reading, group: Group, settings: Settings) -> None:
        self._instance = settings.instance_id
        self._proxies = settings.proxies
        self._every = settings.look_every
        self._callers: Counter[str] = Counter()
        self._listeners: set[asyncio.Queue[str | None]] = set()
        self._wake = asyncio.Event()
        self._state: str | None = None
        self._closed = False
        self._counters = Question(reading.counters, self.look)
        self._cluster = Question(group.cluster)

    @property
    def listening(self) -> int:
        """The number of streams that are open."""
        return len(self._listeners)

    def look(self) -> None:
        """Look at once: something was changed, through this instance or another."""
        self._wake.set()

    def close(self) -> None:
        """End all streams: clients come back by themselves, to another instance."""
        self._closed = True
        for queue in self._listeners:
            _replace(queue, None)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Look for as long as the context is open."""
        try:
            async with beside(self._keep_looking(), "events"):
                yield
        finally:
            await self._counters.close()
            await self._cluster.close()

    async def answer(self, request: Request) -> Response:
        """Open one stream; the first event on it is the state of now."""
        caller = caller_of(request.scope, self._proxies)
        if len(self._listeners) >= STREAMS or self._callers[caller] >= STREAMS_A_CALLER:
            return problem(503, "too many streams are open", headers={"retry-after": "5"})
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        if request.method == "HEAD":
            # A stream has no end, and without a body nothing would show that its client left.
            answer = Response(media_type="text/event-stream", headers=headers)
            del answer.headers["content-length"]
            return answer
        queue = self._enter(caller)
        return _Stream(
            self._events(queue, request),
            partial(self._leave, caller, queue),
            media_type="text/event-stream",
            headers=headers,
        )

    def _enter(self, caller: str) -> "asyncio.Queue[str | None]":
        """Give a stream its place, at once: of requests that come together none is overlooked."""
        queue: asyncio.Queue[str | None] = asyncio.Queue(1)
        if self._closed:
            queue.put_nowait(None)
        elif self._listeners and self._state is not None:
            queue.put_nowait(self._state)  # not older than a look: another listens
        else:
            self._wake.set()
        self._listeners.add(queue)
        self._callers[caller] += 1
        return queue

    def _leave(self, caller: str, queue: "asyncio.Queue[str | None]") -> None:
        self._listeners.discard(queue)
        self._callers[caller] -= 1
        if not self._callers[caller]:
            del self._callers[caller]

    async def _events(
        self, queue: "asyncio.Queue[str | None]", request: Request
    ) -> AsyncIterator[str]:
        yield "retry: 1000\n\n"
        while not await request.is_disconnected():
            try:
                async with asyncio.timeout(BEAT):
                    state = await queue.get()
            except TimeoutError:
                yield "event: beat\ndata:\n\n"
                continue
            if state is None:
                return
            yield f"event: state\ndata: {state}\n\n"

    async def _keep_looking(self) -> None:
        while True:
            # Not wait_for: before Python 3.12 it loses a cancellation that meets the result.
            with suppress(TimeoutError):
                async with asyncio.timeout(self._every):
                    await self._wake.wait()
            forced = self._wake.is_set()
            self._wake.clear()
            if not self._listeners:
                continue
            try:
                state = json.dumps(await self._now())
            except Exception:  # noqa: BLE001 - whatever it is, the loop outlives it
                _log.exception("the state could not be read")
                continue
            if state != self._state or forced:
                self._state = state
                for queue in self._listeners:
                    _replace(queue, state)

    async def _now(self) -> dict[str, Any]:
        cluster, (counters, reason) = await asyncio.gather(self._group_now(), self._counters_now())
        return {
            "instance": self._instance,
            "cluster": cluster,
            "counters": counters,
            "problem": reason,
        }

    async def _group_now(self) -> dict[str, Any] | None:
        try:
            return await self._cluster.answer(SLOW)
        except TimeoutError:
            _log.warning("the table has not answered", extra={"fields": {"seconds": SLOW}})
        except Exception:  # noqa: BLE001 - the counters do not need the table's answer
            _log.exception("the group could not be read")
        return None

    async def _counters_now(self) -> tuple[list[dict[str, Any]] | None, str | None]:
        """Return the counters, or None and why they cannot be read."""
        patience = max(SLOW, min(SLOWEST, TIMES * self._counters.took))
        try:
            return await self._counters.answer(patience), None
        except TimeoutError:
            return None, f"the API has not answered for {patience:g} s"
        except (UpstreamFailed, CredentialsMissing) as error:
            return None, str(error)


class _Stream(StreamingResponse):
    """A stream that gives its place back when it ends, whether it has begun or not."""

    def __init__(
        self, content: AsyncIterator[str], leave: Callable[[], None], **options: Any
    ) -> None:
        super().__init__(content, **options)
        self._leave = leave

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._leave()


def _replace(queue: "asyncio.Queue[str | None]", state: str | None) -> None:
    with suppress(asyncio.QueueEmpty):
        queue.get_nowait()
    queue.put_nowait(state)
