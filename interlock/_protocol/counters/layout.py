"""The items of a counter, and the arithmetic of its bounds.

| item | key | holds |
|---|---|---|
| header, which is also shard 0 | `counter#<name>` | value, up, down, floor, ceiling, shards, span |
| shard i > 0 | `counter#<name>#<i>` | value, up, down, closed while it is being folded away |
| idempotency record | `counter#<name>#once#<key>` | what was done, its result, expires |
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from interlock._protocol.values import Attribute, Item
from interlock.errors import CounterMismatch, InvalidCounterName, InvalidValue

PREFIX = "counter#"
LISTING = "counter"  # partition of the index `listing`, where only headers are
LARGEST = (
    10**38 - 1
)  # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
MAX_SHARDS = 64  # all items of a counter are read, and configured, in one transaction of 100
MAX_NAME_BYTES = 512
MAX_KEY_BYTES = 512


def checked_name(name: str) -> str:
    """Return the name, or raise `InvalidCounterName` with the reason."""
    if not isinstance(name, str) or not name:
        raise InvalidCounterName(name, "a name is a string of at least one character")
    if "#" in name or not name.isprintable():
        raise InvalidCounterName(name, "'#' and unprintable characters are not allowed")
    if len(name.encode()) > MAX_NAME_BYTES:
        raise InvalidCounterName(name, f"longer than {MAX_NAME_BYTES} bytes of UTF-8")
    return name


def checked_integer(value: int, path: str, *, least: int = -LARGEST) -> int:
    """Return an integer of at most 38 digits, or raise `InvalidValue`."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidValue(path, f"{value!r} is not an integer")
    if not least <= value <= LARGEST:
        raise InvalidValue(path, f"{value} is outside {least} to 10^38 - 1")
    return value


def checked_key(key: str | None) -> str | None:
    """Return an idempotency key, or raise `InvalidValue`."""
    if key is None:
        return None
    if not isinstance(key, str) or not 0 < len(key.encode()) <= MAX_KEY_BYTES:
        raise InvalidValue("idempotency_key", f"{key!r} is not a string of 1-{MAX_KEY_BYTES} bytes")
    return key


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a counter may hold. A side that is None is limited by the store's 38 digits alone."""

    floor: int | None = None
    ceiling: int | None = None

    def __post_init__(self) -> None:
        for path, limit in (("floor", self.floor), ("ceiling", self.ceiling)):
            if limit is not None:
                checked_integer(limit, path)
        if self.least > self.most:
            raise InvalidValue("floor", f"{self.floor} is over the ceiling {self.ceiling}")
        if self.most - self.least > LARGEST:
            raise InvalidValue("ceiling", "ceiling - floor has more than 38 digits")

    @property
    def least(self) -> int:
        """The smallest value. `most - least` always fits the 38 digits of one escrow."""
        if self.floor is not None:
            return self.floor
        return -(LARGEST // 2) if self.ceiling is None else max(-LARGEST, self.ceiling - LARGEST)

    @property
    def most(self) -> int:
        """The largest value."""
        if self.ceiling is not None:
            return self.ceiling
        return LARGEST // 2 if self.floor is None else min(LARGEST, self.floor + LARGEST)

    @property
    def start(self) -> int:
        """The value of a new counter: 0, or the bound that is nearest to it."""
        return min(max(0, self.least), self.most)

    def hold(self, value: int) -> bool:
        """Whether the value is within."""
        return self.least <= value <= self.most


@dataclass(slots=True)
class Handle:
    """A counter as its user declared it, and what has been seen of it since.

    What was seen (`shards`, `values`) only saves round trips: each write holds without it.
    """

    table: str
    name: str
    bounds: Bounds = field(default_factory=Bounds)
    declared_shards: int | None = None
    shards: int | None = None
    values: dict[int, int] = field(default_factory=dict)

    def key(self, index: int = 0) -> Item:
        """Return the key of a shard; shard 0 is the header."""
        suffix = f"#{index}" if index else ""
        return {"pk": {"S": f"{PREFIX}{self.name}{suffix}"}}

    def record_key(self, idempotency_key: str) -> Item:
        """Return the key of an idempotency record."""
        return {"pk": {"S": f"{PREFIX}{self.name}#once#{idempotency_key}"}}

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

    def saw(self, index: int, item: Mapping[str, Any]) -> None:
        """Remember a shard's value, and from the header how many shards there are."""
        self.values[index] = integer(item, "value")
        if index == 0:
            self.shards = integer(item, "shards")

    def forget(self) -> None:
        """Drop what was seen: the counter has been laid out anew, or deleted."""
        self.shards = None
        self.values.clear()


def number(value: int) -> Attribute:
    """Return the typed form of an integer."""
    return {"N": str(value)}


def integer(item: Mapping[str, Any], name: str) -> int:
    """Return an attribute that is an integer, 0 if it is absent."""
    text: str = item.get(name, {}).get("N", "0")
    return int(text)


def bounds_of(header: Mapping[str, Any]) -> Bounds:
    """Return the bounds that a header holds."""
    return Bounds(
        *(integer(header, side) if side in header else None for side in ("floor", "ceiling"))
    )


def shares(total: int, parts: int) -> list[int]:
    """Split a non-negative amount evenly; the remainder goes to the first parts."""
    each, rest = divmod(total, parts)
    return [each + (i < rest) for i in range(parts)]


def new_items(handle: Handle, bounds: Bounds, shards: int, value: int) -> list[Item]:
    """Return the items of a counter: its value in the header, its escrow spread evenly."""
    ups = shares(bounds.most - value, shards)
    downs = shares(value - bounds.least, shards)
    items = [
        {
            **handle.key(i),
            "value": number(value if i == 0 else 0),
            "up": number(ups[i]),
            "down": number(downs[i]),
        }
        for i in range(shards)
    ]
    items[0] |= {
        "shards": number(shards),
        "span": number(shards),
        "revision": number(0),
        "listing": {"S": LISTING},
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
    def bounds(self) -> Bounds:
        """The counter's bounds."""
        return bounds_of(self.header)

    @property
    def shards(self) -> int:
        """How many shards take writes."""
        return integer(self.header, "shards")

    @property
    def value(self) -> int:
        """The counter's value."""
        return sum(integer(item, "value") for item in self.items)

    def room(self, side: str) -> list[int]:
        """Return the escrow of each shard on a side, `up` or `down`."""
        return [integer(item, side) for item in self.items]
