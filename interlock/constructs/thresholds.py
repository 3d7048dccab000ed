"""Refuse as the threshold of an alarm what every minute reaches, or none."""

from math import isfinite

from aws_cdk import Duration, Token


def is_number(given: object) -> bool:
    """Return whether an alarm can be compared with it."""
    return isinstance(given, int | float) and not isinstance(given, bool) and isfinite(given)


def check_count(name: str, given: object) -> None:
    """Raise `ValueError` unless some minutes reach a count, and others do not."""
    if given is None:
        return
    # A number that is known when the stack is deployed is, until then, a float below zero.
    known = not isinstance(given, int | float) or not isfinite(given) or given >= 0
    whole = isinstance(given, int) and not isinstance(given, bool) and given >= 1
    if not whole and (known or not Token.is_unresolved(given)):
        raise ValueError(
            f"{name} is {given!r}: give a number of 1 or more, or None for no alarm; every minute "
            "reaches 0"
        )


def check_time(name: str, given: object) -> None:
    """Raise `ValueError` unless some waits last as long, and others do not."""
    if given is None:
        return
    if not isinstance(given, Duration):
        raise ValueError(  # noqa: TRY004 - as for any other value that is no threshold
            f"{name} is {given!r}: give a Duration, Duration.seconds(5), or None for no alarm"
        )
    if not given.is_unresolved() and given.to_milliseconds() < 1:
        raise ValueError(f"{name} is 0: give a longer Duration, or None for no alarm")
