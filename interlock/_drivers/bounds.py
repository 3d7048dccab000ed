"""The longest that one call of a client may hang, beside the lease or timeout that it serves."""

import warnings
from collections.abc import Mapping
from math import isfinite
from typing import Any, NamedTuple

CONNECT_TIMEOUT = 1.0
READ_TIMEOUT = 2.0


class Bound(NamedTuple):
    """A time that one call must not outlast: its name, seconds, and what happens if it does."""

    name: str
    seconds: float
    otherwise: str


def lease_bound(seconds: float) -> Bound:
    """Return the bound of a client that renews leases."""
    return Bound("lease", seconds, "one such call loses every lock that is held")


def timeout_bound(seconds: float) -> Bound:
    """Return the bound of a client whose operations repeat calls until their time is over."""
    return Bound("timeout", seconds, "one such call leaves no time to repeat it")


def longest_call(client: Any) -> tuple[float, float, int]:
    """Return how long a client waits for a connection and for an answer (s), and how often.

    Each attempt may wait for both. What is not a client of botocore is taken for a quick one.
    """
    config = getattr(getattr(client, "meta", None), "config", None)
    forever = float("inf")  # botocore's None waits for ever
    connect, read = (getattr(config, name, 0.0) for name in ("connect_timeout", "read_timeout"))
    attempts = _attempts(client, getattr(config, "retries", None) or {})
    return (forever if connect is None else connect, forever if read is None else read, attempts)


def _attempts(client: Any, retries: Mapping[str, Any]) -> int:
    """Return how often a client makes a call that is not answered.

    https://docs.aws.amazon.com/boto3/latest/guide/retries.html; DynamoDB has its own number in the
    legacy mode, which is boto3's default.
    """
    if "total_max_attempts" in retries:
        return int(retries["total_max_attempts"])
    if "max_attempts" in retries:
        return int(retries["max_attempts"]) + 1
    if retries.get("mode", "legacy") != "legacy":
        return 3
    service = getattr(
        getattr(getattr(client, "meta", None), "service_model", None), "service_name", None
    )
    return 10 if service == "dynamodb" else 5


def warn_of_timeouts(client: Any, bound: Bound) -> None:
    """Warn of a client of which one call that hangs would outlast the bound."""
    connect, read, attempts = longest_call(client)
    longest = (connect + read) * attempts
    if longest <= bound.seconds:
        return
    advice = "Make it with config=interlock.client_config()"
    if longest <= CONNECT_TIMEOUT + READ_TIMEOUT:
        advice = f"Make its time-outs shorter, or the {bound.name} longer"
    warnings.warn(
        f"a call of this client may hang for {_said(longest)} ({_said(connect)} for a connection "
        f"and {_said(read)} for an answer, {attempts} attempt{'s' * (attempts > 1)}), longer "
        f"than the {bound.name} of {bound.seconds:g} s: {bound.otherwise}. {advice}",
        RuntimeWarning,
        stacklevel=_level_of_the_application(),
    )


def _said(seconds: float) -> str:
    return f"{seconds:g} s" if isfinite(seconds) else "ever"


def _level_of_the_application() -> int:
    """Return the `stacklevel`, for the function that calls this, of the first frame not ours."""
    from inspect import currentframe  # only to warn

    frame, level = currentframe(), 0
    while frame is not None and frame.f_globals.get("__name__", "").startswith("interlock."):
        frame, level = frame.f_back, level + 1
    return level
