"""Read a counter as of one instant, and list counters."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from interlock._protocol.counters.layout import (
    LISTING,
    PREFIX,
    Handle,
    Snapshot,
    integer,
)
from interlock._protocol.counters.sending import Kind, Patience, send
from interlock._protocol.requests import Operation

INDEX = "listing"


@dataclass(frozen=True, slots=True)
class CounterState:
    """A counter as it was read: `floor` and `ceiling` are None where there is no bound."""

    name: str
    value: int
    floor: int | None
    ceiling: int | None
    shards: int


def snapshot(handle: Handle, patience: Patience) -> Operation[Snapshot | None]:
    """Read all items of a counter at one instant; None if there is no such counter.

    One shard is one GetItem; more are one TransactGetItems.
    """
    span = handle.shards or handle.declared_shards or 1
    while True:
        items = yield from _items(handle, span, patience)
        if items[0] is None:
            handle.forget()
            return None
        stored = integer(items[0], "span")
        if stored == span:
            found = [item for item in items if item is not None]
            for index, item in enumerate(found[: integer(items[0], "shards")]):
                handle.saw(index, item)
            return Snapshot(found)
        span = stored


def state(handle: Handle, patience: Patience) -> Operation[CounterState | None]:
    """Read a counter's value and configuration; None if there is no such counter."""
    seen = yield from snapshot(handle, patience)
    if seen is None:
        return None
    return CounterState(
        handle.name, seen.value, seen.bounds.floor, seen.bounds.ceiling, seen.shards
    )


def value(handle: Handle, patience: Patience) -> Operation[int]:
    """Read a counter's value; that of a counter which does not exist is where it would start."""
    seen = yield from snapshot(handle, patience)
    return handle.bounds.start if seen is None else seen.value


def estimate(handle: Handle, patience: Patience) -> Operation[int]:
    """Read a counter's value at half the price: of no single instant, and maybe a second old."""
    span = handle.shards or handle.declared_shards or 1
    while True:
        keys: list[Any] = [handle.key(i) for i in range(span)]
        items: list[Mapping[str, Any]] = []
        while keys:
            params = {"RequestItems": {handle.table: {"Keys": keys}}}
            reply = yield from send(Kind.READ, patience, "BatchGetItem", params)
            items += reply.get("Responses", {}).get(handle.table, ())
            keys = list(reply.get("UnprocessedKeys", {}).get(handle.table, {}).get("Keys", ()))
        header = next((item for item in items if item["pk"] == handle.key()["pk"]), None)
        if header is None:
            return handle.bounds.start
        if integer(header, "span") <= span:
            return sum(integer(item, "value") for item in items)
        span = integer(header, "span")


def page(
    table: str, prefix: str, limit: int, after: str | None, patience: Patience
) -> Operation[tuple[list[str], str | None]]:
    """Return counters' names in order, and the name to go on after, None at the end.

    One Query of the sparse index `listing`, which only headers are in and no increment writes to.
    Names appear in it, and disappear from it, within about a second.
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
    if after is not None:
        params["ExclusiveStartKey"] = {"pk": {"S": PREFIX + after}, "listing": {"S": LISTING}}
    reply = yield from send(Kind.READ, patience, "Query", params)
    names = [item["pk"]["S"].removeprefix(PREFIX) for item in reply.get("Items", ())]
    last = reply.get("LastEvaluatedKey")
    return names, last["pk"]["S"].removeprefix(PREFIX) if last else None


def _items(
    handle: Handle, span: int, patience: Patience
) -> Operation[list[Mapping[str, Any] | None]]:
    if span == 1:
        params = {"TableName": handle.table, "Key": handle.key(), "ConsistentRead": True}
        reply = yield from send(Kind.READ, patience, "GetItem", params)
        return [reply.get("Item")]
    gets = [{"Get": {"TableName": handle.table, "Key": handle.key(i)}} for i in range(span)]
    reply = yield from send(Kind.READ, patience, "TransactGetItems", {"TransactItems": gets})
    return [response.get("Item") for response in reply["Responses"]]
