"""Reads all counters through the API: their names page by page, then each one's value."""

import asyncio
import json
from typing import Any
from urllib.parse import quote

from server.upstream import Upstream, UpstreamFailed

_OK = 200
_GONE = 404
_PAGES = 20
_AT_ONCE = 8


async def all_counters(upstream: Upstream) -> list[dict[str, Any]]:
    """Return every counter as the API describes it, by name, up to 20 pages of names.

    Raises `UpstreamFailed` for an answer that is not what the API promises.
    """
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(name: str) -> dict[str, Any] | None:
        async with gate:
            return await _read(upstream, f"/counters/{quote(name, safe='')}")

    counters = await asyncio.gather(*(one(name) for name in await _names(upstream)))
    try:
        # None: deleted between the list and the look.
        present = [{**c, "value": int(c["value"])} for c in counters if c is not None]
        return sorted(present, key=lambda counter: str(counter["name"]))
    except (KeyError, TypeError, ValueError) as error:
        raise UpstreamFailed(502, "a counter of the API is malformed", maybe=False) from error


async def _names(upstream: Upstream) -> list[str]:
    names: list[str] = []
    path = "/counters"
    for _ in range(_PAGES):
        page = await _read(upstream, path) or {}
        try:
            names += [str(counter["name"]) for counter in page["counters"]]
        except (KeyError, TypeError) as error:
            raise UpstreamFailed(
                502, "the API's list of counters is malformed", maybe=False
            ) from error
        if not page.get("next"):
            break
        path = f"/counters?after={quote(str(page['next']), safe='')}"
    return names


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
