"""List counters: by the sparse index `listing`, which only headers are in.

No increment writes to the index. Names appear in it, and disappear from it, within about a second.
"""

from typing import Any

from interlock._protocol.counters.layout import LISTING, PREFIX, Handle, Snapshot, integer
from interlock._protocol.counters.reading import CounterState, batch, state, state_of
from interlock._protocol.counters.sending import Kind, send
from interlock._protocol.requests import Operation
from interlock._protocol.retry import RetryBudget

INDEX = "listing"


def page(
    table: str, prefix: str, limit: int, after: str | None, budget: RetryBudget
) -> Operation[tuple[list[str], str | None]]:
    """Return counters' names in order, and the name to go on after, None at the end.

    One Query.
    """
    params: dict[str, Any] = {
        "TableName": table,
        "IndexName": INDEX,
        "KeyConditionExpression": "listing = :listing AND begins_with(pk, :prefix)",
        "ExpressionAttributeValues": {
            ":listing": {"S": LISTING},
            ":prefix": {"S": PREFIX + prefix},
        },
        "Limit": limit,
    }
    if after is not None and not after.startswith(prefix):
        # The store takes no start key outside the range of the query.
        if after.encode() > prefix.encode():
            return [], None
        after = None
    if after is not None:
        params["ExclusiveStartKey"] = {"pk": {"S": PREFIX + after}, "listing": {"S": LISTING}}
    reply = yield from send(Kind.HARMLESS, budget, "Query", params)
    names = [item["pk"]["S"].removeprefix(PREFIX) for item in reply.get("Items", ())]
    last = reply.get("LastEvaluatedKey")
    return names, last["pk"]["S"].removeprefix(PREFIX) if last else None


def states(
    table: str, prefix: str, limit: int, after: str | None, budget: RetryBudget
) -> Operation[tuple[list[CounterState], str | None]]:
    """Return counters with their values in order of names, and the name to go on after.

    One Query and one BatchGetItem for all headers (`limit` is 100 at most), which are all that a
    counter with one shard has; and one TransactGetItems for each counter with more.
    """
    names, last = yield from page(table, prefix, limit, after, budget)
    handles = [Handle(table, name) for name in names]
    keys = [handle.key() for handle in handles]
    headers = {
        item["pk"]["S"]: item for item in (yield from batch(table, keys, budget, consistent=True))
    }
    found = []
    for handle in handles:
        header = headers.get(handle.key()["pk"]["S"])
        if header is None:  # deleted since it was listed
            continue
        if integer(header, "span") == 1:
            found.append(state_of(handle.name, Snapshot([header])))
            continue
        handle.shards = integer(header, "span")
        several = yield from state(handle, budget)
        if several is not None:
            found.append(several)
    return found, last
