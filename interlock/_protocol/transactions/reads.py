"""Strongly consistent reads: of one item, and of many at one instant."""

from collections.abc import Mapping, Sequence
from typing import Any

from interlock._protocol.faults import Fault
from interlock._protocol.requests import Operation, call
from interlock._protocol.transactions.items import Address
from interlock._protocol.transactions.sending import Patience
from interlock._protocol.transactions.settings import MAX_ACTIONS
from interlock.errors import TransactionTooLarge


def read_one(patience: Patience, address: Address) -> Operation[Mapping[str, Any] | None]:
    """Return the typed item, or None."""
    params = {"TableName": address.table, "Key": address.key, "ConsistentRead": True}
    while True:
        try:
            reply = yield from call("GetItem", **params)
        except Fault as fault:
            yield from patience.after(fault, (address.table,))
        else:
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
    while True:
        try:
            reply = yield from call("TransactGetItems", TransactItems=gets)
        except Fault as fault:
            yield from patience.after(fault, (address.table for address in addresses))
        else:
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
