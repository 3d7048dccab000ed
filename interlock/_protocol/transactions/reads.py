"""Strongly consistent reads: of one item, and of many at one instant."""

from collections.abc import Mapping, Sequence
from typing import Any

from interlock._protocol.faults import Fault
from interlock._protocol.requests import Operation, call, monotonic
from interlock._protocol.transactions.items import Address
from interlock._protocol.transactions.sending import Patience
from interlock._protocol.transactions.settings import MAX_ACTIONS
from interlock.errors import TransactionTooLarge


def read_one(patience: Patience, address: Address) -> Operation[Mapping[str, Any] | None]:
    """Return the typed item, or None."""
    params = {"TableName": address.table, "Key": address.key, "ConsistentRead": True}
    reply = yield from _ask(patience, "GetItem", params, (address.table,))
    return reply.get("Item")


def read_many(
    patience: Patience, addresses: Sequence[Address]
) -> Operation[list[Mapping[str, Any] | None]]:
    """Return the typed items as they all were at one instant."""
    if len(addresses) > MAX_ACTIONS:
        raise TransactionTooLarge(
            f"{len(addresses)} items read at once; the limit is {MAX_ACTIONS}"
        )
    if not addresses:
        return []
    gets = [{"Get": {"TableName": address.table, "Key": address.key}} for address in addresses]
    tables = [address.table for address in addresses]
    reply = yield from _ask(patience, "TransactGetItems", {"TransactItems": gets}, tables)
    return [response.get("Item") for response in reply["Responses"]]


def snapshot(
    patience: Patience, targets: Sequence[tuple[str, Mapping[str, Any]]]
) -> Operation[list[Mapping[str, Any] | None]]:
    """Return the typed items at one instant, for a target named twice too."""
    yield from patience.start()
    addresses = [Address.of(table, key) for table, key in targets]
    distinct = list(dict.fromkeys(addresses))
    items = dict(zip(distinct, (yield from read_many(patience, distinct)), strict=True))
    return [items[address] for address in addresses]


def _ask(
    patience: Patience, operation: str, params: Mapping[str, Any], tables: Sequence[str]
) -> Operation[Mapping[str, Any]]:
    """Make a call that changes nothing, until it is answered."""
    streak = 0
    while True:
        began = yield from monotonic()
        try:
            return (yield from call(operation, **params))
        except Fault as fault:
            seconds = (yield from monotonic()) - began
            yield from patience.after(fault, tables, streak=streak, seconds=seconds)
            streak += 1
