"""Send a call until it is answered, or until time is up; report what is certain at the end."""

import enum
from collections.abc import Mapping, Sequence
from typing import Any

from interlock._protocol.capacity import CAPACITY, answers_transaction, uses
from interlock._protocol.faults import Fault, NoReply, NotSent, Refused
from interlock._protocol.requests import Call, CallOnce, Operation, monotonic, wall_clock
from interlock._protocol.retry import RetryBudget, meaning
from interlock.errors import OutcomeUnknown

TOKEN_SECONDS = 540.0  # DynamoDB remembers a ClientRequestToken for ten minutes


class Kind(enum.Enum):
    """The effect of sending a call twice."""

    HARMLESS = enum.auto()  # nothing, whenever the second arrives
    FENCED = enum.auto()  # what the first one leaves refuses the second; see `settling.fence`
    TOKEN = enum.auto()  # the store knows a copy by its ClientRequestToken, for ten minutes
    ONCE = enum.auto()  # harm


def send(
    kind: Kind, budget: RetryBudget, operation: str, params: Mapping[str, Any]
) -> Operation[Mapping[str, Any]]:
    """Return the reply. Raises `Refused` for a failed condition, and the typed errors of failure.

    Conflicts and throttling are waited out. A lost reply is asked for again where `kind` allows it,
    and is `OutcomeUnknown` where it does not. A refusal is `resent` if an earlier copy was not
    answered: by then it had not been carried out, or what it left is what refuses; but unless what
    it demands is gone for good, it may yet be.
    """
    request = CallOnce if kind in (Kind.ONCE, Kind.TOKEN) else Call
    params = _asking(operation, params)
    doubt = False
    begun = (yield from _clocks()) if kind is Kind.TOKEN else (0.0, 0.0)
    while True:
        try:
            reply = _believed(
                operation, params, (yield request(operation, params, budget.deadline)), budget
            )
        except NoReply as fault:
            if kind is Kind.ONCE:
                raise meaning(fault, budget.target, ambiguous=True) from fault
            doubt = kind is not Kind.HARMLESS
            problem: Fault = fault
        except NotSent as fault:
            problem = fault
        except Refused as fault:
            doubt |= fault.resent and kind is not Kind.HARMLESS
            fault.resent = doubt
            if _by_condition(fault):
                raise
            problem = fault
        else:
            budget.answered()
            return reply
        yield from budget.after(problem, ambiguous=doubt)
        if kind is Kind.TOKEN and doubt:
            # Either clock may stand still while a machine sleeps; together they do not.
            now = yield from _clocks()
            if max(now[0] - begun[0], now[1] - begun[1]) > TOKEN_SECONDS:
                raise meaning(problem, budget.target, ambiguous=True) from problem


def outpaced(budget: RetryBudget) -> Operation[None]:
    """Pause, since another writer was faster; raise `TransactionConflict` when time is up."""
    yield from budget.after(Refused("TransactionConflictException", "another writer was faster"))


def unknown(why: Exception | str) -> OutcomeUnknown:
    """Return the error for a write of which a copy may have been carried out, or may yet be."""
    return OutcomeUnknown(f"a copy of the write may have been carried out, or may be: {why}")


def _clocks() -> Operation[tuple[float, float]]:
    return (yield from monotonic()), (yield from wall_clock())


def _asking(operation: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a request that asks something back which only its own answer has."""
    if operation in ("GetItem", "TransactWriteItems"):
        return {**params, **CAPACITY}
    if operation == "UpdateItem":
        return {"ReturnValues": "UPDATED_NEW", **params}
    return params


def _believed(
    operation: str, params: Mapping[str, Any], reply: Mapping[str, Any], budget: RetryBudget
) -> Mapping[str, Any]:
    """Return a reply, or raise `NoReply` if it is none to this request."""
    if _answers(operation, params, reply, budget.target.tables):
        return reply
    raise NoReply("the reply is none to what was asked")


def _answers(
    operation: str, params: Mapping[str, Any], reply: Mapping[str, Any], tables: Sequence[str]
) -> bool:
    match operation:
        case "GetItem" if "Item" not in reply:
            return uses(reply.get("ConsumedCapacity"), tables)
        case "TransactWriteItems":
            return answers_transaction(reply, tables)
        case "Query" if "ExclusiveStartKey" in params:
            # A page that ends no later than it began would be asked for again and again.
            return _goes_on(params["ExclusiveStartKey"], reply.get("LastEvaluatedKey"))
        case "UpdateItem":
            return _shows_the_write(params, reply.get("Attributes"))
    return True


def _goes_on(start: Mapping[str, Any], end: Mapping[str, Any] | None) -> bool:
    """Return whether a page of a query, which is in order, comes after the one before it."""
    return end is None or bool(end.get("pk", {}).get("S", "") > start["pk"]["S"])


def _shows_the_write(params: Mapping[str, Any], attributes: Any) -> bool:
    """Whether attributes are those that the write was to leave."""
    values = params.get("ExpressionAttributeValues", {})
    written = values.get(":next", values.get(":call"))
    if not isinstance(attributes, Mapping):
        return False
    if params["ReturnValues"] == "ALL_NEW" and attributes.get("pk") != params["Key"]["pk"]:
        return False
    return written is None or written in attributes.values()


def _by_condition(fault: Refused) -> bool:
    """Whether a condition of the write's own decided, which the caller has to understand."""
    return fault.condition_failed or any(
        reason.code == "ConditionalCheckFailed" for reason in fault.reasons
    )
