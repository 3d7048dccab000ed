"""Names of a table's keys and attributes, and a prefix: where it keeps the library's items.

The protocols speak of `pk`, `expires` and `listing`, whatever a table calls them: `translation`
says each to the store as the table has it.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from interlock._dataclasses import dataclass, names_of
from interlock._exports import public_in
from interlock._protocol.kinds import checked_text, shown
from interlock.errors import InvalidValue, TableUnfit

PARTITION_KEY: Final = "pk"
TTL: Final = "expires"
LISTING: Final = "listing"

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
_MOST_NAME = 255  # bytes, of an attribute that is part of a key
_MOST_SORT_VALUE = 1024
# The longest key of the library's own has 1,542 bytes (a record of a transaction) of 2,048: no
# limit of a name has to shrink for a prefix.
_MOST_PREFIX = 256
_INDEX_NAME = re.compile(r"[a-zA-Z0-9_.-]{3,255}")

OWN_PREFIXES = ("lock#", "counter#", "once#")
"""The beginnings of the library's own keys, after the layout's prefix."""

_LEDGER = ("done#", "call#")  # attributes of a counter's shard begin so
RESERVED = frozenset(
    {
        # of locks
        *("fence", "version", "owner", "lease_ms", "held_since", "held_until", "data"),
        *("void_before", "broken", "last_run", "door", "format", "queue"),
        *("election", "slots", "permits"),
        # of counters, and of what they keep of keys
        *("value", "up", "down", "floor", "ceiling", "shards", "span", "revision", "era", "kept"),
        *("closed", "amount", "shard", "target", "source_value", "target_value"),
        *("source_shard", "target_shard"),
        # of transactions
        *("operation", "attempt", "fingerprint", "result", "until"),
    }
)
"""Attributes of the library's items that have the same name in every table."""

_ROLES = {"partition_key": PARTITION_KEY, "ttl": TTL, "listing_key": LISTING}


@public_in("interlock.tables")
@dataclass(frozen=True, slots=True, kw_only=True)
class TableLayout:
    """The names that a table has for the keys and attributes of the library's items.

    For a table that exists and has other keys than `create_table` gives one; the locks, counters
    and records in it are items beside the application's own. Every client of a table has to be
    given the same layout: another one is other locks.

    `partition_key` (default `pk`) and `ttl` (default `expires`) are attributes; `sort_key` is the
    sort key's attribute and the value that all of the library's items have there, None (default)
    for a table without one. `prefix` (default none; up to 256 bytes) begins the library's keys:
    with `COORD#` the lock `orders/42` is the item `COORD#lock#orders/42`. `listing_index` and
    `listing_key` (default `listing`) are the index by which counters are listed, and the attribute
    that is its partition key; its sort key is the table's partition key. All keys are strings.

    `str(layout)` is a line for an environment variable, which `parse` reads.

    Raises `InvalidValue` for a name that is empty, longer than 255 bytes, given twice, or that of
    another attribute of the library's items.
    """

    partition_key: str = PARTITION_KEY
    sort_key: tuple[str, str] | None = None
    prefix: str = ""
    ttl: str = TTL
    listing_index: str = LISTING
    listing_key: str = LISTING

    def __post_init__(self) -> None:
        names = [_checked_name(role, getattr(self, role), own) for role, own in _ROLES.items()]
        if self.sort_key is not None:
            pair = _checked_sort_key(self.sort_key)
            object.__setattr__(self, "sort_key", pair)  # a tuple, if it was a list
            names.append(pair[0])
        for name in names:
            if names.count(name) > 1:
                raise InvalidValue(
                    "layout", f"names {name!r} twice; each key and attribute has its own name"
                )
        if not isinstance(self.listing_index, str) or not _INDEX_NAME.fullmatch(self.listing_index):
            raise InvalidValue(
                "listing_index",
                f"{shown(self.listing_index)} is no index's name: 3 to 255 of a-z, A-Z, 0-9, '_', "
                "'-' and '.'",
            )
        if self.prefix != "":
            _checked_prefix("prefix", checked_text("prefix", self.prefix), _MOST_PREFIX)

    @classmethod
    def parse(cls, text: str | None) -> "TableLayout":
        """Return the layout that a text says, the default for None and for an empty one.

        `partition_key=PK,sort_key=SK,sort_value=interlock,prefix=COORD%23,ttl=ttl`: what it leaves
        out is as by default, and what is special in a value is percent-encoded. For the variable
        that `CoordinationTable.attach_to` sets beside the table's name:

            layout = TableLayout.parse(os.environ.get("INTERLOCK_TABLE_LAYOUT"))

        Raises `InvalidValue`.
        """
        if text is not None and not isinstance(text, str):
            raise InvalidValue("layout", f"{shown(text)} is neither a string nor None")
        if not text:
            return cls()
        from urllib.parse import unquote  # noqa: PLC0415 - only where a text is read

        given: dict[str, Any] = {}
        known = {*names_of(cls), "sort_value"}
        for part in text.split(","):
            name, equals, value = part.strip().partition("=")
            if not equals or name not in known or name in given:
                raise InvalidValue("layout", f"{shown(part)} is none of {', '.join(sorted(known))}")
            given[name] = unquote(value)
        sort_key, sort_value = given.pop("sort_key", None), given.pop("sort_value", None)
        if (sort_key is None) is not (sort_value is None):
            raise InvalidValue("layout", f"{text!r} has one of sort_key and sort_value; give both")
        if sort_key is not None:
            given["sort_key"] = (sort_key, sort_value)
        return cls(**given)

    def __str__(self) -> str:
        from urllib.parse import quote  # noqa: PLC0415 - only where a text is made

        return ",".join(f"{name}={quote(value, safe='')}" for name, value in self._told())

    @property
    def is_default(self) -> bool:
        """Whether the table is as `create_table` makes it."""
        return self == TableLayout()

    def key(self, own: str) -> dict[str, str]:
        """Return the key, in native values, of the item that the library knows by `own`."""
        key = {self.partition_key: self.prefix + own}
        if self.sort_key is not None:
            name, value = self.sort_key
            key[name] = value
        return key

    @property
    def key_names(self) -> tuple[str, ...]:
        """The key's attributes, the partition key first."""
        return (self.partition_key, *((self.sort_key[0],) if self.sort_key else ()))

    def _told(self) -> Iterator[tuple[str, str]]:
        for name in names_of(TableLayout):
            value = getattr(self, name)
            if value == getattr(DEFAULT, name):
                continue
            if name == "sort_key":
                yield "sort_key", value[0]
                yield "sort_value", value[1]
            else:
                yield name, value


def checked_layout(given: "TableLayout | None") -> TableLayout:
    """Return a layout, the default for None, or raise `InvalidValue`."""
    if given is None:
        return DEFAULT
    if not isinstance(given, TableLayout):
        way_out = "; write TableLayout.parse(...)" if isinstance(given, str | Mapping) else ""
        raise InvalidValue("layout", f"{shown(given)} is no TableLayout{way_out}")
    return given


def attribute_in(layout: TableLayout, own: str) -> str:
    """Return an attribute's name in a table of a layout."""
    names = {PARTITION_KEY: layout.partition_key, TTL: layout.ttl, LISTING: layout.listing_key}
    return names.get(own, own)


def key_in_words(layout: TableLayout) -> str:
    """Return the key of a table of a layout, in words."""
    partition_key, *sort_key = layout.key_names
    sort = f" and the sort key {sort_key[0]!r}" if sort_key else " alone"
    return f"the partition key {partition_key!r}{sort}"


def unfit(layout: TableLayout, error: TableUnfit) -> TableUnfit:
    """Return the error of a table that does not fit, with what is looked for there."""
    by_default = looked_for(DEFAULT)
    problems = [problem for problem in error.problems if problem != by_default]
    return TableUnfit(error.table, [*problems, looked_for(layout)])


def looked_for(layout: TableLayout) -> str:
    """Return what a client with a layout looks for, in words."""
    return f"this client looks for {key_in_words(layout)}"


def own_name(key: Mapping[str, Any], prefix: str) -> str | None:
    """Return what follows a prefix of the library's own in a key of any layout, None if nothing.

    No prefix of a layout, and no value of a sort key, has one of these in it.
    """
    for attribute in key.values():
        _, apart, name = attribute.get("S", "").partition(prefix)
        if apart:
            return str(name)
    return None


def _checked_sort_key(given: Any) -> tuple[str, str]:
    pair = ("a name", "a value")
    if not isinstance(given, tuple | list) or len(given) != len(pair):
        raise InvalidValue(
            "sort_key",
            f"{shown(given)} is not its name and the value that the library's items have there: "
            'write ("SK", "interlock")',
        )
    name, value = given
    return _checked_name("sort_key", name), _checked_prefix(
        "sort_key", checked_text("sort_key", value), _MOST_SORT_VALUE
    )


def _checked_name(role: str, given: Any, own: str = "") -> str:
    name = checked_text(role, given, wanted="an attribute's name")
    if len(name.encode()) > _MOST_NAME:
        raise InvalidValue(role, f"{shown(name)} is longer than {_MOST_NAME} bytes")
    others = {*RESERVED, *_ROLES.values()} - {own}
    if name in others or name.startswith(_LEDGER):
        raise InvalidValue(
            role, f"{name!r} is another attribute of the library's items; choose another name"
        )
    return name


def _checked_prefix(parameter: str, given: str, most: int) -> str:
    if len(given.encode()) > most:
        raise InvalidValue(
            parameter,
            f"{shown(given)} is longer than {most} bytes, which leave names of locks and counters "
            "their full length",
        )
    for own in OWN_PREFIXES:
        if own in given:
            raise InvalidValue(
                parameter, f"{shown(given)} has {own!r} in it, which begins the library's own keys"
            )
    return given


DEFAULT: Final = TableLayout()
