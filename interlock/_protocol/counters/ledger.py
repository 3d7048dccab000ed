"""The ledger of a shard: the keyed changes that were last written to it, in the same item.

A keyed change is one UpdateItem: it adds the amount, and enters the key with the value that made.
So a key costs no transaction, meets no conflict, and demands nothing of the value. An entry is two
attributes, named by a digest of the key:

    done#<digest>   the new value, as the store computed it
    call#<digest>   "<amount> <expires> <shard, or -> <key>"

and `kept` counts the entries. When there are `swept_at` of them, they move to records of their own
(`counter#<name>#once#<key>`), which live as long as keys are remembered, and the shard enters a new
era.

Why a key counts once, however often, late and from wherever it is written:

1. A key has one home among the shards of a layout. Its change is written there and nowhere else.
2. The write demands that the key is not in the home's ledger, and that the shard is in era `e`.
3. Before, but after `e` was seen, the client has read the key's record, and found none: by a
   transactional read, as the commit of a transfer shows itself item by item, and its end of an era
   may be seen long before its record.
4. An entry leaves a ledger only in a write that ends the era, and only after its record exists.
   No era ever comes back, not even in another life of the counter.

If the key had been written before, then its entry is still there (refused by 2), or it had left
when `e` began (then 3 would have found the record), or it left later (then `e` is over: refused by
2). That holds for a copy of the request which arrives at any time later as well. A change of the
number of shards, which moves homes, first takes the era from all shards, so that no entry can be
made; then records all entries; and then begins new eras (`settling`).
"""

import base64
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from interlock._dataclasses import dataclass
from interlock._exports import public_in
from interlock._protocol.counters.layout import Handle, integer, number
from interlock.errors import IdempotencyMismatch

SWEPT_AT = 6  # entries; a header with as many stays within 1 KB, which is one write unit
SWEPT_IN_A_CROWD_AT = 24  # a new era refuses each write under way: so many units cost less
MOST_KEPT = 48  # beyond, changes wait for a sweep: 48 entries of the longest keys are 30 KB
DONE = "done#"
CALL = "call#"
NO_SHARD = "-"
_DIGEST_BYTES = 16


def swept_at(*, crowded: bool) -> int:
    """Return how many entries are moved to records together, when a writer finds so many.

    `crowded` says that another client's sweep had refused this writer's change before. It is no
    part of the argument above: a ledger may be swept at any time.
    """
    return SWEPT_IN_A_CROWD_AT if crowded else SWEPT_AT


@public_in("interlock.counters")
@dataclass(frozen=True, slots=True)
class CounterChange:
    """The effect of an increment or decrement.

    `value` is the counter's new value, or that of its shard number `shard` where it has several
    (`shard` is None for a counter with one). `replayed` says that an earlier call with the same
    idempotency key had done it, or an earlier copy of this one whose answer was lost.
    """

    value: int
    amount: int
    shard: int | None = None
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Once:
    """An idempotency key, and for how many seconds it is remembered."""

    key: str
    remembered: float

    @property
    def digest(self) -> str:
        """The key's name within a ledger."""
        return _digest(self.key)

    def home(self, shards: int) -> int:
        """Return the one shard that changes with this key are written to."""
        return int.from_bytes(_hash(self.key)) % shards

    def call(self, amount: int, shard: int | None, now: float) -> str:
        """Return the text of an entry."""
        where = NO_SHARD if shard is None else shard
        return f"{amount} {int(now + self.remembered)} {where} {self.key}"


@dataclass(frozen=True, slots=True)
class Entry:
    """A keyed change as a ledger or a record holds it; `shard` as in `CounterChange`."""

    key: str
    amount: int
    value: int
    expires: int
    shard: int | None

    def replay(self, amount: int) -> CounterChange:
        """Return what was done; raise `IdempotencyMismatch` if another amount is asked for."""
        if self.amount != amount:
            raise IdempotencyMismatch(self.key)
        return CounterChange(self.value, amount, self.shard, replayed=True)

    def record(self, handle: Handle) -> dict[str, Any]:
        """Return the action that writes the entry's record. To repeat it does no harm."""
        shard = {} if self.shard is None else {"shard": number(self.shard)}
        item = {
            **handle.record_key(self.key),
            "amount": number(self.amount),
            "value": number(self.value),
            "expires": number(self.expires),
            **shard,
        }
        return {"Put": {"TableName": handle.table, "Item": item}}


def entries(item: Mapping[str, Any]) -> list[Entry]:
    """Return what a shard's ledger holds."""
    found = (name.removeprefix(CALL) for name in item if name.startswith(CALL))
    return [_entry(item, digest) for digest in found]


def entry(item: Mapping[str, Any], once: Once) -> Entry | None:
    """Return what a shard's ledger holds of a key."""
    return _entry(item, once.digest) if CALL + once.digest in item else None


def recorded(item: Mapping[str, Any], once: Once) -> Entry:
    """Return what a key's record says; raise `IdempotencyMismatch` for that of a transfer."""
    if "target" in item:
        raise IdempotencyMismatch(once.key)
    shard = integer(item, "shard") if "shard" in item else None
    amount, value, expires = (integer(item, name) for name in ("amount", "value", "expires"))
    return Entry(once.key, amount, value, expires, shard)


def removal(names: list[str]) -> tuple[str, dict[str, str]]:
    """Return the clause that takes attributes out of an item, and the names that it uses."""
    used = {f"#gone{i}": name for i, name in enumerate(names)}
    return (f" REMOVE {', '.join(used)}" if used else ""), used


def attributes(item: Mapping[str, Any]) -> list[str]:
    """Return the names of all attributes of a shard's ledger."""
    return [name for name in item if name.startswith((CALL, DONE))]


def _entry(item: Mapping[str, Any], digest: str) -> Entry:
    amount, expires, where, key = item[CALL + digest]["S"].split(" ", 3)
    shard = None if where == NO_SHARD else int(where)
    return Entry(key, int(amount), integer(item, DONE + digest), int(expires), shard)


def _hash(key: str) -> bytes:
    return blake2b(key.encode(), digest_size=_DIGEST_BYTES).digest()


def _digest(key: str) -> str:
    return base64.urlsafe_b64encode(_hash(key)).rstrip(b"=").decode()
