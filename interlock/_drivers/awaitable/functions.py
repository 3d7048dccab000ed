"""The functions that a caller may pass, and their results."""

import inspect
from typing import Any


def checked_function(function: Any) -> None:
    """Return if calling a function gives what is awaited, else raise `TypeError`."""
    called = [function, getattr(type(function), "__call__", None)]  # noqa: B004 - of its class
    if not any(map(inspect.iscoroutinefunction, called)):
        raise TypeError(
            f"{function!r} is no coroutine function: write `async def`, or take the lock client of "
            "interlock.locks for a function that blocks"
        )


def refuse_what_runs_later(function: Any) -> None:
    """Raise `TypeError` for a generator function, which has not even begun when it returns.

    Others may return what is awaited, also those that are not written with `async def`.
    """
    called = [function, getattr(type(function), "__call__", None)]  # noqa: B004 - of its class
    if any(inspect.isgeneratorfunction(one) or inspect.isasyncgenfunction(one) for one in called):
        raise TypeError(
            f"{function!r} does nothing when it is called: of a generator return a list"
        )


async def result_of(called: Any) -> Any:
    """Return what a function returns in the end, given what calling it has returned.

    Raises `TypeError` for a function that is not awaited: it would hold up the event loop.
    """
    if not inspect.isawaitable(called):
        raise TypeError("the function must be a coroutine function (`async def`)")
    return await called
