"""Obtain a key set without holding up the event loop."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

from interlock._drivers.fetching import fetch


async def fetch_url(url: str) -> bytes:
    """Return the body of a URL: no redirects, 2 s in all, at most 1 MiB. Raises OSError."""
    return await asyncio.to_thread(fetch, url)


async def called(function: Callable[..., Any], *args: Any) -> Any:
    """Return what a function of the application's returns, or what that comes to if awaited.

    One that is no coroutine function runs in a thread, since it may block.
    """
    if inspect.iscoroutinefunction(function):
        return await function(*args)
    result = await asyncio.to_thread(function, *args)
    return await result if inspect.isawaitable(result) else result
