"""Limits of one caller: the size of a body, and requests a second."""

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Scope

from server.identity import person_of

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


def caller_of(scope: Scope, proxies: int) -> str:
    """Return who is to be counted as one caller: the person, or what our outermost proxy saw.

    Where people sign in, each is one caller from all addresses, and an office is many.
    Each proxy appends its peer to X-Forwarded-For; what stands further left came from the caller
    and can be anything. Of IPv6 the network is counted, since a caller has all of its addresses.
    """
    person = person_of(scope)
    if person is not None:
        return f"person {person.subject}"
    client = scope.get("client")
    peer = client[0] if client else "unknown"
    if proxies == 0:
        return _network(peer)
    # A caller may send the header several times: together they are one list (RFC 9110, 5.3).
    lines = Headers(scope=scope).getlist("x-forwarded-for")
    hops = [hop.strip() for hop in ",".join(lines).split(",")]
    return _network(hops[-proxies] if len(hops) >= proxies and hops[-proxies] else peer)


def _network(text: str) -> str:
    """Return the address, or of IPv6 its /64; load balancers may add brackets and a port."""
    bare = text[1:].partition("]")[0] if text.startswith("[") else text
    if bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((address.packed, 64), strict=False))
