"""The blocking client: its threads, its ending, and what it tells, in real time."""

import gc
import logging
import os
import threading
import time
import tracemalloc
from collections import Counter, deque
from datetime import timedelta
from typing import Any

import pytest

from interlock import LockClient
from interlock._protocol.faults import NoReply, Refused
from interlock.errors import (
    InvalidLockName,
    InvalidValue,
    LeaseTooShort,
    LockClientClosed,
    LockLost,
    LockTimeout,
    LossReason,
)
from interlock.testing._store.store import Store
from interlock.testing._store.tables import Table
from tests.unit.locks.realtime import (
    SOON,
    RealTime,
    denied,
    take_away,
    unreachable,
    wait_until,
)
from tests.unit.locks.scripted import TABLE

LEASE = timedelta(seconds=0.4)


@pytest.fixture
def driver():
    return RealTime()


@pytest.fixture
def losses():
    return []


@pytest.fixture
def locks(driver, losses):
    client = LockClient(
        TABLE,
        lease=LEASE,
        poll=timedelta(seconds=0.02),
        driver=driver,
        on_lost=lambda lock, reason: losses.append((lock.name, reason)),
    )
    yield client
    driver.fault = None
    client.close()


def test_a_lock_is_held_within_the_body_and_free_after_it(locks):
    with locks.acquire("a", data={"why": ["x", 1]}) as lock:
        assert locks.inspect("a").held
        assert locks.inspect("a").data == {"why": ["x", 1]}
        assert timedelta() < lock.remaining <= LEASE
        assert not lock.lost.is_set()
        lock.ensure()
    assert not locks.inspect("a").held
    assert lock.remaining == timedelta()
    with pytest.raises(LockLost, match="released"):
        lock.ensure()


def test_a_lock_that_was_never_taken_is_unknown(locks):
    assert locks.inspect("a") is None


def test_a_lock_outlives_its_lease_by_heartbeats(locks):
    lock = locks.acquire("a")
    end = time.monotonic() + 2.5 * LEASE.total_seconds()
    while time.monotonic() < end:
        lock.ensure()
        time.sleep(0.02)
    assert lock.release() is True


def test_try_acquire_does_not_wait(locks, driver):
    locks.acquire("a")
    calls = len(driver.calls)
    assert locks.try_acquire("a") is None
    assert len([c for c in driver.calls[calls:] if c[0] == "GetItem"]) == 0


def test_a_second_release_does_nothing(locks, driver):
    lock = locks.acquire("a")
    assert locks.release(lock) is True
    calls = len(driver.calls)
    assert locks.release(lock) is False
    assert len(driver.calls) == calls


def test_a_taken_lock_is_told_once_and_raises_at_the_end_of_the_body(locks, driver, losses):
    with pytest.raises(LockLost) as caught, locks.acquire("a") as lock:  # noqa: PT012
        take_away(driver, "a")
        assert lock.lost.wait(timedelta(seconds=SOON))
        wait_until(lambda: losses)
    assert caught.value.reason is LossReason.TAKEN_OVER
    assert losses == [("a", LossReason.TAKEN_OVER)]
    assert driver.row("a")["version"] == {"S": "other"}


def test_a_loss_that_no_heartbeat_has_noticed_is_found_at_the_end(locks, driver, losses):
    with pytest.raises(LockLost), locks.acquire("a", lease=timedelta(minutes=1)):
        take_away(driver, "a")
    assert losses == [("a", LossReason.TAKEN_OVER)]


@pytest.mark.parametrize("lost", [False, True])
def test_the_exception_of_the_body_is_not_swallowed_or_replaced(locks, driver, lost):
    with pytest.raises(KeyError, match="mine"), locks.acquire("a"):  # noqa: PT012
        if lost:
            take_away(driver, "a")
        raise KeyError("mine")


def test_the_exception_of_the_body_survives_a_failing_release(locks, driver):
    with pytest.raises(KeyError, match="mine"), locks.acquire("a"):  # noqa: PT012
        driver.fault = denied
        raise KeyError("mine")


def test_a_release_that_fails_at_the_end_of_the_body_is_logged(locks, driver, caplog):
    with locks.acquire("a"):
        driver.fault = denied
    assert "could not be given back" in caplog.text


def test_a_lease_that_runs_out_is_told_with_its_cause(locks, driver, losses):
    lock = locks.acquire("a")
    driver.fault = unreachable
    assert lock.lost.wait(timedelta(seconds=SOON))
    wait_until(lambda: losses)
    assert losses == [("a", LossReason.LEASE_RAN_OUT)]
    with pytest.raises(LockLost, match="no connection"):
        lock.ensure()


def test_a_lock_in_danger_recovers_without_a_word(locks, driver, losses):
    lock = locks.acquire("a", lease=timedelta(seconds=2))
    driver.fault = unreachable
    wait_until(lambda: lock.remaining < timedelta(seconds=1))
    driver.fault = None
    wait_until(lambda: lock.remaining > timedelta(seconds=1.4))
    assert losses == []
    assert lock.release() is True


def test_a_loss_is_visible_at_once_although_the_heartbeat_hangs(locks, driver):
    hanging = threading.Event()

    def hang(_operation, _params):
        hanging.wait(SOON)
        raise NoReply("read timeout")

    lock = locks.acquire("a")
    driver.fault = hang
    wait_until(lock.lost.is_set)
    hanging.set()
    with pytest.raises(LockLost):
        lock.ensure()


def test_a_heartbeat_survives_what_nobody_expected(locks, driver, caplog):
    def bug(_operation, _params):
        driver.fault = None
        raise ZeroDivisionError("a bug")

    lock = locks.acquire("a", lease=timedelta(seconds=8))
    lock2 = locks.acquire("b")
    driver.fault = bug
    wait_until(lambda: "a bug" in caplog.text)
    wait_until(lambda: driver.fault is None)
    lock.ensure()
    calls = len(driver.calls)
    wait_until(lambda: len(driver.calls) > calls)
    lock2.release()


def test_on_lost_that_fails_does_not_stop_other_heartbeats(driver, caplog):
    def fail(_lock, _reason):
        raise ZeroDivisionError("in the callback")

    with LockClient(TABLE, lease=LEASE, driver=driver, on_lost=fail) as locks:
        locks.acquire("a")
        other = locks.acquire("b")
        take_away(driver, "a")
        wait_until(lambda: "in the callback" in caplog.text)
        end = time.monotonic() + LEASE.total_seconds()
        while time.monotonic() < end:
            other.ensure()
            time.sleep(0.02)


def test_close_gives_back_everything_although_one_release_fails(locks, driver, caplog):
    for name in "abc":
        locks.acquire(name)

    def fail_for_b(_operation, params):
        if params["Key"]["pk"]["S"] == "lock#b":
            raise Refused("AccessDeniedException", "no")

    driver.fault = fail_for_b
    locks.close()
    assert [("version" in driver.row(name)) for name in "abc"] == [False, True, False]
    assert "lock 'b' could not be given back" in caplog.text


def test_a_closed_client_takes_nothing(locks):
    locks.close()
    with pytest.raises(LockClientClosed):
        locks.acquire("a")


def test_closing_ends_the_heartbeats(locks, driver):
    locks.acquire("a")
    locks.close()
    calls = len(driver.calls)
    time.sleep(LEASE.total_seconds())
    assert len(driver.calls) == calls


def test_one_thread_for_any_number_of_locks(locks):
    before = threading.active_count()
    held = [locks.acquire(str(i)) for i in range(50)]
    assert threading.active_count() == before + 1
    end = time.monotonic() + 2 * LEASE.total_seconds()
    while time.monotonic() < end:
        for lock in held:
            lock.ensure()
        time.sleep(0.02)
    assert threading.active_count() == before + 1


class Nowhere:
    """A store that keeps nothing, so that all memory is the client's; it counts calls."""

    def __init__(self):
        self.calls: Counter[str] = Counter()

    def perform(self, _operation, params):
        self.calls[params["Key"]["pk"]["S"]] += 1
        return {"Attributes": {"fence": {"N": "1"}}}


def test_a_thousand_locks_take_little_memory(driver):
    driver.calls = deque(maxlen=0)
    driver.store = Nowhere()
    with LockClient(TABLE, driver=driver) as locks:
        locks.acquire("warm")
        tracemalloc.start()
        held = [locks.acquire(f"lock-{i}") for i in range(1000)]
        gc.collect()
        ours = tracemalloc.take_snapshot().filter_traces(
            [tracemalloc.Filter(inclusive=True, filename_pattern=f"*interlock{os.sep}*")]
        )
        tracemalloc.stop()
        assert sum(stat.size for stat in ours.statistics("filename")) < 1000 * len(held)


def test_a_thousand_locks_are_renewed_together(driver):
    driver.calls = deque(maxlen=0)
    driver.store = Nowhere()
    lease, heartbeat = timedelta(seconds=20), timedelta(seconds=0.2)
    with LockClient(TABLE, lease=lease, heartbeat=heartbeat, driver=driver) as locks:
        held = [locks.acquire(f"lock-{i}") for i in range(1000)]
        calls = driver.store.calls
        wait_until(lambda: len(calls) == len(held) and min(calls.values()) >= 3)
        for lock in held:
            lock.ensure()


@pytest.mark.parametrize("name", ["", None, 7, "a#b", "line\nbreak", "x" * 1025, "é" * 513])
def test_names_that_no_lock_can_have_are_refused_before_anything_is_sent(locks, driver, name):
    with pytest.raises(InvalidLockName):
        locks.acquire(name)
    with pytest.raises(InvalidLockName):
        locks.inspect(name)
    assert driver.calls == []


@pytest.mark.parametrize("name", ["orders/42", "x" * 1024, "ünïcode ⛓", "a b"])
def test_other_names_are_keys_of_their_own(locks, driver, name):
    locks.acquire(name)
    assert driver.row(name) is not None


@pytest.mark.parametrize(
    "options",
    [
        {"lease": timedelta(seconds=2), "heartbeat": timedelta(seconds=1)},
        {"lease": timedelta(seconds=3)},
        {"lease": timedelta()},
        {"lease": timedelta(seconds=-1)},
    ],
)
def test_a_lease_that_could_run_out_under_a_healthy_holder_is_refused(monkeypatch, options):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with pytest.raises(LeaseTooShort):
        LockClient(TABLE, **options)


def test_a_lease_of_one_lock_is_checked_too(locks):
    with pytest.raises(LeaseTooShort):
        locks.acquire("a", lease=timedelta())


@pytest.mark.parametrize(
    "options",
    [{"poll": timedelta()}, {"heartbeat": timedelta()}, {"max_clock_skew": timedelta(seconds=-1)}],
)
def test_settings_without_meaning_are_refused(driver, options):
    with pytest.raises(InvalidValue):
        LockClient(TABLE, driver=driver, **options)


def test_data_that_cannot_be_stored_is_refused(locks, driver):
    with pytest.raises(InvalidValue):
        locks.acquire("a", data=1.5)
    assert driver.calls == []


def test_two_clients_never_hold_together(driver):
    store, rounds, inside, seen = Store(Table(TABLE)), 40, [], []

    def work(name):
        mine: Any = RealTime(store)
        mine.mutex = driver.mutex
        with LockClient(TABLE, driver=mine, poll=timedelta(milliseconds=2), owner=name) as client:
            for _ in range(rounds):
                with client.acquire("a") as lock:
                    inside.append(name)
                    seen.append((len(inside), lock.fencing_token))
                    inside.remove(name)

    threads = [threading.Thread(target=work, args=(str(i),)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {count for count, _ in seen} == {1}
    fences = [fence for _, fence in seen]
    assert fences == sorted(set(fences))
    assert len(fences) == 4 * rounds


def test_a_waiter_names_the_holder_when_its_time_is_up(locks, driver):
    holder = LockClient(TABLE, driver=driver, owner="the holder")
    with holder, holder.acquire("a", data="busy"):
        with pytest.raises(LockTimeout, match="the holder") as caught:
            locks.acquire("a", timeout=timedelta(seconds=0.05))
        assert caught.value.holder.data == "busy"


@pytest.fixture(autouse=True)
def _log(caplog):
    caplog.set_level(logging.DEBUG, "interlock")
