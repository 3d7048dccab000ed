"""How much one caller may send: the size of a body, and requests a second."""

import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.requests import Request

_CALLERS = 10_000


class BodyTooLarge(Exception):
    """A request's body is over the limit."""


async def read_body(request: Request, limit: int) -> bytes:
    """Return the body; raise `BodyTooLarge` as soon as it is clear that it has over `limit` bytes.

    A chunked body tells no length beforehand, so that it is counted as it comes.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise BodyTooLarge
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise BodyTooLarge
    return bytes(body)


class RateLimit:
    """A token bucket a caller: `rate` requests a second, `burst` at once.

    https://en.wikipedia.org/wiki/Token_bucket. Remembers the last 10,000 callers.
    """

    def __init__(
        self, rate: float, burst: int, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, caller: str) -> float:
        """Take one token; return 0, or the seconds until there is one if there is none."""
        now = self._clock()
        tokens, since = self._buckets.pop(caller, (float(self._burst), now))
        tokens = min(self._burst, tokens + (now - since) * self._rate)
        short = tokens < 1
        self._buckets[caller] = (tokens if short else tokens - 1, now)
        while len(self._buckets) > _CALLERS:
            self._buckets.popitem(last=False)
        return (1 - tokens) / self._rate if short else 0.0


def caller_of(request: Request, proxies: int) -> str:
    """Return the caller's address, which the outermost of our `proxies` wrote down.

    Each proxy appends its peer to X-Forwarded-For; what stands further left came from the caller
    and can be anything.
    """
    peer = request.client.host if request.client else "unknown"
    hops = [hop.strip() for hop in request.headers.get("x-forwarded-for", "").split(",")]
    if proxies == 0 or len(hops) < proxies or not hops[-proxies]:
        return peer
    return hops[-proxies]
