"""Tables, and the items they hold at an instant."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple, TypeAlias

from interlock._exports import public_in
from interlock._protocol.faults import Refused
from interlock._protocol.layout import TableLayout
from interlock.testing._store.attributes import Attribute, Item, exceeds, invalid, number_text

MAX_ITEM_BYTES = 400 * 1024
_KEY_BYTES = {"partition": 2048, "sort": 1024}

Key: TypeAlias = tuple[Any, ...]
"""An item's key: the values of its key attributes, partition key first."""


@public_in("interlock.testing")
@dataclass(frozen=True, slots=True)
class Table:
    """A table's name and key schema. A key type is "S", "N" or "B"."""

    name: str
    partition_key: str = "pk"
    sort_key: str | None = None
    ttl: str | None = "expires"
    partition_type: str = "S"
    sort_type: str = "S"

    @classmethod
    def of(cls, name: str, layout: TableLayout) -> "Table":
        """Return a table of a layout."""
        sort_key = None if layout.sort_key is None else layout.sort_key[0]
        return cls(name, layout.partition_key, sort_key, layout.ttl)

    @property
    def key_names(self) -> tuple[str, ...]:
        """The key attributes' names, partition key first."""
        return (
            (self.partition_key,) if self.sort_key is None else (self.partition_key, self.sort_key)
        )

    @property
    def description(self) -> dict[str, Any]:
        """The keys as DescribeTable says them."""
        kinds = zip(self.key_names, ("HASH", "RANGE"), strict=False)
        types = zip(self.key_names, (self.partition_type, self.sort_type), strict=False)
        return {
            "TableName": self.name,
            "TableStatus": "ACTIVE",
            "KeySchema": [{"AttributeName": name, "KeyType": kind} for name, kind in kinds],
            "AttributeDefinitions": [
                {"AttributeName": name, "AttributeType": kind} for name, kind in types
            ],
        }

    def key_of(self, item: Mapping[str, Attribute]) -> Key:
        """Return an item's key; refuse one that does not match the schema."""
        name, kind = self.partition_key, self.partition_type
        attribute = item.get(name)
        if attribute is None or kind not in attribute:
            raise invalid("The provided key element does not match the schema")
        partition = self._part("partition", kind, attribute[kind])
        if self.sort_key is None:
            return (partition,)
        attribute = item.get(self.sort_key)
        if attribute is None or self.sort_type not in attribute:
            raise invalid("The provided key element does not match the schema")
        return (partition, self._part("sort", self.sort_type, attribute[self.sort_type]))

    def exact_key(self, key: Mapping[str, Attribute]) -> Key:
        """Return the key that a request names; refuse other attributes beside it."""
        if len(key) != (1 if self.sort_key is None else 2):
            raise invalid("The provided key element does not match the schema")
        return self.key_of(key)

    def key_item(self, key: Key) -> Item:
        """Return the key as attributes."""
        kinds = (self.partition_type, self.sort_type)
        return {
            name: {kind: value}
            for name, kind, value in zip(self.key_names, kinds, key, strict=False)
        }

    @staticmethod
    def _part(part: str, kind: str, value: Any) -> Any:
        if kind == "N":
            return number_text(Decimal(value))
        if not value:
            raise invalid(
                "One or more parameter values are not valid. The AttributeValue for a key "
                f"attribute cannot contain an empty {'string' if kind == 'S' else 'binary'} value"
            )
        most = _KEY_BYTES[part]
        # A character is at most four bytes: most keys need no look at theirs.
        if 4 * len(value) > most and len(value if kind == "B" else value.encode()) > most:
            raise invalid(
                "One or more parameter values were invalid: Size of "
                f"{'hashkey' if part == 'partition' else 'rangekey'} has exceeded the maximum"
            )
        return value


class Place(NamedTuple):
    """One item's place: its table's name and its key."""

    table: str
    key: Key


class Change(NamedTuple):
    """One item before and after a write; None where there was or is none."""

    place: Place
    before: Item | None
    after: Item | None


@dataclass(slots=True)
class Contents:
    """The items of all tables, who holds which of them, and what they were a moment ago."""

    tables: dict[str, Table] = field(default_factory=dict)
    items: dict[Place, Item] = field(default_factory=dict)
    held: dict[Place, object] = field(default_factory=dict)
    replaced: dict[Place, tuple[float, Item | None]] = field(default_factory=dict)
    watchers: list[Callable[[Change], None]] = field(default_factory=list)
    version: int = 0

    def table(self, name: str) -> Table:
        """Return a table's definition, or refuse the request that names it."""
        table = self.tables.get(name)
        if table is None:
            raise Refused(
                "ResourceNotFoundException", f"Requested resource not found: Table: {name}"
            )
        return table

    def write(self, place: Place, after: Item | None, now: float) -> None:
        """Put or (None) delete an item, and show the change to the watchers."""
        before = self.items.get(place)
        self.replaced[place] = (now, before)
        if after is None:
            self.items.pop(place, None)
        else:
            self.items[place] = after
        self.version += 1
        if self.watchers:
            change = Change(place, before, after)
            for watcher in self.watchers:
                watcher(change)


def refuse_oversize(
    item: Item, message: str = "Item size has exceeded the maximum allowed size"
) -> None:
    """Refuse an item over 400 KB."""
    if exceeds(item, MAX_ITEM_BYTES):
        raise invalid(message)
