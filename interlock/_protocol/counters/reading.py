"""Read a counter as of one instant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from interlock._protocol.counters.layout import (
    Handle,
    Snapshot,
    integer,
)
from interlock._protocol.counters.sending import Kind, Patience, send
from interlock._protocol.faults import Refused
from interlock._protocol.requests import Operation
from interlock._protocol.values import Item


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
    return None if seen is None else state_of(handle.name, seen)


def state_of(name: str, seen: Snapshot) -> CounterState:
    """Return what a counter's items say."""
    return CounterState(name, seen.value, seen.bounds.floor, seen.bounds.ceiling, seen.shards)


def value(handle: Handle, patience: Patience) -> Operation[int]:
    """Read a counter's value; that of a counter which does not exist is where it would start."""
    seen = yield from snapshot(handle, patience)
    return handle.bounds.start if seen is None else seen.value


def estimate(handle: Handle, patience: Patience) -> Operation[int]:
    """Read a counter's value at half the price: of no single instant, and maybe a second old."""
    span = handle.shards or handle.declared_shards or 1
    while True:
        keys = [handle.key(i) for i in range(span)]
        items = yield from batch(handle.table, keys, patience)
        header = next((item for item in items if item["pk"] == handle.key()["pk"]), None)
        if header is None:
            return handle.bounds.start
        if integer(header, "span") <= span:
            return sum(integer(item, "value") for item in items)
        span = integer(header, "span")


def batch(
    table: str, keys: Sequence[Item], patience: Patience, *, consistent: bool = False
) -> Operation[list[Item]]:
    """Read up to 100 items, those that exist, in any order; each as of an instant of its own."""
    items: list[Item] = []
    while keys:
        wanted = {"Keys": keys, "ConsistentRead": consistent}
        params = {"RequestItems": {table: wanted}}
        reply = yield from send(Kind.READ, patience, "BatchGetItem", params)
        found = reply.get("Responses", {}).get(table, ())
        items += found
        keys = reply.get("UnprocessedKeys", {}).get(table, {}).get("Keys", ())
        if keys and not found:  # throttled as a whole
            yield from patience.pause(Refused("ProvisionedThroughputExceededException"))
    return items


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
