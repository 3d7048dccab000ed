"""The items of a counter, and the arithmetic of its bounds.

| item | key | holds |
|---|---|---|
| header, which is also shard 0 | `counter#<name>` | value, up, down, floor, ceiling, shards, span |
| shard i > 0 | `counter#<name>#<i>` | value, up, down, closed while it is being folded away |
| idempotency record | `counter#<name>#once#<key>` | what was done, its result, expires |
| ticket of a creation | `counter#<name>#new#<id>` | expires |

Two attributes are compared, and no value of either ever comes back, in this life of the counter or
in the next: the header's `revision`, a number that every change of the layout, of the bounds and of
the value by `reset` replaces by a new one; and the `era` of each shard, under which keyed changes
are written (`ledger`).
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any

from interlock._dataclasses import dataclass, field
from interlock._protocol.counters.bounds import Bounds
from interlock._protocol.requests import Operation, new_id
from interlock._protocol.retry import Target
from interlock._protocol.values import Attribute, Item
from interlock.errors import CounterMismatch

PREFIX = "counter#"
LISTING = "counter"  # partition of the index `listing`, where only headers are
MAX_SHARDS = 64  # all items of a counter are read, and configured, in one transaction of 100
ESCROW = ("value", "up", "down")
FORMAT = 2  # of a header; 1, which has no number, knows no eras
_REVISION_BYTES = 12


@dataclass(slots=True)
class Handle:
    """A counter as its user declared it, and what has been learned of it since.

    What was learned only saves round trips: each write holds without it. `eras` are those of the
    shards; `shared` says that others end them faster than this client writes.
    """

    table: str
    name: str
    bounds: Bounds = field(default_factory=Bounds)
    declared_shards: int | None = None
    shards: int | None = None
    eras: dict[int, str] = field(default_factory=dict)
    shared: bool = False

    @property
    def target(self) -> Target:
        """The tables and the grant of the counter's calls, for the texts of errors."""
        return target_of(self.table)

    def key(self, index: int = 0) -> Item:
        """Return the key of a shard; shard 0 is the header."""
        suffix = f"#{index}" if index else ""
        return {"pk": {"S": f"{PREFIX}{self.name}{suffix}"}}

    def record_key(self, idempotency_key: str) -> Item:
        """Return the key of an idempotency record."""
        return {"pk": {"S": f"{PREFIX}{self.name}#once#{idempotency_key}"}}

    def ticket_key(self, identifier: str) -> Item:
        """Return the key of what a creation of the counter consumes."""
        return {"pk": {"S": f"{PREFIX}{self.name}#new#{identifier}"}}

    def check(self, header: Mapping[str, Any]) -> None:
        """Raise `CounterMismatch` if the counter is not what was declared."""
        stored = bounds_of(header)
        for what, declared, found in (
            ("floor", self.bounds.floor, stored.floor),
            ("ceiling", self.bounds.ceiling, stored.ceiling),
            ("shards", self.declared_shards, integer(header, "shards")),
        ):
            if declared is not None and declared != found:
                raise CounterMismatch(self.name, what, declared, found)

    def remember(self, index: int, item: Mapping[str, Any]) -> None:
        """Keep a shard's era, and from the header how many shards there are."""
        if index == 0:
            if self.shards != integer(item, "shards"):
                self.eras.clear()
            self.shards = integer(item, "shards")
        era = era_of(item)
        if era is None:
            self.eras.pop(index, None)
        else:
            self.eras[index] = era

    def forget(self) -> None:
        """Drop what was learned: the counter has been laid out anew, or deleted."""
        self.shards = None
        self.eras.clear()


def target_of(table: str) -> Target:
    """Return what calls about counters in a table ask, for the texts of errors."""
    return Target((table,), "CoordinationTable.grant_counters(...)", laid_out=True)


def number(value: int) -> Attribute:
    """Return the typed form of an integer."""
    return {"N": str(value)}


def integer(item: Mapping[str, Any], name: str) -> int:
    """Return an attribute that is an integer, 0 if it is absent."""
    text: str = item.get(name, {}).get("N", "0")
    return int(text)


def era_of(item: Mapping[str, Any]) -> str | None:
    """Return a shard's era; None if none has begun, and no keyed change can be written."""
    era: str | None = item.get("era", {}).get("S")
    return era


def new_era(shards: int) -> Operation[str]:
    """Make an era: it belongs to a number of shards, since that decides where a key's home is."""
    return f"{shards}.{(yield from new_id())}"


def belongs(era: str | None, shards: int | None) -> bool:
    """Whether an era is one of a layout with so many shards."""
    return era is not None and era.partition(".")[0] == str(shards)


def new_revision() -> Operation[int]:
    """Make a revision that no counter has had, or will have.

    A number, so that clients of the first version can go on from it.
    """
    text = yield from new_id()
    return int.from_bytes(blake2b(text.encode(), digest_size=_REVISION_BYTES).digest())


def bounds_of(header: Mapping[str, Any]) -> Bounds:
    """Return the bounds that a header holds."""
    return Bounds(
        *(integer(header, side) if side in header else None for side in ("floor", "ceiling"))
    )


def shares(total: int, parts: int) -> list[int]:
    """Split a non-negative amount evenly; the remainder goes to the first parts."""
    each, rest = divmod(total, parts)
    return [each + (i < rest) for i in range(parts)]


def new_items(
    handle: Handle, bounds: Bounds, shards: int, value: int, *, revision: int, era: str
) -> list[Item]:
    """Return the items of a counter: its value in the header, its escrow spread evenly."""
    ups = shares(bounds.most - value, shards)
    downs = shares(value - bounds.least, shards)
    items = [
        {
            **handle.key(i),
            "value": number(value if i == 0 else 0),
            "up": number(ups[i]),
            "down": number(downs[i]),
            "era": {"S": era},
            "kept": number(0),
        }
        for i in range(shards)
    ]
    items[0] |= {
        "shards": number(shards),
        "span": number(shards),
        "revision": number(revision),
        "listing": {"S": LISTING},
        "format": number(FORMAT),
        **limits(bounds),
    }
    return items


def limits(bounds: Bounds) -> Item:
    """Return the attributes of a header that state its bounds."""
    given = (("floor", bounds.floor), ("ceiling", bounds.ceiling))
    return {name: number(limit) for name, limit in given if limit is not None}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All items of a counter at one instant; those from `shards` on are being folded away."""

    items: Sequence[Mapping[str, Any]]

    @property
    def header(self) -> Mapping[str, Any]:
        """The header."""
        return self.items[0]

    @property
    def revision(self) -> int:
        """The revision that the next change of the layout has to find."""
        return integer(self.header, "revision")

    @property
    def bounds(self) -> Bounds:
        """The counter's bounds."""
        return bounds_of(self.header)

    @property
    def shards(self) -> int:
        """The number of shards that take writes."""
        return integer(self.header, "shards")

    @property
    def value(self) -> int:
        """The counter's value."""
        return sum(integer(item, "value") for item in self.items)

    @property
    def settled(self) -> bool:
        """Whether keyed changes can be written to each shard, and none is closed."""
        eras = (belongs(era_of(item), self.shards) for item in self.items)
        return len(self.items) == self.shards and all(eras)

    def headroom(self, side: str) -> list[int]:
        """Return the escrow of each shard on a side, `up` or `down`."""
        return [integer(item, side) for item in self.items]


def total(items: Iterable[Mapping[str, Any]], name: str) -> int:
    """Return the sum of an attribute over items."""
    return sum(integer(item, name) for item in items)
