"""The request of a commit, sent until it is answered for good.

While an answer is missing, a copy of the request may have been carried out, or may yet be, as long
as its signature is valid. Whatever is reported then has to stay true when that copy lands: either
something makes it impossible for good, which only the caller of `send` can find out from the
refusal that it returns, or the answer is `OutcomeUnknown`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from interlock._protocol.faults import Fault, NoReply, Refused
from interlock._protocol.requests import Call, Operation, draw, monotonic, sleep, wall_clock
from interlock._protocol.retry import RetryBudget, may_pass, meaning
from interlock._protocol.transactions.replies import NO_ANSWER
from interlock._protocol.transactions.settings import TOKEN_WINDOW, target
from interlock.errors import InterlockError, OutcomeUnknown

CONDITION_FAILED = "ConditionalCheckFailed"
REJECTED = frozenset({"ValidationError", "ItemCollectionSizeLimitExceeded"})  # for good
_LONGEST_STAND = 1.0  # seconds that a commit lets a heartbeat go first
_LOOK = 0.01  # seconds between two looks whether it is done
_IN_PROGRESS = "TransactionInProgressException"


class CommitRequest:
    """One request, the same each time that it is sent, and whether an answer to it is missing."""

    def __init__(
        self,
        budget: RetryBudget,
        operation: str,
        params: Mapping[str, Any],
        tables: Sequence[str],
        answers: Callable[[Any], bool],
    ) -> None:
        self.in_doubt = False
        self._budget = budget
        self._call = Call(operation, params, budget.deadline)
        self._target = target(tables)
        self._answers = answers
        self.stands_back: Callable[[], bool] = bool  # whether another request goes first

    def send(self) -> Operation[Refused | None]:
        """Return None when it is done, or the refusal that sending it again would not change."""
        begun = yield from _clocks()
        while True:
            yield from self._stand_back()
            sent = yield from monotonic()
            fault = yield from self._once()
            if fault is None:
                return None
            if isinstance(fault, Refused) and not may_pass(fault):
                self._budget.answered()
                return fault
            took = (yield from monotonic()) - sent
            yield from self._budget.after(fault, ambiguous=self.in_doubt, took=took)
            # Either clock may stand still while a machine sleeps; together they do not.
            now = yield from _clocks()
            if self.in_doubt and max(now[0] - begun[0], now[1] - begun[1]) > TOKEN_WINDOW:
                raise self.error(fault) from fault

    def error(self, fault: Fault) -> InterlockError:
        """Return what a fault means to the caller, with regard to the answers that are missing."""
        return meaning(fault, self._target, ambiguous=self.in_doubt)

    def settled(self, error: InterlockError) -> InterlockError:
        """Return the error, or what it comes to when a missing answer leaves the outcome open."""
        if not self.in_doubt:
            return error
        return OutcomeUnknown(f"a reply to the commit was lost; later attempts met: {error}")

    def _stand_back(self) -> Operation[None]:
        """Let the heartbeat of a lock go first, for a while."""
        if not self.stands_back():
            return
        end = (yield from monotonic()) + _LONGEST_STAND
        while self.stands_back() and (yield from monotonic()) < end:
            yield from sleep(_LOOK * (0.5 + (yield from draw())))

    def _once(self) -> Operation[Fault | None]:
        try:
            reply = yield self._call
        except Refused as refusal:
            # Only this attempt knows its token: what is in progress is a copy of its own.
            self.in_doubt |= refusal.resent or refusal.code == _IN_PROGRESS
            return refusal
        except NoReply as lost:
            self.in_doubt = True
            return lost
        except Fault as problem:
            return problem
        if self._answers(reply):
            return None
        self.in_doubt = True
        return NoReply(NO_ANSWER)


def _clocks() -> Operation[tuple[float, float]]:
    return (yield from monotonic()), (yield from wall_clock())
