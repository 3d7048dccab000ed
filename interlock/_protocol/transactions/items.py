"""Items of a transaction: their place, what was read there, and the proof that it still is so.

The version attribute holds the ids of the last attempts that wrote the item, newest first. An id
is never used twice, so a version that was replaced never comes back, not even for an item that was
deleted and made again: comparing versions cannot be fooled as comparing counters can. The older
ids are there for an attempt that lost the reply to its write and finds a successor's version.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from interlock._dataclasses import dataclass
from interlock._protocol.kinds import checked_table, shown, written
from interlock._protocol.values import Item, from_item, to_item
from interlock.errors import InvalidValue

HISTORY = 5
UNVERSIONED = "-"
_LONGEST_ID = 128
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
_MOST_IN_KEY = 2
_LONGEST_KEY = 2048  # bytes of a partition key; a sort key has half of it


@dataclass(frozen=True, slots=True)
class Address:
    """A table and a primary key; equal for equal keys, however their numbers were written."""

    table: str
    _key: tuple[tuple[str, str, Any], ...]

    @classmethod
    def of(cls, table: str, key: Mapping[str, Any]) -> "Address":
        """Build the address from a native key (`{"pk": "alice"}`)."""
        checked_table(table)
        if not isinstance(key, Mapping):
            example = (
                f'{{"pk": {written(key)}}}' if isinstance(key, str | int | bytes) else '{"pk": ...}'
            )
            raise InvalidValue(
                "key", f"{shown(key)} is not a mapping; name the key's attributes: {example}"
            )
        parts = []
        for name, attribute in sorted(to_item(key, "key").items()):
            ((kind, value),) = attribute.items()
            if kind not in {"S", "N", "B"}:
                raise InvalidValue(f"key[{name!r}]", "a key is a string, a number or bytes")
            _check_length(name, kind, value)
            parts.append((name, kind, value))
        if not parts:
            raise InvalidValue("key", "names no attribute")
        if len(parts) > _MOST_IN_KEY:
            given = ", ".join(repr(name) for name, _, _ in parts[: _MOST_IN_KEY + 1])
            raise InvalidValue("key", f"names {given}; a key has one attribute, or two: no others")
        return cls(table, tuple(parts))

    @property
    def key(self) -> Item:
        """The typed primary key."""
        return {name: {kind: value} for name, kind, value in self._key}

    @property
    def native_key(self) -> dict[str, Any]:
        """The primary key as the caller writes it."""
        return from_item(self.key)

    @property
    def key_name(self) -> str:
        """One of the key's attributes: where it exists, the item does."""
        return self._key[0][0]

    def is_of(self, item: Any) -> bool:
        """Whether an item of the store is the one at this address."""
        return isinstance(item, Mapping) and all(
            _same(kind, value, item.get(name)) for name, kind, value in self._key
        )

    def __str__(self) -> str:
        return f"{self.table} {self.native_key}"


def addresses(
    targets: Iterable[tuple[str, Mapping[str, Any]]], parameter: str = "targets"
) -> list[Address]:
    """Return the addresses of items that are given as (table, key)."""
    way_out = 'write [("table", {"pk": ...}), ...]'
    if isinstance(targets, str | bytes | Mapping) or not isinstance(targets, Iterable):
        raise InvalidValue(parameter, f"{shown(targets)} is no list of (table, key); {way_out}")
    found = []
    for target in targets:
        if isinstance(target, str | bytes | Mapping) or not isinstance(target, Sequence):
            raise InvalidValue(parameter, f"{shown(target)} is no (table, key); {way_out}")
        if len(target) != len(("table", "key")):
            raise InvalidValue(parameter, f"{shown(target)} is no (table, key); {way_out}")
        found.append(Address.of(*target))
    return found


@dataclass(frozen=True, slots=True)
class ItemSnapshot:
    """An item as a strongly consistent read showed it; `item` is None where there was none."""

    item: Item | None
    version_attribute: str

    @property
    def version(self) -> Any:
        """The typed version, or None for an absent item or one that an outsider wrote."""
        return None if self.item is None else self.item.get(self.version_attribute)

    @property
    def unique(self) -> bool:
        """Whether the version never comes back once it is replaced.

        Absence comes back, and so does the lack of a version, by the hand of an outsider who puts
        the whole item; what no attempt can have written proves nothing either.
        """
        return self.writers not in {(), (UNVERSIONED,)}

    @property
    def writers(self) -> tuple[str, ...]:
        """The last attempts that wrote the item, newest first."""
        if self.item is None:
            return ()
        version = self.version
        text = version.get("S") if isinstance(version, Mapping) else None
        ids = text.split(" ") if isinstance(text, str) else []
        well_formed = len(ids) <= HISTORY and all(0 < len(i) <= _LONGEST_ID for i in ids)
        return tuple(ids) if ids and well_formed else (UNVERSIONED,)

    @property
    def native(self) -> dict[str, Any] | None:
        """The item as the caller sees it: fresh on each call, without the version."""
        return None if self.item is None else native(self.item, self.version_attribute)

    def same_as(self, other: Mapping[str, Any] | None) -> bool:
        """Whether `other` is the item that was read, as far as versions say."""
        if self.item is None or other is None:
            return self.item is other
        return bool(self.version == other.get(self.version_attribute))

    def successor(self, attempt_id: str) -> str:
        """Return the version that an attempt writes over this one."""
        return " ".join((attempt_id, *self.writers[: HISTORY - 1]))


def native(item: Mapping[str, Any], version_attribute: str) -> dict[str, Any]:
    """Return an item as the caller sees it."""
    return from_item({k: v for k, v in item.items() if k != version_attribute})


def _check_length(name: str, kind: str, value: Any) -> None:
    """Raise `InvalidValue` for what no table takes as an attribute of a key."""
    if not value:
        raise InvalidValue(f"key[{name!r}]", "is empty, which DynamoDB takes in no key")
    if kind != "N" and len(value.encode() if kind == "S" else value) > _LONGEST_KEY:
        raise InvalidValue(f"key[{name!r}]", f"{shown(value)} exceeds {_LONGEST_KEY} bytes")


def _same(kind: str, value: Any, attribute: Any) -> bool:
    other = attribute.get(kind) if isinstance(attribute, Mapping) else None
    if other is None:
        return False
    return bool(Decimal(other) == Decimal(value) if kind == "N" else other == value)
