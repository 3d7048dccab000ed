"""Operators and functions of conditions, on two values.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html
"""

from interlock.testing._store.attributes import Attribute, comparable


def equal(left: Attribute | None, right: Attribute | None) -> bool:
    """Whether both are there and equal: of one type, and of one value."""
    return left is not None and left == right


def ordered(operator: str, left: Attribute | None, right: Attribute | None) -> bool:
    """Whether the order holds; there is none across types or for what is missing."""
    pair = comparable(left, right)
    if pair is None:
        return False
    a, b = pair
    match operator:
        case "<":
            return bool(a < b)
        case "<=":
            return bool(a <= b)
        case ">":
            return bool(a > b)
    return bool(a >= b)


def begins_with(whole: Attribute | None, start: Attribute | None) -> bool:
    """Whether a string or binary begins with another."""
    if whole is None or start is None:
        return False
    ((kind, value),) = whole.items()
    return kind in ("S", "B") and kind in start and value.startswith(start[kind])


def contains(whole: Attribute | None, part: Attribute | None) -> bool:
    """Whether a string has this part, or a list or set this member."""
    if whole is None or part is None:
        return False
    ((kind, value),) = whole.items()
    ((part_kind, part_value),) = part.items()
    if kind == "L":
        return part in value
    if kind in ("SS", "NS", "BS"):
        return part_kind == kind[0] and part_value in value
    return kind in ("S", "B") and part_kind == kind and part_value in value


def is_type(attribute: Attribute | None, name: Attribute) -> bool:
    """Whether the value is there and of the type that is named."""
    return attribute is not None and name["S"] in attribute


def size(attribute: Attribute | None) -> Attribute | None:
    """Return how long a value is; None where the store knows no length."""
    if attribute is None:
        return None
    ((kind, value),) = attribute.items()
    if kind in ("N", "BOOL", "NULL"):
        return None
    return {"N": str(len(value))}
