"""Values at the door: names, leases, settings and data that no lock can have."""

import threading
from datetime import timedelta

import pytest

from interlock.errors import (
    InvalidLockName,
    InvalidValue,
    LeaseTooShort,
)
from tests.unit.locks.realtime import SOON


@pytest.mark.parametrize(
    "name", ["", None, 7, "a#b", "line\nbreak", "x" * 1025, "é" * 513, "\ud800"]
)
def test_names_that_no_lock_can_have_are_refused_before_anything_is_sent(locks, network, name):
    with pytest.raises(InvalidLockName):
        locks.acquire(name)
    with pytest.raises(InvalidLockName):
        locks.inspect(name)
    assert network.calls == []


@pytest.mark.parametrize("name", ["orders/42", "x" * 1024, "ünïcode ⛓", "a b", "👩\u200d👧"])
def test_other_names_are_keys_of_their_own(locks, network, name):
    with locks.acquire(name):
        assert network.held(name)


def test_one_name_in_two_normal_forms_is_one_lock(locks):
    with locks.acquire("\u00e9") as lock:
        assert locks.try_acquire("e\u0301") is None
        assert locks.inspect("e\u0301").fencing_token == lock.fencing_token


@pytest.mark.parametrize(
    "options",
    [
        {"lease": timedelta(seconds=2), "heartbeat": timedelta(seconds=1)},
        {"lease": timedelta(seconds=3), "client": None},
        {"lease": timedelta(milliseconds=99)},
        {"lease": timedelta()},
        {"lease": timedelta(seconds=-1)},
    ],
)
def test_a_lease_that_could_run_out_under_a_healthy_holder_is_refused(make, options):
    with pytest.raises(LeaseTooShort) as refusal:
        make(**options)
    make(**options | {"lease": refusal.value.needed})


@pytest.mark.parametrize("lease", [timedelta.max, timedelta(days=31)])
def test_a_lease_meant_for_ever_is_refused(make, locks, network, lease):
    with pytest.raises(InvalidValue, match="longer than"):
        make(lease=lease)
    with pytest.raises(InvalidValue, match="longer than"):
        locks.acquire("a", lease=lease)
    assert network.calls == []


def test_a_lease_of_one_lock_is_checked_too(locks):
    with pytest.raises(LeaseTooShort):
        locks.acquire("a", lease=timedelta())


def test_a_lease_is_counted_as_it_is_written(locks, network):
    with locks.acquire("a", lease=timedelta(seconds=0.3009)) as lock:
        assert network.row("a")["lease_ms"] == {"N": "300"}
        assert lock.lease == timedelta(seconds=0.3)


@pytest.mark.parametrize(
    "options",
    [
        {"poll": timedelta()},
        {"heartbeat": timedelta()},
        {"max_clock_skew": timedelta(seconds=-1)},
        {"lease": 20},
        {"poll": 0.5},
        {"heartbeat": 5.0},
        {"max_clock_skew": "1"},
    ],
)
def test_settings_without_meaning_are_refused(make, options):
    with pytest.raises(InvalidValue):
        make(**options)


@pytest.mark.parametrize("timeout", [5, 0.5, "5"])
def test_a_number_is_no_duration(locks, network, timeout):
    with pytest.raises(InvalidValue, match="timedelta"):
        locks.acquire("a", timeout=timeout)
    with pytest.raises(InvalidValue, match="timedelta"):
        locks.acquire_all(["a", "b"], timeout=timeout)
    assert network.calls == []


@pytest.mark.parametrize(("data", "why"), [(1.5, "Decimal"), ("x" * 65_537, "heartbeat")])
def test_data_that_cannot_be_stored_is_refused(locks, network, data, why):
    with pytest.raises(InvalidValue, match=why):
        locks.acquire("a", data=data)
    assert network.calls == []


def test_a_string_is_not_several_names(locks, network):
    with pytest.raises(InvalidValue, match="one name"):
        locks.acquire_all("abc")
    assert network.calls == []


def test_the_longest_time_that_can_be_said_is_waited(locks, network):
    lock = locks.acquire("a", timeout=timedelta.max)
    waiting = threading.Thread(target=lambda: lock.lost.wait(timedelta.max))
    waiting.start()
    lock.release()
    waiting.join(SOON)
    assert not waiting.is_alive()
    assert not network.held("a")


def test_an_owner_without_utf_8_is_refused(make):
    with pytest.raises(InvalidValue, match="owner: holds a lone surrogate"):
        make(owner="\ud800")


@pytest.mark.parametrize("lease", [timedelta(0), timedelta(milliseconds=50)])
def test_a_lease_that_is_too_short_is_told_the_least_in_seconds(make, lease):
    asked = f"{lease.total_seconds():g} s"
    with pytest.raises(LeaseTooShort, match=rf"a lease of {asked} is .*\(at least 0\.1 s\)"):
        make(lease=lease)
