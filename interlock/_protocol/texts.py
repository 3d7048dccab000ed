"""Sequences of text as parameters: a bare string is one, letter by letter, and never meant so."""

from collections.abc import Iterable

from interlock._protocol.kinds import written
from interlock.errors import InvalidValue


def texts(parameter: str, given: Iterable[str]) -> tuple[str, ...]:
    """Return the strings of a sequence; `parameter` is the name it was given by.

    Raises `InvalidValue` for a bare string, with what to write instead, and for members that are
    no strings.
    """
    if isinstance(given, str | bytes):
        raise InvalidValue(
            parameter, f"{given!r} would be taken letter by letter; write {parameter}=[{given!r}]"
        )
    try:
        members = tuple(given)
    except TypeError:
        raise InvalidValue(
            parameter, f"{written(given)} is no sequence of strings; write {parameter}=[...]"
        ) from None
    for member in members:
        if not isinstance(member, str):
            raise InvalidValue(
                parameter, f"{written(member)} is no string; give strings, one by one"
            )
    return members
