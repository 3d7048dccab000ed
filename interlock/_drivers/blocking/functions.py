"""The functions that a caller may pass, and their results."""

import inspect
from typing import Any


def result_of(called: Any) -> Any:
    """Return what a function returns in the end, given what calling it has returned.

    Raises `TypeError` for a coroutine function, which has not even begun.
    """
    if inspect.iscoroutine(called):
        called.close()
        raise TypeError("a coroutine function has done nothing yet: use interlock.aio")
    return called
