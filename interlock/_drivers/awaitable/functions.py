"""The functions that a caller may pass, and their results."""

import inspect
from typing import Any


async def result_of(called: Any) -> Any:
    """Return what a function returns in the end, given what calling it has returned.

    Raises `TypeError` for a function that is not awaited: it would hold up the event loop.
    """
    if not inspect.isawaitable(called):
        raise TypeError("the function must be a coroutine function (`async def`)")
    return await called
