"""Durations as parameters: only a `timedelta` says its unit, and not each of them can be meant."""

from datetime import timedelta

from interlock._protocol.kinds import written
from interlock.errors import InvalidValue

_LONGEST = timedelta.max.days * 86400.0  # what is longer in floats is too long for a timedelta


def seconds(
    parameter: str, duration: timedelta, *, positive: bool = False, least: float | None = None
) -> float:
    """Return a duration in seconds; `parameter` is the name it was given by.

    Raises `InvalidValue` for what is no duration, with what to write instead, for one that is not
    `positive`, and for one of less than `least` seconds.
    """
    if not isinstance(duration, timedelta):
        what = f"{written(duration)} is not a timedelta"
        if isinstance(duration, int | float) and not isinstance(duration, bool):
            what += f"; for seconds write timedelta(seconds={written(duration)})"
        raise InvalidValue(parameter, what)
    if positive and duration <= timedelta():
        raise InvalidValue(parameter, f"{duration} is not positive")
    if least is not None and duration.total_seconds() < least:
        raise InvalidValue(parameter, f"{duration} is less than {timedelta(seconds=least)}")
    return duration.total_seconds()


def patience(timeout: timedelta) -> float:
    """Return a time-out in seconds: 0, which is one look, for one that is over (`deadline - now`).

    Raises `InvalidValue` for what is no duration.
    """
    return max(0.0, seconds("timeout", timeout))


def as_duration(seconds: float) -> timedelta:
    """Return so many seconds, as far as a timedelta reaches."""
    return timedelta(seconds=min(seconds, _LONGEST))
