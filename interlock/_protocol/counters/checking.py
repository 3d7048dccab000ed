"""Read an item only after it is found to be one that this library may have written."""

from collections.abc import Mapping, Sequence
from typing import Any

from interlock._protocol.counters.bounds import LARGEST, Bounds
from interlock._protocol.counters.layout import (
    ESCROW,
    FORMAT,
    MAX_SHARDS,
    PREFIX,
    integer,
    total,
)
from interlock._protocol.counters.ledger import CALL, DONE, MOST_KEPT, NO_SHARD
from interlock._protocol.values import Item
from interlock.errors import CorruptRecord

_ENTRY_PARTS = 4
_HEADER = ("shards", "span")  # what a header has, beside what each shard has
_RECORD = ("amount", "expires")
_TRANSFER = ("source_value", "target_value")
_MOST_ESCROW = LARGEST + 1  # engines that do not keep all 38 digits round up to this
_NUMBERS = (
    ("value", -LARGEST, LARGEST),
    ("up", 0, _MOST_ESCROW),
    ("down", 0, _MOST_ESCROW),
    ("kept", 0, MOST_KEPT),
    ("format", 1, LARGEST),
    ("revision", 0, LARGEST),
    ("floor", -LARGEST, LARGEST),
    ("ceiling", -LARGEST, LARGEST),
    ("shards", 1, MAX_SHARDS),
    ("span", 1, MAX_SHARDS),
    ("amount", -LARGEST, LARGEST),
    ("source_value", -LARGEST, LARGEST),
    ("target_value", -LARGEST, LARGEST),
    ("shard", 0, MAX_SHARDS),
    ("source_shard", 0, MAX_SHARDS),
    ("target_shard", 0, MAX_SHARDS),
    ("expires", 0, LARGEST),
)


def sound(table: str, item: Item) -> Item:
    """Return the item, or raise `CorruptRecord` with the first attribute that is not as it must be.

    Of an item under another program's hands, or a person's, the rest is not used either.
    """
    for name, least, most in _NUMBERS:
        if name in item and not _is_integer(item[name], least, most):
            raise _corrupt(table, item, name)
    if int(item.get("format", {}).get("N", FORMAT)) > FORMAT:
        raise CorruptRecord(table, item["pk"]["S"], "format", item["format"], newer=True)
    if "span" in item or "shards" in item:
        _check_header(table, item)
    if "era" in item and not isinstance(item["era"].get("S"), str):
        raise _corrupt(table, item, "era")
    for name in item:
        if name.startswith(DONE) and not _is_integer(item[name], -LARGEST, LARGEST):
            raise _corrupt(table, item, name)
        if name.startswith(CALL) and not _is_entry(item, name):
            raise _corrupt(table, item, name)
    return item


def whole(table: str, item: Item) -> Item:
    """Return the item, or raise `CorruptRecord` if it is not one of a counter, with all it has."""
    sound(table, item)
    is_header = "#" not in item["pk"]["S"].removeprefix(PREFIX)
    wanted = [*ESCROW, *(_HEADER if is_header else ()), *(("kept",) if "era" in item else ())]
    for name in wanted:
        if name not in item:
            raise _corrupt(table, item, name)
    return item


def revised(table: str, header: Item) -> int:
    """Return the revision that a change has to find, or raise `CorruptRecord` if there is none."""
    if "revision" not in header:
        raise _corrupt(table, header, "revision")
    return int(header["revision"]["N"])


def balanced(table: str, items: Sequence[Mapping[str, Any]], bounds: Bounds) -> None:
    """Raise `CorruptRecord` if a counter's items together cannot be those of its bounds."""
    room = bounds.most - bounds.least + 1
    for name, least, most in (
        ("value", bounds.least, bounds.most),
        ("up", 0, room),
        ("down", 0, room),
    ):
        if not least <= total(items, name) <= most:
            item = max(items, key=lambda item: abs(integer(item, name)))
            raise _corrupt(table, dict(item), name)


def record(table: str, item: Item) -> Item:
    """Return the item, or raise `CorruptRecord` if it is no record of a key, with all it has."""
    sound(table, item)
    for name in (*_RECORD, *(_TRANSFER if "target" in item else ("value",))):
        if name not in item:
            raise _corrupt(table, item, name)
    if "target" in item and not isinstance(item["target"].get("S"), str):
        raise _corrupt(table, item, "target")
    return item


def _check_header(table: str, item: Item) -> None:
    shards, span = (int(item.get(name, {}).get("N", "0")) for name in ("shards", "span"))
    if not 1 <= shards <= span:
        raise _corrupt(table, item, "span")
    for name in ESCROW:
        if name not in item:
            raise _corrupt(table, item, name)
    floor, ceiling = (item.get(name, {}).get("N") for name in ("floor", "ceiling"))
    if floor is not None and ceiling is not None and int(floor) > int(ceiling):
        raise _corrupt(table, item, "floor")


def _is_integer(attribute: Mapping[str, Any], least: int, most: int) -> bool:
    text = attribute.get("N")
    if not isinstance(text, str) or not text.removeprefix("-").isdecimal():
        return False
    return least <= int(text) <= most


def _is_entry(item: Item, name: str) -> bool:
    text = item[name].get("S")
    parts = text.split(" ", _ENTRY_PARTS - 1) if isinstance(text, str) else []
    if len(parts) != _ENTRY_PARTS or DONE + name.removeprefix(CALL) not in item:
        return False
    amount, expires, shard, _ = parts
    numbers = [amount.removeprefix("-"), expires, *([] if shard == NO_SHARD else [shard])]
    return all(part.isdecimal() for part in numbers)


def _corrupt(table: str, item: Item, name: str) -> CorruptRecord:
    return CorruptRecord(table, item["pk"]["S"], name, item.get(name))
