"""Native Python values and DynamoDB's typed attribute values, each as the other.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_AttributeValue.html
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from decimal import Context, Decimal, DecimalException, Inexact, Overflow, Subnormal
from typing import Any, TypeAlias

from interlock._protocol.kinds import shown, written
from interlock.errors import InvalidValue

Attribute: TypeAlias = dict[str, Any]
Item: TypeAlias = dict[str, Any]

MAX_DIGITS = 38
MAX_DEPTH = 32
MAX_NAME_BYTES = 65535
# The store's numbers: 38 significant digits, 1E-130 to 9.99...E+125 in magnitude.
NUMBERS = Context(prec=MAX_DIGITS, Emin=-130, Emax=125, traps=[Overflow, Subnormal, Inexact])
_BINARY = (bytes, bytearray, memoryview)


def to_attribute(value: Any, path: str = "value", depth: int = 0) -> Attribute:  # noqa: PLR0911 - one return a type
    """Return the typed form of a value: `3` becomes `{"N": "3"}`.

    Takes None, bool, int, Decimal, str, bytes (boto3's `Binary` too), and lists, tuples, sets and
    string-keyed mappings of these. Equal numbers come out alike (`Decimal("1.0")` as `"1"`), so
    that typed values can be compared. Raises `InvalidValue` that names the place by `path`, for a
    float too: binary fractions do not survive the store's decimal numbers.
    """
    binary = binary_of(value)
    if binary is not None:
        return {"B": binary}
    if depth > MAX_DEPTH:  # or without end, if it holds itself
        raise InvalidValue(path, f"is nested more than {MAX_DEPTH} levels deep")
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case int() | Decimal():
            return {"N": number_text(value, path)}
        case str():
            return {"S": _text(value, path)}
        case Mapping():
            return {"M": to_item(value, path, depth + 1)}
        case list() | tuple():
            return {"L": [to_attribute(v, f"{path}[{i}]", depth + 1) for i, v in enumerate(value)]}
        case AbstractSet():
            return _set(value, path)
    hint = "; use decimal.Decimal" if isinstance(value, float) else ""
    raise InvalidValue(path, f"{type(value).__name__} cannot be stored{hint}")


def from_attribute(attribute: Mapping[str, Any]) -> Any:  # noqa: PLR0911 - one return a type
    """Return the native value of a typed one.

    A number becomes an int where it is whole, else a Decimal; a binary becomes bytes.
    """
    ((kind, value),) = attribute.items()
    match kind:
        case "NULL":
            return None
        case "BOOL" | "S":
            return value
        case "N":
            return _number(value)
        case "B":
            return bytes(value)
        case "M":
            return from_item(value)
        case "L":
            return [from_attribute(member) for member in value]
        case "SS":
            return set(value)
        case "NS":
            return {_number(member) for member in value}
        case "BS":
            return {bytes(member) for member in value}
    raise InvalidValue("attribute", f"DynamoDB has no type {kind!r}")


def binary_of(value: Any) -> bytes | None:
    """Return the bytes of a binary value, None for a value of another kind."""
    if isinstance(value, _BINARY):
        return bytes(value)
    # boto3's resources return binaries in a class of their own, which is not imported for this.
    if type(value).__module__ == "boto3.dynamodb.types" and type(value).__name__ == "Binary":
        return bytes(value.value)
    return None


def to_item(values: Mapping[str, Any], path: str = "item", depth: int = 0) -> Item:
    """Return the typed form of an item (or map): attribute names to typed values."""
    if not isinstance(values, Mapping):
        raise InvalidValue(path, f"{shown(values)} is not a mapping of attribute names to values")
    item = {}
    for name, value in values.items():
        checked_attribute_name(name, path)
        item[name] = to_attribute(value, f"{path}[{name!r}]", depth)
    return item


def checked_attribute_name(name: str, path: str) -> str:
    """Return a name that an attribute can have, or raise `InvalidValue` with its place.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
    """
    if not isinstance(name, str):
        raise InvalidValue(path, f"attribute name {written(name)} is not a string")
    if not name:
        raise InvalidValue(path, "an attribute's name is empty, which DynamoDB takes nowhere")
    try:
        length = len(name.encode())
    except UnicodeEncodeError as error:
        why = f"attribute name {written(name)} holds a lone surrogate and has no UTF-8"
        raise InvalidValue(path, why) from error
    if length > MAX_NAME_BYTES:
        raise InvalidValue(path, f"attribute name {written(name)} exceeds {MAX_NAME_BYTES} bytes")
    return name


def from_item(item: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the native form of an item (or map)."""
    return {name: from_attribute(attribute) for name, attribute in item.items()}


def number_text(value: int | Decimal, path: str = "value") -> str:
    """Return the one decimal text of a number; raise `InvalidValue` for what the store rounds."""
    try:
        exact = NUMBERS.create_decimal(value)
    except DecimalException:
        exact = None
    if exact is None or not exact.is_finite():
        limits = f"finite, {MAX_DIGITS} significant digits, magnitude 1E-130 to 9.99E+125"
        raise InvalidValue(path, f"{shown(value)} is outside the store's numbers ({limits})")
    if exact == exact.to_integral_value():
        return str(int(exact))
    return str(exact.normalize(NUMBERS))


def _number(text: str) -> int | Decimal:
    number = Decimal(text)
    return int(number) if number == number.to_integral_value() else number


def _text(value: str, path: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidValue(path, "the string holds a lone surrogate and has no UTF-8") from error
    return value


def _set(value: AbstractSet[Any], path: str) -> Attribute:
    if not value:
        raise InvalidValue(path, "DynamoDB has no empty set; leave the attribute out")
    if all(isinstance(member, str) for member in value):
        return {"SS": sorted(_text(member, path) for member in value)}
    if all(isinstance(m, int | Decimal) and not isinstance(m, bool) for m in value):
        return {"NS": sorted(number_text(member, path) for member in value)}
    binaries = [binary_of(member) for member in value]
    if all(binary is not None for binary in binaries):
        return {"BS": sorted(binary for binary in binaries if binary is not None)}
    raise InvalidValue(path, "a set holds only strings, only numbers or only bytes")
