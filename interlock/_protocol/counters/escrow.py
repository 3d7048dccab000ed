"""The writes of a counter's items, each with the condition that makes it safe on its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from interlock._protocol.counters.layout import (
    LISTING,
    Handle,
    Snapshot,
    integer,
    limits,
    number,
)
from interlock._protocol.values import Item

_NAMES = {"#value": "value", "#floor": "floor"}
_ADDED = ("#value = #value + :amount", "up = up - :amount", "down = down + :amount")


@dataclass(slots=True)
class Write:
    """An UpdateItem in the making."""

    table: str
    key: Item
    sets: list[str] = field(default_factory=list)
    demands: list[str] = field(default_factory=list)
    values: Item = field(default_factory=dict)

    def params(self) -> dict[str, Any]:
        """Return the parameters that UpdateItem and a transaction's Update have in common."""
        text = "SET " + ", ".join(self.sets)
        condition = " AND ".join(self.demands)
        used = {k: v for k, v in _NAMES.items() if k in text or k in condition}
        return {
            "TableName": self.table,
            "Key": self.key,
            "UpdateExpression": text,
            "ConditionExpression": condition,
            "ExpressionAttributeValues": self.values,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            **({"ExpressionAttributeNames": used} if used else {}),
        }


def side(amount: int) -> str:
    """Return the escrow that an amount is taken from."""
    return "up" if amount > 0 else "down"


def addition(handle: Handle, index: int, amount: int) -> Write:
    """Add to one shard what its own escrow covers.

    While nothing is known of the counter, the write also compares it with its declaration; and
    makes it, unless it is to have several shards, so that the first increment takes one round trip
    like any other.
    """
    write = Write(handle.table, handle.key(index))
    write.values = {":amount": number(amount)}
    needed = ":amount"
    if amount < 0:
        needed = ":needed"
        write.values[needed] = number(-amount)
    covered = f"{side(amount)} >= {needed}"
    if index or handle.shards is not None:
        write.sets = [*_ADDED]
        write.demands = [f"{covered} AND attribute_not_exists(closed)" if index else covered]
        return write
    for name, limit in limits(handle.bounds).items():
        attribute = "#floor" if name == "floor" else name
        write.values[f":{name}"] = limit
        covered += f" AND {attribute} = :{name}"
    if handle.declared_shards is not None:
        write.values[":one"] = number(handle.declared_shards)
        covered += " AND shards = :one"
    bounds = handle.bounds
    several = (handle.declared_shards or 1) > 1
    if several or not bounds.hold(bounds.start + amount):
        write.sets = [*_ADDED]
        write.demands = [covered]
        return write
    write.sets = [
        "#value = if_not_exists(#value, :start) + :amount",
        "up = if_not_exists(up, :up) - :amount",
        "down = if_not_exists(down, :down) + :amount",
        "shards = if_not_exists(shards, :one)",
        "span = if_not_exists(span, :one)",
        "revision = if_not_exists(revision, :zero)",
        "listing = if_not_exists(listing, :listing)",
        *(f"{'#floor' if n == 'floor' else n} = :{n}" for n in limits(bounds)),
    ]
    write.demands = [f"(attribute_not_exists(pk) OR ({covered}))"]
    write.values |= {
        ":start": number(bounds.start),
        ":up": number(bounds.most - bounds.start),
        ":down": number(bounds.start - bounds.least),
        ":one": number(1),
        ":zero": number(0),
        ":listing": {"S": LISTING},
    }
    return write


def at_value(write: Write, seen: int | None) -> Write:
    """Demand also that the shard's value is what was seen (None: that it is not there)."""
    if seen is None:
        write.demands.append("attribute_not_exists(pk)")
    else:
        write.demands.append("#value = :seen")
        write.values[":seen"] = number(seen)
    return write


def borrowing(handle: Handle, seen: Snapshot, index: int, amount: int) -> list[Write] | None:
    """Add to one shard, with what it lacks taken from others: all in one transaction.

    Returns None where all escrow together does not cover the amount: then the counter was full at
    the instant of the snapshot. A lender gives up to half of what it has, so that the borrower does
    not have to come back for the next increment.
    """
    edge = side(amount)
    rooms = seen.room(edge)
    needed = abs(amount)
    if sum(rooms) < needed:
        return None
    lacking = max(0, needed - rooms[index])
    taken = 0
    writes: list[Write] = []
    for lender in sorted(range(len(rooms)), key=lambda i: -rooms[i]):
        if taken >= lacking:
            break
        if lender == index or not rooms[lender]:
            continue
        loan = min(rooms[lender], max(lacking - taken, rooms[lender] // 2))
        taken += loan
        write = Write(handle.table, handle.key(lender))
        write.sets = [f"{edge} = {edge} - :loan"]
        write.demands = [f"{edge} >= :loan"]
        write.values = {":loan": number(loan)}
        writes.append(write)
    borrower = Write(handle.table, handle.key(index))
    own = needed - taken
    change = {"up": -amount, "down": amount}
    change[edge] += taken
    borrower.sets = ["#value = #value + :amount", "up = up + :up", "down = down + :down"]
    borrower.demands = [f"{edge} >= :own", "attribute_not_exists(closed)"]
    borrower.values = {
        ":amount": number(amount),
        ":up": number(change["up"]),
        ":down": number(change["down"]),
        ":own": number(max(0, own)),
    }
    return [at_value(borrower, integer(seen.items[index], "value")), *writes]


def record(
    handle: Handle, idempotency_key: str, content: Mapping[str, Any], expires: float
) -> dict[str, Any]:
    """Return the action that writes an idempotency record, and refuses a second."""
    return {
        "Put": {
            "TableName": handle.table,
            "Item": {
                **handle.record_key(idempotency_key),
                **content,
                "expires": number(int(expires)),
            },
            "ConditionExpression": "attribute_not_exists(pk)",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
    }


def updates(writes: Sequence[Write]) -> list[dict[str, Any]]:
    """Return the actions of a transaction."""
    return [{"Update": write.params()} for write in writes]
