"""Read a counter as of one instant, or for less."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from interlock._dataclasses import dataclass
from interlock._exports import public_in
from interlock._protocol.counters import checking
from interlock._protocol.counters.checking import sound, whole
from interlock._protocol.counters.layout import Handle, Snapshot, integer, total
from interlock._protocol.counters.ledger import Entry, Once, recorded
from interlock._protocol.counters.sending import Kind, send
from interlock._protocol.faults import Refused
from interlock._protocol.requests import Operation
from interlock._protocol.retry import RetryBudget
from interlock._protocol.values import Item
from interlock.errors import RequestRefused

T = TypeVar("T")


@public_in("interlock.counters")
@dataclass(frozen=True, slots=True)
class CounterState:
    """A counter as it was read: `floor` and `ceiling` are None where there is no bound."""

    name: str
    value: int
    floor: int | None
    ceiling: int | None
    shards: int


def snapshot(handle: Handle, budget: RetryBudget) -> Operation[Snapshot | None]:
    """Read all items of a counter at one instant; None if there is no such counter.

    One shard is one GetItem; more are one TransactGetItems.
    """
    span = handle.shards or handle.declared_shards or 1
    while True:
        items = yield from _items(handle, span, budget)
        if items[0] is None:
            handle.forget()
            return None
        found = [whole(handle.table, dict(item)) for item in items if item is not None]
        stored = integer(items[0], "span")
        if stored == span:
            for index, item in enumerate(found[: integer(items[0], "shards")]):
                handle.remember(index, item)
            return Snapshot(found)
        # Another layout each time is another writer at work each time.
        yield from budget.stale()
        span = stored


def examined(operation: Operation[T], budget: RetryBudget, *handles: Handle) -> Operation[T]:
    """Carry out an operation; of one that the service refuses, find out if an item is corrupt.

    Such as one that is within an item's limits, and with which no sum is within the store's.
    """
    try:
        return (yield from operation)
    except RequestRefused:
        for handle in handles:
            seen = yield from snapshot(handle, budget)
            if seen is not None:
                checking.balanced(handle.table, seen.items, seen.bounds)
        raise


def state(handle: Handle, budget: RetryBudget) -> Operation[CounterState | None]:
    """Read a counter's value and configuration; None if there is no such counter."""
    seen = yield from snapshot(handle, budget)
    return None if seen is None else state_of(handle.name, seen)


def state_of(name: str, seen: Snapshot) -> CounterState:
    """Return what a counter's items say."""
    return CounterState(name, seen.value, seen.bounds.floor, seen.bounds.ceiling, seen.shards)


def value(handle: Handle, budget: RetryBudget, *, as_declared: bool = False) -> Operation[int]:
    """Read a counter's value; that of a counter which does not exist is where it would start.

    With `as_declared`, raises `CounterMismatch` if it was made otherwise than the handle says.
    """
    seen = yield from snapshot(handle, budget)
    if seen is not None and as_declared:
        handle.check(seen.header)
    return handle.bounds.start if seen is None else seen.value


def estimate(handle: Handle, budget: RetryBudget) -> Operation[int]:
    """Read a counter's value at half the price: of no single instant, and maybe a second old."""
    span = handle.shards or handle.declared_shards or 1
    while True:
        keys = [handle.key(i) for i in range(span)]
        items = yield from batch(handle.table, keys, budget)
        for item in items:
            whole(handle.table, item)
        header = next((item for item in items if item["pk"] == handle.key()["pk"]), None)
        if header is None:
            return handle.bounds.start
        if integer(header, "span") <= span:
            return total(items, "value")
        yield from budget.stale()
        span = integer(header, "span")


def shard(handle: Handle, index: int, budget: RetryBudget) -> Operation[Item | None]:
    """Read one item of a counter as it is."""
    item = yield from _item(handle.table, handle.key(index), budget)
    return None if item is None else whole(handle.table, item)


def record(handle: Handle, once: Once, budget: RetryBudget) -> Operation[Entry | None]:
    """Read the record of a key, which a transaction that is seen already may still be writing."""
    item = yield from record_item(handle, once, budget)
    return None if item is None else recorded(item, once)


def record_item(handle: Handle, once: Once, budget: RetryBudget) -> Operation[Item | None]:
    """Read the item of a key's record by a transaction of its own.

    A transfer writes it with the end of an era, and GetItem may see the one before the other,
    however long ago the era was learned; a transactional read meets a conflict until both are
    there.
    """
    get = {"Get": {"TableName": handle.table, "Key": handle.record_key(once.key)}}
    reply = yield from send(Kind.HARMLESS, budget, "TransactGetItems", {"TransactItems": [get]})
    item = reply["Responses"][0].get("Item")
    return None if item is None else checking.record(handle.table, item)


def batch(
    table: str, keys: Sequence[Item], budget: RetryBudget, *, consistent: bool = False
) -> Operation[list[Item]]:
    """Read up to 100 items, those that exist, in any order; each as of an instant of its own."""
    items: list[Item] = []
    while keys:
        wanted = {"Keys": keys, "ConsistentRead": consistent}
        params = {"RequestItems": {table: wanted}}
        reply = yield from send(Kind.HARMLESS, budget, "BatchGetItem", params)
        items += (sound(table, item) for item in reply.get("Responses", {}).get(table, ()))
        keys = reply.get("UnprocessedKeys", {}).get(table, {}).get("Keys", ())
        if keys:  # the store left out what it had no capacity for
            yield from budget.after(Refused("ProvisionedThroughputExceededException"))
    return items


def _item(table: str, key: Item, budget: RetryBudget) -> Operation[Item | None]:
    params = {"TableName": table, "Key": key, "ConsistentRead": True}
    reply = yield from send(Kind.HARMLESS, budget, "GetItem", params)
    return sound(table, reply["Item"]) if "Item" in reply else None


def _items(
    handle: Handle, span: int, budget: RetryBudget
) -> Operation[list[Mapping[str, Any] | None]]:
    if span == 1:
        return [(yield from _item(handle.table, handle.key(), budget))]
    gets = [{"Get": {"TableName": handle.table, "Key": handle.key(i)}} for i in range(span)]
    reply = yield from send(Kind.HARMLESS, budget, "TransactGetItems", {"TransactItems": gets})
    return [response.get("Item") for response in reply["Responses"]]
