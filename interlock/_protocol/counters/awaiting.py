"""Wait until a counter has reached a value."""

from collections.abc import Callable

from interlock._protocol.requests import Operation, draw, monotonic, sleep


def reached(
    get: Callable[[], Operation[int]], value: int, *, timeout: float | None, poll: float
) -> Operation[bool]:
    """Return True when a counter has a value or more, False after so many seconds.

    Looks once at least, and every `poll` seconds on average.
    """
    end = float("inf") if timeout is None else (yield from monotonic()) + timeout
    while (yield from get()) < value:
        now = yield from monotonic()
        if now >= end:
            return False
        yield from sleep(min(poll * (0.5 + (yield from draw())), end - now))
    return True
