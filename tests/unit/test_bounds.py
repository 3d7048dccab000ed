"""How long one call of a client may hang, by its own settings."""

import warnings
from types import SimpleNamespace
from typing import Any

import pytest

from interlock._drivers.bounds import (
    lease_bound,
    longest_call,
    timeout_bound,
    warn_of_timeouts,
)


def client(connect: float | None = 1.0, read: float | None = 2.0, **more: Any) -> Any:
    """Return what has the settings of a client of botocore."""
    service = SimpleNamespace(service_name=more.pop("service", "kms"))
    config = SimpleNamespace(connect_timeout=connect, read_timeout=read, **more)
    return SimpleNamespace(meta=SimpleNamespace(config=config, service_model=service))


ONCE = {"total_max_attempts": 1}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (client(), (1.0, 2.0, 5)),
        (client(retries=None), (1.0, 2.0, 5)),
        (client(service="dynamodb"), (1.0, 2.0, 10)),
        (client(retries={"mode": "legacy"}), (1.0, 2.0, 5)),
        (client(retries={"mode": "standard"}), (1.0, 2.0, 3)),
        (client(retries={"mode": "adaptive"}, service="dynamodb"), (1.0, 2.0, 3)),
        (client(retries={"max_attempts": 3}), (1.0, 2.0, 4)),
        (client(retries={"max_attempts": 3, "total_max_attempts": 2}), (1.0, 2.0, 2)),
        (client(None, 2.0, retries=ONCE), (float("inf"), 2.0, 1)),
        (client(1.0, None, retries=ONCE), (1.0, float("inf"), 1)),
        (SimpleNamespace(), (0.0, 0.0, 5)),
    ],
)
def test_a_client_waits_as_its_settings_say(given, expected):
    assert longest_call(given) == expected


def told(client, bound):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        warn_of_timeouts(client, bound)
    assert all(each.filename == __file__ for each in seen)
    return [str(each.message) for each in seen]


def test_a_call_that_may_hang_for_as_long_as_its_bound_is_none_to_warn_of():
    twice = client(retries={"total_max_attempts": 2})
    assert told(twice, lease_bound(6.0)) == []
    (text,) = told(twice, lease_bound(5.9))
    assert text == (
        "a call of this client may hang for 6 s (1 s for a connection and 2 s for an answer, "
        "2 attempts), longer than the lease of 5.9 s: one such call loses every lock that is held. "
        "Make it with config=interlock.client_config()"
    )
    forever = client(None, retries=ONCE)
    assert "hang for ever (ever for a connection" in told(forever, timeout_bound(9.0))[0]


def test_the_warning_is_of_the_line_that_calls():
    with pytest.warns(RuntimeWarning, match="may hang") as seen:
        warn_of_timeouts(client(), lease_bound(1.0))
    (warning,) = seen
    assert warning.filename == __file__


@pytest.mark.parametrize(
    ("read", "advice"),
    [
        (2.0, "Make its time-outs shorter, or the timeout longer"),
        (2.5, "Make it with config=interlock.client_config()"),
    ],
)
def test_a_client_as_recommended_is_not_advised_to_be_one(read, advice):
    (text,) = told(client(read=read, retries=ONCE), timeout_bound(2.0))
    assert text.endswith(
        f"1 attempt), longer than the timeout of 2 s: one such call leaves no "
        f"time to repeat it. {advice}"
    )
