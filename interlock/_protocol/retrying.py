"""How long to wait before a call is made again, and what its failure means to the caller.

Full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
"""

from collections.abc import Iterable

from interlock._protocol.faults import Fault, Refused
from interlock._protocol.requests import Operation, draw
from interlock.errors import (
    AccessDenied,
    InterlockError,
    RequestRefused,
    ServiceUnavailable,
    TableNotFound,
    Throttled,
)

_MOST_DOUBLINGS = 32  # beyond this the ceiling is the longest pause, and floats stay in range
_DENIED = frozenset(
    {
        "AccessDeniedException",
        "ExpiredTokenException",
        "IncompleteSignatureException",
        "InvalidSignatureException",
        "MissingAuthenticationTokenException",
        "UnrecognizedClientException",
    }
)


def jittered(failures: int, first: float, longest: float) -> Operation[float]:
    """Return the seconds to wait after this many failures: uniform up to a doubling ceiling."""
    ceiling: float = min(longest, first * 2 ** min(failures, _MOST_DOUBLINGS))
    return (yield from draw()) * ceiling


def may_pass(fault: Fault) -> bool:
    """Whether the same call, sent again later, may succeed."""
    return not isinstance(fault, Refused) or fault.throttled or fault.conflicted


def failure(fault: Fault, tables: Iterable[str], grant: str) -> InterlockError:
    """Return what a fault means to the caller.

    `grant` is the method of CoordinationTable that allows the call, for who was denied it.
    """
    if not isinstance(fault, Refused):
        return ServiceUnavailable(f"DynamoDB could not be reached in time: {fault}")
    if fault.throttled or fault.conflicted:
        return Throttled(f"DynamoDB kept refusing: {fault}")
    if fault.code == "ResourceNotFoundException":
        return TableNotFound(", ".join(sorted(set(tables))))
    if fault.code in _DENIED:
        return AccessDenied(f"{fault}; CoordinationTable.{grant}(...) allows it")
    return RequestRefused(fault.code, fault.message)
