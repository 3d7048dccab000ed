"""Buffered writes: what they make of an item, and how two of them become one.

DynamoDB takes one action an item in a transaction, so the writes of a transaction to the same item
are merged as they come.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal, DecimalException
from typing import Any, TypeAlias

from interlock._dataclasses import dataclass, field
from interlock._protocol.texts import texts
from interlock._protocol.transactions.items import Address
from interlock._protocol.values import (
    NUMBERS,
    Attribute,
    Item,
    checked_attribute_name,
    number_text,
    to_item,
)
from interlock.errors import InvalidValue

_SETS = ("SS", "NS", "BS")


@dataclass(frozen=True, slots=True)
class Put:
    """The whole item, key included, in typed form."""

    item: Item

    def apply(self, _item: Item | None, _address: Address) -> Item:
        """Return the item after this write."""
        return self.item


@dataclass(frozen=True, slots=True)
class Delete:
    """No item any more."""

    def apply(self, _item: Item | None, _address: Address) -> None:
        """Return nothing: there is no item after this write."""


@dataclass(frozen=True, slots=True)
class Update:
    """Some attributes of the item, which is made if it is not there."""

    assign: Item = field(default_factory=dict)
    add: Item = field(default_factory=dict)
    remove: frozenset[str] = frozenset()

    def apply(self, item: Item | None, address: Address) -> Item:
        """Return the item after this write."""
        kept = {k: v for k, v in (item or address.key).items() if k not in self.remove}
        added = {name: total(kept.get(name), value, name) for name, value in self.add.items()}
        return kept | self.assign | added

    def then(self, later: "Update") -> "Update":
        """Return the one update that has the effect of this one and then the later one."""
        assign = {k: v for k, v in self.assign.items() if k not in later.remove} | later.assign
        replaced = later.remove | later.assign.keys()
        add = {k: v for k, v in self.add.items() if k not in replaced}
        remove = (self.remove - later.assign.keys()) | later.remove
        for name, value in later.add.items():
            if name in assign:
                assign[name] = total(assign[name], value, name)
            elif name in remove:
                assign[name], remove = value, remove - {name}
            else:
                add[name] = total(add.get(name), value, name)
        return Update(assign, add, remove)


Write: TypeAlias = Put | Delete | Update


def merged(earlier: Write | None, later: Write, address: Address) -> Write:
    """Return the one write that has the effect of both."""
    if earlier is None or not isinstance(later, Update):
        return later
    if isinstance(earlier, Update):
        return earlier.then(later)
    return Put(later.apply(earlier.apply(None, address), address))


def update_of(
    assign: Mapping[str, Any], add: Mapping[str, Any], remove: Iterable[str], fixed: frozenset[str]
) -> Update:
    """Build an update from native values; `fixed` are the names that no caller may change."""
    removed = frozenset(checked_attribute_name(n, "remove") for n in texts("remove", remove))
    update = Update(to_item(assign, "values"), to_item(add, "add"), removed)
    names = [*update.assign, *update.add, *update.remove]
    for name in names:
        if name in fixed:
            raise InvalidValue(name, "neither a key nor the version attribute can be updated")
        if names.count(name) > 1:
            raise InvalidValue(name, "is changed in more than one way by the same update")
    for name, value in update.add.items():
        if not value.keys() & {"N", *_SETS}:
            raise InvalidValue(name, "only numbers and sets can be added to")
    return update


def total(base: Attribute | None, addend: Attribute, name: str) -> Attribute:
    """Return what DynamoDB's ADD makes of an attribute: the sum, or the union of two sets."""
    if base is None:
        return addend
    ((kind, value),) = addend.items()
    if kind not in base:
        raise InvalidValue(name, f"holds {next(iter(base))}; {kind} cannot be added to it")
    if kind in _SETS:
        return {kind: sorted({*base[kind], *value})}
    try:
        return {"N": number_text(NUMBERS.add(Decimal(base["N"]), Decimal(value)), name)}
    except DecimalException as error:
        raise InvalidValue(name, "the sum has more digits than the store keeps") from error


def size(item: Mapping[str, Any]) -> int:
    """Return about how many bytes an item takes, as DynamoDB counts them.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
    """
    return sum(len(name.encode()) + _weight(value) for name, value in item.items())


def _weight(attribute: Mapping[str, Any]) -> int:  # noqa: PLR0911 - one return a type
    ((kind, value),) = attribute.items()
    match kind:
        case "S":
            return len(value.encode())
        case "B":
            return len(value)
        case "N":
            return len(value.strip("-").replace(".", "").strip("0")) // 2 + 1
        case "M":
            return 3 + len(value) + size(value)
        case "L":
            return 3 + sum(1 + _weight(member) for member in value)
        case "SS" | "NS" | "BS":
            return sum(_weight({kind[0]: member}) for member in value)
    return 1


def typed(address: Address, attributes: Mapping[str, Any], version_attribute: str) -> Put:
    """Build a put from native attributes, of which the key may be part."""
    item = to_item(attributes, "attributes")
    for name, attribute in address.key.items():
        if item.setdefault(name, attribute) != attribute:
            raise InvalidValue(name, f"the item says {attributes[name]!r}, its key otherwise")
    if version_attribute in item:
        raise InvalidValue(
            version_attribute, "is the library's own; choose another version_attribute"
        )
    return Put(item)
