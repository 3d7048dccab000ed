"""Reads all counters through the API, page by page."""

import json
from typing import Any
from urllib.parse import quote

from server.upstream import Upstream, UpstreamFailed

_OK = 200
_PAGES = 20


async def all_counters(upstream: Upstream) -> list[dict[str, Any]]:
    """Return every counter as the API describes it, by name, up to 20 pages.

    Raises `UpstreamFailed` for an answer that is no list of counters.
    """
    counters: list[dict[str, Any]] = []
    path = b"/counters"
    for _ in range(_PAGES):
        reply = await upstream.call("GET", path, headers={"accept": "application/json"})
        if reply.status != _OK:
            raise UpstreamFailed(reply.status, f"the API answers {reply.status}", maybe=False)
        try:
            page = json.loads(reply.body)
            counters += [counter for counter in page["counters"] if counter["name"]]
            following = page.get("next")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UpstreamFailed(502, "the API's list of counters is malformed", maybe=False) from (
                error
            )
        if not following:
            break
        path = b"/counters?after=" + quote(str(following), safe="").encode()
    return sorted(counters, key=lambda counter: str(counter["name"]))
