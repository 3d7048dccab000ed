"""The meaning of an idempotency key: the operation's name, and a hash of its arguments."""

import datetime as dt
import enum
import hashlib
import inspect
import json
import sys
import uuid
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from decimal import Decimal
from functools import partial
from types import CodeType
from typing import Any

from interlock._protocol.kinds import checked_text
from interlock._protocol.values import binary_of, to_attribute
from interlock.errors import InvalidValue

MAX_OPERATION_BYTES = 512


def fingerprint(payload: Any, *parts: Any) -> str:
    """Return a SHA-256 that is the same for equal payloads, whatever their order of keys.

    A payload is only hashed, so it may hold what DynamoDB cannot: floats, dates, UUIDs, enums,
    dataclasses, sets and maps with any such keys. Equal numbers are alike (`1`, `1.0`, and
    `Decimal(1)`), and so are a list and a tuple, and times that are the same instant. Raises
    `InvalidValue`.
    """
    try:
        return _hash([_canonical(payload, "payload"), *parts])
    except RecursionError:
        raise InvalidValue("payload", "is nested too deeply, or contains itself") from None


def unscoped_fingerprint(payload: Any) -> str:
    """Return the hash that records had before keys belonged to operations."""
    try:
        typed = to_attribute(payload, "payload")
    except InvalidValue:  # also of what contains itself
        return fingerprint(payload)  # which no record from then can have

    def binary(value: bytes) -> dict[str, str]:
        return {"hex": value.hex()}

    text = json.dumps(typed, sort_keys=True, separators=(",", ":"), default=binary)
    return hashlib.sha256(text.encode()).hexdigest()


def operation_of(function: Callable[..., Any]) -> str:
    """Return the module and the qualified name of a function, which scope its keys.

    Raises `InvalidValue` for a name that is too long for a key.
    """
    function = _function(function)
    named: Any = function if hasattr(function, "__qualname__") else type(function)
    name = f"{_module(named.__module__)}.{named.__qualname__}"
    return checked_operation(name)


def checked_operation(name: str) -> str:
    """Return the name of an operation if it can scope keys."""
    checked_text("operation", name, wanted="a name, such as 'orders.ship'")
    if "#" in name:
        raise InvalidValue("operation", f"{name!r} has a '#', which ends it in the record's key")
    if len(name.encode("utf-8", "surrogatepass")) > MAX_OPERATION_BYTES:
        raise InvalidValue("operation", f"is longer than {MAX_OPERATION_BYTES} bytes; name it")
    return name


def code_of(function: Callable[..., Any]) -> str | None:
    """Return a hash of what a lambda does, as its name says nothing; None for other functions.

    Of its code alone, whatever the line that it is on.
    """
    function = _function(function)
    code = getattr(function, "__code__", None)
    if getattr(function, "__name__", "") != "<lambda>" or not isinstance(code, CodeType):
        return None
    return _hash(_code(code))


def arguments_of(function: Callable[..., Any]) -> Any:
    """Return the arguments that a `functools.partial` has bound, None for another callable."""
    function = inspect.unwrap(function)
    if isinstance(function, partial):
        return [arguments_of(function.func), list(function.args), function.keywords]
    return None


def _function(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return what a partial or a decorator has wrapped."""
    function = inspect.unwrap(function)
    return _function(function.func) if isinstance(function, partial) else function


def _module(name: str) -> str:
    """Return a module's name, that of the program too, however it was started."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    return str(spec.name) if name == "__main__" and spec is not None else name


def _code(code: CodeType) -> list[Any]:
    constants = [_code(c) if isinstance(c, CodeType) else repr(c) for c in code.co_consts]
    return [code.co_code.hex(), list(code.co_names), list(code.co_freevars), constants]


def _hash(value: Any) -> str:
    return hashlib.sha256(_text(value).encode()).hexdigest()


def _text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _canonical(value: Any, path: str) -> list[Any]:  # noqa: C901, PLR0911 - one return a type
    """Return the type and the content of a value, as JSON can have them."""
    binary = binary_of(value)
    if binary is not None:
        return ["binary", binary.hex()]
    match value:
        case enum.Enum():
            return _canonical(value.value, path)
        case None | bool() | str():
            return ["plain", value]
        case int() | float() | Decimal():
            return ["number", _number(value)]
        case Mapping():
            return ["map", _pairs(value.items(), path)]
        case list() | tuple():
            return ["list", [_canonical(v, f"{path}[{i}]") for i, v in enumerate(value)]]
        case AbstractSet():
            return ["set", sorted(_text(_canonical(member, path)) for member in value)]
        case uuid.UUID():
            return ["uuid", value.hex]
        case dt.datetime() if value.tzinfo is not None:
            return ["instant", value.astimezone(dt.UTC).isoformat()]
        case dt.datetime() | dt.date() | dt.time():
            return [type(value).__name__, value.isoformat()]
        case dt.timedelta():
            return ["duration", str(value // dt.timedelta(microseconds=1))]
    if hasattr(type(value), "__dataclass_fields__"):
        from dataclasses import fields  # noqa: PLC0415 - only for payloads that have some

        return ["map", _pairs([(f.name, getattr(value, f.name)) for f in fields(value)], path)]
    raise InvalidValue(
        path, f"{type(value).__name__} has no hash that another process would agree on"
    )


def _pairs(items: Iterable[tuple[Any, Any]], path: str) -> list[Any]:
    pairs = [
        (_text(_canonical(key, path)), _canonical(value, f"{path}[{key!r}]"))
        for key, value in items
    ]
    return [list(pair) for pair in sorted(pairs, key=lambda pair: pair[0])]


def _number(value: float | Decimal) -> str:
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not number.is_finite():
        return str(number)
    sign, digits, exponent = number.as_tuple()
    text = "".join(map(str, digits)).lstrip("0")
    kept = text.rstrip("0")
    if not kept:
        return "0"
    assert isinstance(exponent, int)  # noqa: S101 - it is, of a finite number
    return f"{'-' if sign else ''}{kept}e{exponent + len(text) - len(kept)}"
