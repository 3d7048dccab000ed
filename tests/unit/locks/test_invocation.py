"""On Lambda nothing runs after the invocation, so no lease and no wait is planned beyond it."""

from datetime import timedelta

import pytest

from interlock._protocol.locks.settings import Settings
from interlock.errors import LeaseTooShort
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


def test_a_lease_without_heartbeats_is_not_renewed(process):
    grant = process.acquire(invocation=Context(8.0))
    assert grant.due == grant.until
