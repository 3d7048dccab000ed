"""The writes of a counter's items, each with the condition that makes it safe on its own."""

from collections.abc import Sequence
from typing import Any

from interlock._dataclasses import dataclass, field
from interlock._protocol.counters import ledger
from interlock._protocol.counters.layout import (
    FORMAT,
    LISTING,
    Handle,
    Snapshot,
    integer,
    limits,
    number,
)
from interlock._protocol.counters.ledger import Once
from interlock._protocol.values import Item

_NAMES = {"#value": "value", "#floor": "floor", "#format": "format"}
# A header that a newer version of the library has written may mean something else.
_KNOWN = "(attribute_not_exists(#format) OR #format <= :format)"
_HEADER = ("#value", "up", "down", "shards", "span")
_ADDED = ("#value = #value + :amount", "up = up - :amount", "down = down + :amount")


@dataclass(slots=True)
class Write:
    """An UpdateItem in the making."""

    table: str
    key: Item
    sets: list[str] = field(default_factory=list)
    conditions: list[str] = field(default_factory=list)
    values: Item = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)

    def params(self) -> dict[str, Any]:
        """Return the parameters that UpdateItem and a transaction's Update have in common."""
        text = f"SET {', '.join(self.sets)}" if self.sets else ""
        removal, removed = ledger.removal(self.removed)
        condition = " AND ".join(self.conditions)
        used = {k: v for k, v in _NAMES.items() if k in text or k in condition}
        names = {**used, **self.names, **removed}
        return {
            "TableName": self.table,
            "Key": self.key,
            "UpdateExpression": (text + removal).strip(),
            "ConditionExpression": condition,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            **({"ExpressionAttributeValues": self.values} if self.values else {}),
            **({"ExpressionAttributeNames": names} if names else {}),
        }


def headroom(amount: int) -> str:
    """Return the escrow that an amount is taken from."""
    return "up" if amount > 0 else "down"


def covered(handle: Handle, index: int, amount: int) -> Write:
    """Add to one shard what its own escrow covers."""
    write = Write(handle.table, handle.key(index), [*_ADDED])
    write.values = {":amount": number(amount)}
    needed = ":amount"
    if amount < 0:
        needed = ":needed"
        write.values[needed] = number(-amount)
    write.values[":format"] = number(FORMAT)
    write.conditions = [f"{headroom(amount)} >= {needed} AND {_KNOWN}"]
    return write


def addition(handle: Handle, index: int, amount: int, revision: int) -> Write:
    """Add to one shard what its own escrow covers.

    While nothing is known of the counter, the write also compares it with its declaration; and
    makes it (with this revision), unless it is to have several shards, so that the first increment
    takes one round trip like any other.
    """
    if index or handle.shards is not None:
        write = covered(handle, index, amount)
        if index:
            write.conditions.append("attribute_not_exists(closed)")
        return write
    write = covered(handle, 0, amount)
    (condition,) = write.conditions
    # What another program has put there is not made a counter.
    condition += "".join(f" AND attribute_exists({name})" for name in _HEADER)
    for name, limit in limits(handle.bounds).items():
        attribute = "#floor" if name == "floor" else name
        write.values[f":{name}"] = limit
        condition += f" AND {attribute} = :{name}"
    if handle.declared_shards is not None:
        write.values[":one"] = number(handle.declared_shards)
        condition += " AND shards = :one"
    bounds = handle.bounds
    several = (handle.declared_shards or 1) > 1
    if several or not bounds.contains(bounds.start + amount):
        write.conditions = [condition]
        return write
    write.sets = [
        "#value = if_not_exists(#value, :start) + :amount",
        "up = if_not_exists(up, :up) - :amount",
        "down = if_not_exists(down, :down) + :amount",
        "shards = if_not_exists(shards, :one)",
        "span = if_not_exists(span, :one)",
        "revision = if_not_exists(revision, :revision)",
        "listing = if_not_exists(listing, :listing)",
        *(f"{'#floor' if n == 'floor' else n} = :{n}" for n in limits(bounds)),
    ]
    write.conditions = [f"(attribute_not_exists(pk) OR ({condition}))"]
    write.values |= {
        ":start": number(bounds.start),
        ":up": number(bounds.most - bounds.start),
        ":down": number(bounds.start - bounds.least),
        ":one": number(1),
        ":revision": number(revision),
        ":listing": {"S": LISTING},
    }
    return write


def keyed(write: Write, once: Once, era: str, call: str) -> Write:
    """Enter a key in the shard's ledger, in the same write (see `ledger`)."""
    write.sets += [
        "#done = #value + :amount",
        "#call = :call",
        "kept = kept + :entry",
    ]
    write.conditions += ["era = :era", "attribute_not_exists(#call)", "kept < :most"]
    write.names |= {"#done": ledger.DONE + once.digest, "#call": ledger.CALL + once.digest}
    write.values |= {
        ":call": {"S": call},
        ":entry": number(1),
        ":era": {"S": era},
        ":most": number(ledger.MOST_KEPT),
    }
    return write


def borrowing(handle: Handle, seen: Snapshot, index: int, amount: int) -> list[Write] | None:
    """Add to one shard, with what it lacks taken from others: all in one transaction.

    Returns None where all escrow together does not cover the amount: then the counter was full at
    the instant of the snapshot. A lender gives up to half of what it has, so that the borrower does
    not have to come back for the next increment. The borrower's value is compared only to return
    the new one; that it may come back is no harm.
    """
    edge = headroom(amount)
    rooms = seen.headroom(edge)
    needed = abs(amount)
    if sum(rooms) < needed:
        return None
    lacking = max(0, needed - rooms[index])
    taken = 0
    writes: list[Write] = []
    for lender in sorted(range(len(rooms)), key=lambda i: -rooms[i]):
        if taken >= lacking:
            break
        if lender == index:
            continue
        loan = min(rooms[lender], max(lacking - taken, rooms[lender] // 2))
        taken += loan
        write = Write(handle.table, handle.key(lender))
        write.sets = [f"{edge} = {edge} - :loan"]
        write.conditions = [f"{edge} >= :loan"]
        write.values = {":loan": number(loan)}
        writes.append(write)
    borrower = Write(handle.table, handle.key(index))
    own = needed - taken
    change = {"up": -amount, "down": amount}
    change[edge] += taken
    borrower.sets = ["#value = #value + :amount", "up = up + :up", "down = down + :down"]
    borrower.conditions = [
        f"{edge} >= :own",
        "attribute_not_exists(closed)",
        "#value = :seen",
    ]
    borrower.values = {
        ":amount": number(amount),
        ":up": number(change["up"]),
        ":down": number(change["down"]),
        ":own": number(max(0, own)),
        ":seen": number(integer(seen.items[index], "value")),
    }
    return [borrower, *writes]


def updates(writes: Sequence[Write]) -> list[dict[str, Any]]:
    """Return the actions of a transaction."""
    return [{"Update": write.params()} for write in writes]
