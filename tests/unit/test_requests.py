"""What an operation asks its driver for: requests, and the time of day that answers one."""

import pytest

from interlock._protocol import requests
from interlock._protocol.requests import UNHEARD, Call, Time

YEAR = 365 * 86_400.0


@pytest.mark.parametrize(
    ("begin", "asked"),
    [
        (lambda: requests.call("GetItem", TableName="t"), Call("GetItem", {"TableName": "t"})),
        (lambda: requests.sleep(1.5), requests.Sleep(1.5)),
        (requests.monotonic, requests.Monotonic()),
        (requests.wall_clock, requests.WallClock()),
        (requests.time_of_day, requests.TimeOfDay()),
        (requests.draw, requests.Draw()),
        (requests.new_id, requests.NewId()),
    ],
    ids=["call", "sleep", "monotonic", "wall clock", "time of day", "draw", "new id"],
)
def test_an_operation_asks_once_and_returns_the_reply(begin, asked):
    operation = begin()
    assert next(operation) == asked
    with pytest.raises(StopIteration) as end:
        operation.send("reply")
    assert end.value.value == (None if isinstance(asked, requests.Sleep) else "reply")


def test_a_record_expires_by_the_services_clock():
    assert Time(wall=5.0, service=1000.9).expiry(60.0) == 1060
    assert Time(wall=5.0, service=1000.9).past == 1000.9


def test_by_a_clock_that_may_be_a_year_slow_no_record_expires_too_soon():
    now = 1_700_000_000.0
    unheard = Time(now - YEAR, now - YEAR, heard=False)
    assert unheard.expiry(60.0) == now - YEAR + 60 + UNHEARD >= now + 60
    assert unheard.past == 0.0
