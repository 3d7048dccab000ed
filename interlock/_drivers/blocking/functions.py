"""The functions that a caller may pass, and their results."""

from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any


def checked_function(function: Any) -> None:
    """Return if calling a function runs it to its end, else raise `TypeError`."""
    import inspect  # most clients are given no function

    later = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)
    called = [function, getattr(type(function), "__call__", None)]  # noqa: B004 - of its class
    if any(runs_later(one) for one in called for runs_later in later):
        raise TypeError(
            f"{function!r} does nothing when it is called: take interlock.aio for a coroutine "
            "function; of a generator return a list"
        )


refuse_what_runs_later = checked_function  # the awaitable half takes functions of both kinds


def result_of(called: Any) -> Any:
    """Return what a function returns in the end, given what calling it has returned.

    Raises `TypeError` for a coroutine function or a generator, which has not even begun.
    """
    if isinstance(called, CoroutineType):
        called.close()
        raise TypeError("a coroutine function has done nothing yet: use interlock.aio")
    if isinstance(called, GeneratorType | AsyncGeneratorType):
        raise TypeError("a generator has done nothing yet: return a list")
    return called
