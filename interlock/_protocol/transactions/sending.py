"""How long a transaction keeps trying, and what it is told when it may not go on."""

from collections.abc import Iterable
from dataclasses import dataclass

from interlock._protocol.faults import Fault, Refused
from interlock._protocol.requests import Operation, monotonic, sleep
from interlock._protocol.retrying import failure, jittered
from interlock._protocol.transactions.settings import Settings
from interlock.errors import (
    InterlockError,
    ItemTooLarge,
    RequestRefused,
    ServiceUnavailable,
    Throttled,
    TransactionConflict,
)

_TOO_LARGE = "size has exceeded"
CONDITION_FAILED = "ConditionalCheckFailed"
_REJECTED = frozenset({"ValidationError", "ItemCollectionSizeLimitExceeded"})


def rejected(refusal: Refused) -> bool:
    """Whether an action of a transaction can never succeed, whatever else was in the way."""
    return any(reason.code in _REJECTED for reason in refusal.reasons)


def may_pass(refusal: Refused) -> bool:
    """Whether the same call, sent again, may succeed: nothing but conflicts and throttling."""
    if rejected(refusal) or any(reason.code == CONDITION_FAILED for reason in refusal.reasons):
        return False
    return refusal.conflicted or refusal.throttled


@dataclass(slots=True)
class Patience:
    """The failures and the time that all attempts of one transaction may spend together."""

    settings: Settings
    deadline: float = float("inf")
    failures: int = 0
    conflicts: int = 0
    throttles: int = 0

    def start(self) -> Operation[None]:
        """Let the clock run from here."""
        self.deadline = (yield from monotonic()) + self.settings.timeout

    def after(
        self, fault: Fault, tables: Iterable[str], *, streak: int, seconds: float
    ) -> Operation[None]:
        """Wait before the same call is made again, or raise what its failure means.

        `streak` counts the failures in a row before this one, `seconds` is how long the call took.
        """
        error = self.error(fault, tables)
        settings = self.settings
        match error:
            case TransactionConflict():
                # Whoever was in the way is so for about as long as a call takes. To wait longer
                # for each conflict before would let those who begin now overtake for ever.
                first, doublings = max(seconds, settings.shortest_call), streak
            case Throttled():
                # The rate is one of all calls together, so every time counts.
                first, doublings = settings.first_pause, self.throttles
            case ServiceUnavailable():
                first, doublings = settings.first_pause, streak
            case _:
                raise error from fault
        pause = yield from jittered(doublings, first, settings.longest_pause)
        yield from self._pause(pause, error, fault)

    def stale(self) -> Operation[None]:
        """Let the function run again at once, or raise `TransactionConflict`.

        Somebody else has committed, so there is progress without a pause.
        """
        yield from self._pause(0.0, self.conflict())

    def _pause(
        self, seconds: float, error: InterlockError, cause: Exception | None = None
    ) -> Operation[None]:
        self.failures += 1
        out_of_time = (yield from monotonic()) + seconds >= self.deadline
        if self.failures >= self.settings.attempts or out_of_time:
            raise error from cause
        if seconds:
            yield from sleep(seconds)

    def conflict(self) -> TransactionConflict:
        """Count a conflict, and return the error in case that it was the last."""
        self.conflicts += 1
        return TransactionConflict(self.failures + 1)

    def error(self, fault: Fault, tables: Iterable[str]) -> InterlockError:
        """Return what a fault means to the caller, and count it."""
        if isinstance(fault, Refused):
            if fault.conflicted and not rejected(fault):
                return self.conflict()
            if fault.throttled and not rejected(fault):
                self.throttles += 1
                return Throttled(f"DynamoDB throttled {self.failures + 1} calls: {fault}")
            messages = [fault.message, *(reason.message or "" for reason in fault.reasons)]
            if any(_TOO_LARGE in message.lower() for message in messages):
                return ItemTooLarge(str(fault))
            if fault.reasons:
                return RequestRefused(fault.code, "; ".join(filter(None, messages)))
        return failure(fault, tables, "grant_transactions")
