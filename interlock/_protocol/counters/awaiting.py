"""Wait until a counter has reached a value."""

from collections.abc import Callable

from interlock._protocol.requests import Operation, draw, monotonic, sleep

GRACE = 1.0  # seconds for a call where less, or nothing, is left of the caller's time


def reached(
    get: Callable[[float], Operation[int]], value: int, *, end: float, poll: float
) -> Operation[bool]:
    """Return True when a counter has a value or more, False at a time on the monotonic clock.

    Looks once at least, and every `poll` seconds on average. `get` is told how many seconds a look
    may take.
    """
    now = yield from monotonic()
    while (yield from get(max(end - now, GRACE))) < value:
        now = yield from monotonic()
        if now >= end:
            return False
        yield from sleep(min(poll * (0.5 + (yield from draw())), end - now))
        now = yield from monotonic()
    return True
