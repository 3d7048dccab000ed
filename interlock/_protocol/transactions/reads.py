"""Strongly consistent reads: of one item, and of many at one instant."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from interlock._protocol.capacity import CAPACITY
from interlock._protocol.faults import Fault, NoReply
from interlock._protocol.requests import Call, Operation, monotonic
from interlock._protocol.retry import RetryBudget, Target
from interlock._protocol.transactions.items import Address, addresses
from interlock._protocol.transactions.replies import (
    NO_ANSWER,
    answers_get,
    answers_get_many,
)
from interlock._protocol.transactions.settings import MAX_ACTIONS, target
from interlock.errors import TransactionTooLarge

Images: TypeAlias = Mapping[Address, Mapping[str, Any] | None]


def read_one(
    budget: RetryBudget, address: Address, *, laid_out: bool = False
) -> Operation[Mapping[str, Any] | None]:
    """Return the typed item, or None; `laid_out` says that it is one of the library's own."""
    params = {"TableName": address.table, "Key": address.key, "ConsistentRead": True, **CAPACITY}
    reply = yield from _ask(
        budget,
        "GetItem",
        params,
        target([address.table], laid_out=laid_out),
        lambda reply: answers_get(reply, address),
    )
    return reply.get("Item")


def read_many(
    budget: RetryBudget, wanted: Sequence[Address]
) -> Operation[list[Mapping[str, Any] | None]]:
    """Return the typed items as they all were at one instant."""
    if len(wanted) > MAX_ACTIONS:
        raise TransactionTooLarge(f"{len(wanted)} items read at once; the limit is {MAX_ACTIONS}")
    if not wanted:
        return []
    gets = [{"Get": {"TableName": address.table, "Key": address.key}} for address in wanted]
    reply = yield from _ask(
        budget,
        "TransactGetItems",
        {"TransactItems": gets},
        target(address.table for address in wanted),
        lambda reply: answers_get_many(reply, wanted),
    )
    return [response.get("Item") for response in reply["Responses"]]


def snapshot(
    budget: RetryBudget, targets: Sequence[tuple[str, Mapping[str, Any]]]
) -> Operation[list[Mapping[str, Any] | None]]:
    """Return the typed items at one instant, for a target named twice too."""
    wanted = addresses(targets)
    items = yield from by_address(budget, wanted)
    return [items[address] for address in wanted]


def by_address(budget: RetryBudget, wanted: Sequence[Address]) -> Operation[Images]:
    """Return the typed items at one instant, each once."""
    distinct = list(dict.fromkeys(wanted))
    return dict(zip(distinct, (yield from read_many(budget, distinct)), strict=True))


def _ask(
    budget: RetryBudget,
    operation: str,
    params: Mapping[str, Any],
    asked: Target,
    answers: Callable[[Any], bool],
) -> Operation[Mapping[str, Any]]:
    """Make a call that changes nothing, until it is answered."""
    while True:
        began = yield from monotonic()
        try:
            reply: Mapping[str, Any] = yield Call(operation, params, budget.deadline)
            if not answers(reply):
                raise NoReply(NO_ANSWER)
        except Fault as fault:
            took = (yield from monotonic()) - began
            yield from budget.after(fault, target=asked, took=took)
        else:
            budget.answered()
            return reply
