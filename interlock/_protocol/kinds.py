"""Values at the door: one of another kind is refused by its parameter's name, with the way out."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from interlock.errors import InvalidValue

_MOST_SHOWN = 120  # characters
_LONGEST_ARN = 1024  # of a table


def written(given: Any) -> str:
    """Return a value as one would write it, cut short."""
    try:
        text = repr(given)
    except Exception:  # noqa: BLE001 - lists within lists, 5,000 digits, or what a class does
        return "a value without a text"
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."


def shown(given: Any) -> str:
    """Return a value as an error's text has it: cut short, and with its type."""
    return "None" if given is None else f"{written(given)} ({type(given).__name__})"


def checked_text(parameter: str, given: str, *, wanted: str = "a string") -> str:
    """Return a string that is not empty, or raise `InvalidValue`."""
    if not isinstance(given, str):
        raise InvalidValue(parameter, f"{shown(given)} is not {wanted}")
    if not given:
        raise InvalidValue(parameter, f"is empty; it is {wanted}")
    return _encodable(parameter, given)


def optional_text(parameter: str, given: str | None) -> str | None:
    """Return a string that may be empty, or None; else raise `InvalidValue`."""
    if given is not None and not isinstance(given, str):
        raise InvalidValue(parameter, f"{shown(given)} is neither a string nor None")
    return None if given is None else _encodable(parameter, given)


def _encodable(parameter: str, given: str) -> str:
    try:
        given.encode()
    except UnicodeEncodeError as error:
        raise InvalidValue(parameter, "holds a lone surrogate, not UTF-8") from error
    return given


def checked_table(given: str) -> str:
    """Return the name (or ARN) of a table, or raise `InvalidValue`."""
    if not isinstance(given, str) or not given:
        raise InvalidValue("table", f"{shown(given)} is not a table's name")
    if len(given) > _LONGEST_ARN or not given.isascii():
        wanted = "up to 255 letters, digits and . _ -, or an ARN"
        raise InvalidValue("table", f"{shown(given)} is no table's name ({wanted})")
    return given


def checked_key(given: str, most: int) -> str:
    """Return an idempotency key of at most so many bytes, or raise `InvalidValue`."""
    wanted = f"a string of 1-{most} bytes"
    if not isinstance(given, str):
        number = f"write idempotency_key='{written(given)}'"
        way_out = number if isinstance(given, int) else "name by it what the call is about"
        raise InvalidValue(
            "idempotency_key",
            f"{shown(given)} is not {wanted}; {way_out}",
        )
    length = len(_encodable("idempotency_key", given).encode())
    if not length:
        raise InvalidValue("idempotency_key", f"is empty; it is {wanted}")
    if length > most:
        raise InvalidValue("idempotency_key", f"{shown(given)} is longer than {most} bytes")
    return given


def checked_bytes(parameter: str, given: bytes) -> bytes:
    """Return bytes, or raise `InvalidValue`."""
    if not isinstance(given, bytes | bytearray | memoryview):
        way_out = "; write .encode() behind it" if isinstance(given, str) else ""
        raise InvalidValue(parameter, f"{shown(given)} is not bytes{way_out}")
    return bytes(given)


def checked_mapping(
    parameter: str, given: Mapping[str, Any], example: str = '{"name": ...}'
) -> Mapping[str, Any]:
    """Return a mapping, or raise `InvalidValue`; `example` is one that is meant."""
    if not isinstance(given, Mapping):
        raise InvalidValue(parameter, f"{shown(given)} is not a mapping; write {example}")
    return given


def checked_function(parameter: str, given: Callable[..., Any], wanted: str) -> Any:
    """Return what can be called, or raise `InvalidValue`; `wanted` says what it is to be."""
    if not callable(given):
        raise InvalidValue(parameter, f"{shown(given)} cannot be called; pass {wanted}")
    return given


def optional_function(parameter: str, given: Any, wanted: str) -> Any:
    """Return what can be called, or None; else raise `InvalidValue`."""
    return None if given is None else checked_function(parameter, given, wanted)


def checked_object(parameter: str, given: Any, methods: Sequence[str], wanted: str) -> Any:
    """Return what has these methods, or raise `InvalidValue`; `wanted` says what to pass."""
    # A class has them too, and is not yet an object that they can be called of.
    if isinstance(given, type) or not all(callable(getattr(given, name, None)) for name in methods):
        raise InvalidValue(parameter, f"{shown(given)} is not one; pass {wanted}")
    return given


def optional_object(parameter: str, given: Any, methods: Sequence[str], wanted: str) -> Any:
    """Return what has these methods, or None; else raise `InvalidValue`."""
    return None if given is None else checked_object(parameter, given, methods, wanted)


def checked_metrics(given: Any) -> Any:
    """Return a receiver of metrics, or None; else raise `InvalidValue`."""
    return optional_object("metrics", given, ("record",), "EmbeddedMetrics(), say")


def checked_instance(parameter: str, given: Any, kind: type | tuple[type, ...], wanted: str) -> Any:
    """Return an object of a class, or raise `InvalidValue`; `wanted` says what to pass."""
    if not isinstance(given, kind):
        raise InvalidValue(parameter, f"{shown(given)} is not one; pass {wanted}")
    return given


def checked_choice(parameter: str, given: str, choices: Iterable[str]) -> str:
    """Return one of several texts, or raise `InvalidValue`."""
    known = list(choices)
    if given not in known:
        raise InvalidValue(parameter, f"{shown(given)} is none of {', '.join(known)}")
    return given
