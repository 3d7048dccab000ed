"""Send a call until it is answered, or until time is up; say what is certain at the end."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from interlock._protocol.faults import Fault, NoReply, NotSent, Refused
from interlock._protocol.requests import Call, CallOnce, Operation, draw, monotonic, sleep
from interlock.errors import (
    AccessDenied,
    OutcomeUnknown,
    RequestRefused,
    ServiceUnavailable,
    TableNotFound,
    Throttled,
)

FIRST_PAUSE = 0.025  # seconds; doubled each time, with full jitter:
LONGEST_PAUSE = 1.0  # https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
_DENIED = ("AccessDeniedException", "UnrecognizedClientException", "InvalidSignatureException")


class Kind(enum.Enum):
    """What sending a call twice does."""

    READ = enum.auto()  # nothing
    RECORDED = enum.auto()  # its own record refuses the second, whenever that arrives
    TOKEN = enum.auto()  # the store tells by ClientRequestToken, but a late copy may still land
    ONCE = enum.auto()  # harm


@dataclass(slots=True)
class Patience:
    """How long an operation may go on, in seconds on the monotonic clock."""

    deadline: float
    pauses: int = 0

    def pause(self, why: Fault, *, ambiguous: bool = False) -> Operation[None]:
        """Back off, or raise what is known once the deadline has passed."""
        longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(self.pauses, 10))
        self.pauses += 1
        seconds = (yield from draw()) * longest
        if (yield from monotonic()) + seconds > self.deadline:
            raise _given_up(why, ambiguous=ambiguous) from why
        yield from sleep(seconds)


def patience(seconds: float) -> Operation[Patience]:
    """Start counting the time that an operation may take."""
    return Patience((yield from monotonic()) + seconds)


def send(
    kind: Kind, patience: Patience, operation: str, params: Mapping[str, Any]
) -> Operation[Mapping[str, Any]]:
    """Return the reply. Raises `Refused` for a failed condition, and the typed errors of failure.

    Conflicts and throttling are waited out. A lost reply is asked for again where `kind` allows it,
    and is `OutcomeUnknown` where it does not.
    """
    request = CallOnce if kind in (Kind.ONCE, Kind.TOKEN) else Call
    ambiguous = False
    while True:
        try:
            reply: Mapping[str, Any] = yield request(operation, params)
        except NoReply as fault:
            if kind is Kind.ONCE:
                raise OutcomeUnknown(str(fault)) from fault
            ambiguous = kind is not Kind.READ
            problem: Fault = fault
        except NotSent as fault:
            problem = fault
        except Refused as fault:
            if not (fault.throttled or fault.conflicted):
                raise _refusal(fault, params, ambiguous=ambiguous and kind is Kind.TOKEN) from fault
            problem = fault
        else:
            return reply
        yield from patience.pause(problem, ambiguous=ambiguous)


def _refusal(fault: Refused, params: Mapping[str, Any], *, ambiguous: bool) -> Exception:
    if ambiguous:
        return OutcomeUnknown(f"an earlier copy of the write may still land ({fault})")
    if fault.code == "ResourceNotFoundException":
        return TableNotFound(str(params.get("TableName", "(in a transaction)")))
    if fault.code in _DENIED:
        return AccessDenied(
            f"{fault.code}: {fault.message}; CoordinationTable.grant_counters allows counters"
        )
    if fault.condition_failed or fault.reasons:
        return fault
    return RequestRefused(fault.code, fault.message)


def _given_up(why: Fault, *, ambiguous: bool) -> Exception:
    if ambiguous:
        return OutcomeUnknown(str(why))
    if isinstance(why, Refused):
        return Throttled(str(why))
    return ServiceUnavailable(str(why))
