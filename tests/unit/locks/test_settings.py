"""What a lock client and an acquisition are given, at the door: durations, names and payloads."""

from datetime import timedelta
from typing import Any

import pytest

from interlock._protocol.locks import settings as limits
from interlock._protocol.locks.settings import (
    AcquireOptions,
    Settings,
    checked_data,
    checked_lock_or_permit,
    checked_name,
    checked_names,
)
from interlock._protocol.retry import RetryBudget, Target
from interlock.errors import InvalidLockName, InvalidValue, LeaseTooShort

GIVEN: dict[str, Any] = {
    "lease": timedelta(seconds=20),
    "heartbeat": None,
    "poll": timedelta(seconds=0.5),
    "max_clock_skew": None,
    "call_timeout": 0.0,
}


def settings(table="t", **given):
    return Settings.of(table, **{**GIVEN, **given})


def of(seconds):
    return timedelta(seconds=seconds)


def test_a_client_has_what_it_was_given():
    assert settings() == Settings("t") == Settings("t", 20.0, None, 0.5, None, 0.0)
    given = settings(
        lease=of(9.0004), heartbeat=of(3), poll=of(0.25), max_clock_skew=of(0), call_timeout=2.0
    )
    assert given == Settings("t", 9.0, 3.0, 0.25, 0.0, 2.0)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"table": ""}, "table"),
        ({"poll": of(0)}, "poll: 0:00:00 is not positive"),
        ({"heartbeat": of(0)}, "heartbeat: 0:00:00 is not positive"),
        ({"max_clock_skew": of(-1)}, "max_clock_skew"),
        ({"lease": of(30 * 86_400 + 1)}, "longer than 30 days"),
        ({"lease": timedelta.max}, "longer than 30 days"),
    ],
    ids=str,
)
def test_what_a_client_cannot_be_given_is_refused(given, told):
    with pytest.raises(InvalidValue, match=told):
        settings(**given)


@pytest.mark.parametrize("seconds", [0.1, 0.1009, 1.0, 30 * 86_400])
def test_a_lease_is_of_whole_milliseconds_up_to_30_days(seconds):
    assert settings(lease=of(seconds)).lease == int(seconds * 1000) / 1000


@pytest.mark.parametrize(
    ("given", "needed", "why"),
    [
        ({"lease": of(0.0999)}, 0.1, "before a call or two were answered"),
        ({"lease": of(-1)}, 0.1, "before a call or two were answered"),
        ({"lease": of(2), "call_timeout": 2.0}, 2.001, "a call that hangs would outlast it"),
        ({"lease": of(0.05), "call_timeout": 0.5}, 0.501, "a call that hangs"),
        ({"lease": of(8.999), "heartbeat": of(3)}, 9.0, "3 heartbeats must fit"),
    ],
    ids=str,
)
def test_a_lease_that_could_run_out_under_a_holder_that_is_well_is_refused(given, needed, why):
    with pytest.raises(LeaseTooShort, match=why) as refusal:
        settings(**given)
    assert refusal.value.needed == of(needed)
    assert refusal.value.lease == given["lease"]


def test_the_least_that_is_told_will_do():
    assert settings(lease=of(2.001), call_timeout=2.0).lease == 2.001
    assert settings(lease=of(9), heartbeat=of(3)).lease == 9.0


def test_several_heartbeats_fit_into_a_lease():
    assert Settings("t").heartbeat_interval(20.0) == 20.0 / limits.HEARTBEATS
    assert 3 <= limits.HEARTBEATS <= 5
    assert Settings("t", heartbeat=3.0).heartbeat_interval(20.0) == 3.0


def test_an_acquisition_has_what_it_was_given():
    client = Settings("t", lease=20.0)
    assert client.options("a", owner="o") == AcquireOptions(
        name="a",
        lease=20.0,
        owner="o",
        timeout=None,
        data=None,
        heartbeats=True,
        max_hold=float("inf"),
        at_least=None,
        election=False,
        holds=None,
    )
    assert client.options("a", owner="o") == AcquireOptions("a", 20.0, "o")
    given = client.options(
        "e\u0301", owner="o", timeout=of(3), lease=of(5), data={"n": 1}, heartbeats=False
    )
    assert given == AcquireOptions("é", 5.0, "o", 3.0, {"M": {"n": {"N": "1"}}}, heartbeats=False)
    assert client.options("a", owner="o", timeout=of(-1)).timeout == 0.0


@pytest.mark.parametrize(("most", "lease"), [(5, 5.0), (60, 20.0)])
def test_a_lease_is_no_longer_than_a_lock_may_be_held(most, lease):
    given = Settings("t", lease=20.0).options("a", owner="o", max_hold=of(most))
    assert (given.lease, given.max_hold) == (lease, most)


class Context:
    aws_request_id = "8f5e"

    def __init__(self, milliseconds):
        self.milliseconds = milliseconds

    def get_remaining_time_in_millis(self):
        return self.milliseconds


@pytest.mark.parametrize(
    ("left", "given", "cut"),
    [
        (8_000, {}, (8.0, 8.0, False)),
        (8_000, {"timeout": of(3)}, (8.0, 3.0, False)),
        (8_000, {"timeout": of(9)}, (8.0, 8.0, False)),
        (20_000, {}, (20.0, 20.0, True)),
        (60_000, {}, (20.0, 60.0, True)),
        (60_000, {"heartbeats": False}, (20.0, 60.0, False)),
        (3_001, {}, (3.001, 3.001, False)),
    ],
)
def test_an_acquisition_is_cut_to_what_is_left_of_an_invocation(left, given, cut):
    client = Settings("t", lease=20.0, call_timeout=3.0)
    options = client.options("a", owner="o", invocation=Context(left), **given)
    assert (options.lease, options.timeout, options.heartbeats) == cut
    assert options.owner == "o/8f5e"


@pytest.mark.parametrize(
    ("call_timeout", "left", "needed"),
    [(3.0, 3_000, 3.001), (0.0, 99, 0.1), (0.05, 99, 0.1), (0.0, 0, 0.1)],
)
def test_an_invocation_that_is_about_to_end_takes_nothing(call_timeout, left, needed):
    client = Settings("t", call_timeout=call_timeout)
    with pytest.raises(LeaseTooShort, match="about to end") as refusal:
        client.options("a", owner="o", invocation=Context(left))
    assert (refusal.value.needed, refusal.value.lease) == (of(needed), of(left / 1000))


def test_the_shortest_lease_fits_into_an_invocation():
    options = Settings("t").options("a", owner="o", invocation=Context(100))
    assert (options.lease, options.timeout) == (0.1, 0.1)


def test_what_is_no_invocation_is_refused():
    with pytest.raises(InvalidValue, match="invocation"):
        Settings("t").options("a", owner="o", invocation="8f5e")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("time", "lease"),
    [(90.0, 20.0), (120.0, 20.0), (120.0005, 20.001), (160.0, 60.0), (121.5, 21.5)],
)
def test_a_lease_lasts_until_a_time_at_the_least(time, lease):
    assert Settings("t", lease=20.0).lease_until(time, now=100.0) == lease


@pytest.mark.parametrize("lease", [20.0, 2.007, 2.023])
def test_a_lease_that_lasts_until_then_is_left_as_it_is(lease):
    assert Settings("t", lease=lease).lease_until(lease, now=0.0) == lease


def test_clocks_may_run_off_as_far_as_ntp_lets_them():
    """Two of them, each 500 ppm in its own direction: adjtimex(2)."""
    assert 2 * 500e-6 <= limits.DRIFT < 4 * 500e-6


def test_times_are_as_the_documentation_promises():
    assert timedelta(seconds=limits.KEPT) == timedelta(days=7)
    assert limits.SILENCE == 15.0
    assert 0.0 < limits.GRACE <= 1.0


def test_errors_of_calls_name_the_table_and_the_grant():
    assert Settings("t").target == Target(
        ("t",), "CoordinationTable.grant_locks(...)", laid_out=True
    )


def test_an_operation_has_a_budget_until_its_deadline():
    client = Settings("t")
    assert client.budget(7.0, grace=2.0) == RetryBudget(
        client.target, 7.0, silence=limits.SILENCE, grace=2.0
    )
    assert client.budget() == RetryBudget(client.target, silence=limits.SILENCE)


@pytest.mark.parametrize(
    ("name", "spelling"),
    [
        ("a", "a"),
        ("42", "42"),
        ("render#3", "render#3"),
        ("render#0", "render#0"),
        ("e\u0301#1", "é#1"),
    ],
)
def test_a_permit_has_a_name_with_its_number(name, spelling):
    assert checked_lock_or_permit(name) == spelling


@pytest.mark.parametrize("name", ["a#", "#1", "a#x", "a#1#2", "a#-1", "a#٣", "a#1 ", "", 7])
def test_what_is_no_lock_and_no_permit_is_refused(name):
    with pytest.raises(InvalidLockName):
        checked_lock_or_permit(name)


def test_a_lock_has_a_name_of_up_to_1024_bytes():
    assert checked_name("x" * 1024) == "x" * 1024
    for name in ("x" * 1025, "a#1"):
        with pytest.raises(InvalidLockName):
            checked_name(name)


def test_several_names_are_taken_in_their_order_and_spelling():
    assert checked_names(iter(["b", "a", "e\u0301"]), 3) == ["b", "a", "é"]
    assert checked_names(["b"], 1) == ["b"]


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ("ab", "'ab' is one name; pass a list"),
        (b"ab", "b'ab' is one name; pass a list"),
        (7, "7 .int. is no list of names"),
        ([], "0 names are not 1 to 2 different ones"),
        (["a", "b", "c"], "3 names are not 1 to 2"),
        (["a", "a"], "2 names are not 1 to 2 different"),
        (["é", "e\u0301"], "2 names are not 1 to 2 different"),
    ],
    ids=ascii,
)
def test_what_are_no_different_names_is_refused(names, told):
    with pytest.raises(InvalidValue, match=told):
        checked_names(names, 2)


# By DynamoDB's account an element of a list or map has a byte more than its value, a list or map
# has three more than its elements: "Item sizes and formats" in its developer guide.
MOST = 64 * 1024
LARGEST: dict[str, Any] = {
    "text": "x" * MOST,
    "text of two bytes each": "é" * (MOST // 2),
    "bytes": b"x" * MOST,
    "list": ["x" * (MOST - 3 - 1)],
    "list of two": ["x" * (MOST - 3 - 2 - 1), "y"],
    "mapping": {"ab": "x" * (MOST - 3 - 2 - 1)},
    "mapping of two": {"é": "x" * (MOST - 3 - 2 - 1 - 1 - 1 - 1), "b": "y"},
    "texts": {"x" * (MOST - 3), "yyy"},
    "binaries": {b"x" * (MOST - 3), b"yyy"},
    "with a number": ["x" * (MOST - 3 - 1 - 4 - 1), 1234],
    "with numbers": ["x" * (MOST - 3 - 1 - 4 - 1), {12, 34}],
    "with a truth": ["x" * (MOST - 3 - 1 - 1 - 1), True],
    "with none": ["x" * (MOST - 3 - 1 - 1 - 1), None],
    "in a list of a list": [["x" * (MOST - 3 - 1 - 3 - 1)]],
}


def longer(value):
    """Return a value with one byte more where it is longest."""
    match value:
        case str():
            return value + "x" if len(value) > 9 else value
        case bytes():
            return value + b"x" if len(value) > 9 else value
        case list():
            return [longer(each) for each in value]
        case dict():
            return {name: longer(each) for name, each in value.items()}
        case set():
            return {longer(each) for each in value}
    return value


@pytest.mark.parametrize("data", LARGEST.values(), ids=LARGEST)
def test_a_payload_has_64_kb_at_most(data):
    assert checked_data(data) is not None
    with pytest.raises(InvalidValue, match=f"{MOST + 1} bytes are more than {MOST}"):
        checked_data(longer(data))


def test_no_payload_is_none():
    assert checked_data(None) is None
    assert checked_data({"n": 1}) == {"M": {"n": {"N": "1"}}}
