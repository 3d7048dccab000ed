"""Reads all counters through the API: page by page, and once for everybody who asks."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from server.upstream import Upstream, UpstreamFailed

_OK = 200
_GONE = 404
_PAGES = 20
_AT_ONCE = 8


class Reading:
    """The counters as this instance last read them.

    However many ask at the same time, the API is asked once.
    """

    def __init__(self, upstream: Upstream, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._upstream = upstream
        self._clock = clock
        self._lock = asyncio.Lock()
        self._began = float("-inf")
        self._counters: list[dict[str, Any]] = []

    async def counters(self) -> list[dict[str, Any]]:
        """Return every counter, by name, as it was at some moment after this call.

        Raises `UpstreamFailed` without a usable answer, `CredentialsMissing` without credentials.
        """
        asked = self._clock()
        async with self._lock:
            # All who waited for a reading that began after the question share its answer.
            if self._began < asked:
                began = self._clock()
                self._counters = await all_counters(self._upstream)
                self._began = began
            return self._counters


async def all_counters(upstream: Upstream) -> list[dict[str, Any]]:
    """Return every counter as the API describes it, by name, up to 20 pages.

    Raises `UpstreamFailed` for an answer that is not what the API promises.
    """
    gate = asyncio.Semaphore(_AT_ONCE)

    async def whole(listed: Mapping[str, Any]) -> Mapping[str, Any] | None:
        if "value" in listed:
            return listed
        async with gate:
            return await _read(upstream, f"/counters/{quote(str(listed['name']), safe='')}")

    counters = await asyncio.gather(*(whole(listed) for listed in await _listed(upstream)))
    try:
        # None: deleted between the list and the look.
        present = [{**c, "value": int(c["value"])} for c in counters if c is not None]
        return sorted(present, key=lambda counter: str(counter["name"]))
    except (KeyError, TypeError, ValueError) as error:
        raise UpstreamFailed(502, "a counter of the API is malformed", maybe=False) from error


async def _listed(upstream: Upstream) -> list[Mapping[str, Any]]:
    listed: list[Mapping[str, Any]] = []
    path = "/counters?limit=100"
    for _ in range(_PAGES):
        page = await _read(upstream, path) or {}
        counters = page.get("counters")
        if not isinstance(counters, list) or not all(_is_named(each) for each in counters):
            raise UpstreamFailed(502, "the API's list of counters is malformed", maybe=False)
        listed += counters
        if not page.get("next"):
            break
        path = f"/counters?limit=100&after={quote(str(page['next']), safe='')}"
    return listed


def _is_named(counter: object) -> bool:
    return isinstance(counter, dict) and isinstance(counter.get("name"), str)


async def _read(upstream: Upstream, path: str) -> dict[str, Any] | None:
    reply = await upstream.call("GET", path.encode(), headers={"accept": "application/json"})
    if reply.status == _GONE:
        return None
    if reply.status != _OK:
        raise UpstreamFailed(reply.status, f"the API answers {reply.status}", maybe=False)
    try:
        content = json.loads(reply.body)
    except ValueError as error:
        raise UpstreamFailed(502, "the API's answer is not JSON", maybe=False) from error
    if not isinstance(content, dict):
        raise UpstreamFailed(502, "the API's answer is not an object", maybe=False)
    return content
