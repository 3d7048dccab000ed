"""Typed attribute values as the store keeps them: one spelling for equal values, sizes, order.

Numbers become their shortest plain decimal text and sets are sorted, so that equal values are
equal dictionaries. Stored values are never changed in place.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
"""

from collections.abc import Callable, Mapping
from decimal import Context, Decimal, Inexact, InvalidOperation
from itertools import pairwise
from typing import Any, TypeAlias

from interlock._protocol.faults import Refused

Attribute: TypeAlias = Mapping[str, Any]
Item: TypeAlias = dict[str, Any]

MAX_DIGITS = 38
_EXACT = Context(prec=400, traps=[Inexact, InvalidOperation])
_LARGEST = Decimal("9.9999999999999999999999999999999999999E+125")
_SMALLEST = Decimal("1E-130")
_MAX_DEPTH = 32
_RANGE = "Attempting to store a number with magnitude"
_NO_TYPE = "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"


def invalid(message: str) -> Refused:
    """Return the store's refusal of a request that makes no sense."""
    return Refused("ValidationException", message)


def number(text: str) -> Decimal:
    """Return a number attribute's value, or refuse what the store cannot hold."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise invalid(f"The parameter cannot be converted to a numeric value: {text}") from None
    if not value.is_finite():
        raise invalid(f"The parameter cannot be converted to a numeric value: {text}")
    return value


def number_text(value: Decimal) -> str:
    """Return the one text of a number; refuse more digits or magnitude than the store has."""
    if not value:
        return "0"
    if abs(value) > _LARGEST:
        raise invalid(f"Number overflow. {_RANGE} larger than supported range")
    if abs(value) < _SMALLEST:
        raise invalid(f"Number underflow. {_RANGE} smaller than supported range")
    if len(value.as_tuple().digits) > MAX_DIGITS:
        value = value.normalize(_EXACT)
        if len(value.as_tuple().digits) > MAX_DIGITS:
            raise invalid("Attempting to store more than 38 significant digits in a Number")
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def add_numbers(left: str, right: str, sign: int = 1) -> str:
    """Return `left + sign * right`, exactly; refuse a result that the store would round."""
    if len(left) < MAX_DIGITS and len(right) < MAX_DIGITS and "." not in left + right:
        return number_text(Decimal(int(left) + sign * int(right)))
    exactly = _EXACT.add if sign > 0 else _EXACT.subtract
    return number_text(exactly(Decimal(left), Decimal(right)))


def canonical(  # noqa: C901, PLR0911 - one return a type
    attribute: Attribute, depth: int = 0
) -> Attribute:
    """Return a value as the store keeps it, or refuse it."""
    if len(attribute) != 1:
        raise invalid(
            "Supplied AttributeValue has more than one datatypes set, "
            "must contain exactly one of the supported datatypes"
            if attribute
            else _NO_TYPE
        )
    ((kind, value),) = attribute.items()
    # Scalars come in by the thousand: what is canonical already is kept as it is.
    if kind == "S":
        return attribute
    if kind == "N":
        text = _number_text(value)
        return attribute if text is value else {"N": text}
    if depth >= _MAX_DEPTH:
        raise invalid("Nesting Levels have exceeded supported limits")
    match kind:
        case "BOOL":
            return {"BOOL": bool(value)}
        case "NULL":
            if value is not True:
                raise invalid("Null attribute value types must have the value of true")
            return {"NULL": True}
        case "B":
            return {"B": bytes(value)}
        case "M":
            return {"M": {name: canonical(member, depth + 1) for name, member in value.items()}}
        case "L":
            return {"L": [canonical(member, depth + 1) for member in value]}
        case "SS" | "NS" | "BS":
            return {kind: _canonical_set(kind, value)}
    raise invalid(_NO_TYPE)


def canonical_item(item: Mapping[str, Attribute]) -> Item:
    """Return a whole item as the store keeps it, or refuse it."""
    return {name: canonical(attribute) for name, attribute in item.items()}


def comparable(left: Attribute | None, right: Attribute | None) -> tuple[Any, Any] | None:
    """Return both values' order keys, or None where the store has no order between them."""
    if left is None or right is None:
        return None
    ((kind, a),) = left.items()
    ((other, b),) = right.items()
    if kind != other or kind not in ("N", "S", "B"):
        return None
    return (Decimal(a), Decimal(b)) if kind == "N" else (a, b)


def item_size(item: Mapping[str, Attribute]) -> int:
    """Return the bytes that an item counts for.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
    """
    return sum(_text_size(name) + value_size(value) for name, value in item.items())


def exceeds(item: Mapping[str, Attribute], limit: int) -> bool:
    """Whether an item counts for more than `limit` bytes; cheap where it is far from it."""
    return at_most(item) > limit and item_size(item) > limit


def at_most(members: Mapping[str, Attribute]) -> int:
    """Return a number of bytes that attributes do not exceed, near to what they count for."""
    most = 0
    for name, attribute in members.items():
        most += len(name) if name.isascii() else 4 * len(name)
        ((kind, value),) = attribute.items()
        if kind == "S":
            most += len(value) if value.isascii() else 4 * len(value)
        elif kind == "N":
            most += len(value) + 1
        elif kind == "M":
            most += 3 + len(value) + at_most(value)
        else:
            most += value_size(attribute)
    return most


def value_size(attribute: Attribute) -> int:  # noqa: PLR0911 - one return a type
    """Return the bytes that one value counts for."""
    ((kind, value),) = attribute.items()
    match kind:
        case "S":
            return _text_size(value)
        case "N":
            return _number_size(value)
        case "B":
            return len(value)
        case "BOOL" | "NULL":
            return 1
        case "M":
            return 3 + sum(1 + _text_size(name) + value_size(v) for name, v in value.items())
        case "L":
            return 3 + sum(1 + value_size(member) for member in value)
    member_size: Callable[[Any], int] = {"SS": _text_size, "NS": _number_size, "BS": len}[kind]
    return sum(member_size(member) for member in value)


def _number_text(text: Any) -> str:
    if not isinstance(text, str):
        raise TypeError(f"a number travels as text, not {text!r}")
    if text.isdecimal() and text.isascii() and len(text) <= MAX_DIGITS and text[0] != "0":
        return text
    return number_text(number(text))


def _number_size(text: str) -> int:
    digits = text.strip("-").replace(".", "").strip("0")
    return (len(digits) + 1) // 2 + 1 + text.startswith("-")


def _text_size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _canonical_set(kind: str, members: Any) -> list[Any]:
    if not members:
        raise invalid("An string set  may not be empty")
    if kind == "NS":
        values: list[Any] = sorted((_number_text(member) for member in members), key=Decimal)
    else:
        values = sorted(members)
    if any(a == b for a, b in pairwise(values)):
        raise invalid("Input collection contains duplicates")
    return values
