"""On Lambda nothing runs after the invocation, so no lease and no wait is planned beyond it."""

from datetime import timedelta
from types import SimpleNamespace

import pytest

from interlock._protocol.locks.settings import Settings
from interlock.errors import InvalidValue, LeaseTooShort
from tests.unit.locks.scripted import TABLE

SETTINGS = Settings(TABLE, lease=20.0, heartbeat=5.0, call_timeout=3.0)


class Context:
    aws_request_id = "8f5e"

    def __init__(self, seconds):
        self.seconds = seconds

    def get_remaining_time_in_millis(self):
        return int(self.seconds * 1000)


def options(seconds, timeout=None):
    return SETTINGS.options(
        "a", owner="f", timeout=timeout, lease=None, data=None, invocation=Context(seconds)
    )


def test_a_lease_that_outlasts_the_invocation_is_cut_and_needs_no_heartbeat():
    cut = options(8.0)
    assert (cut.lease, cut.heartbeats, cut.timeout, cut.owner) == (8.0, False, 8.0, "f/8f5e")


def test_a_lease_that_fits_is_kept_alive_as_ever():
    whole = options(60.0, timeout=timedelta(seconds=5))
    assert (whole.lease, whole.heartbeats, whole.timeout) == (20.0, True, 5.0)


def test_an_invocation_that_is_about_to_end_takes_nothing():
    with pytest.raises(LeaseTooShort, match="about to end"):
        options(2.9)


@pytest.mark.parametrize(
    "left", [None, "", "soon", float("nan"), float("inf"), 10**400, timedelta(1), [8000]]
)
def test_an_invocation_that_does_not_say_how_long_it_lasts_is_refused(left):
    context = SimpleNamespace(aws_request_id="8f5e", get_remaining_time_in_millis=lambda: left)
    with pytest.raises(InvalidValue, match="context of a Lambda function"):
        SETTINGS.options("a", owner="f", invocation=context)


@pytest.mark.parametrize("named", [{}, {"aws_request_id": "\ud800"}])
def test_an_invocation_whose_request_cannot_be_named_is_refused(named):
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: 8000, **named)
    with pytest.raises(InvalidValue, match="invocation"):
        SETTINGS.options("a", owner="f", invocation=context)


def test_a_lease_without_heartbeats_is_not_renewed(process):
    grant = process.acquire(invocation=Context(8.0))
    assert grant.due == grant.until
