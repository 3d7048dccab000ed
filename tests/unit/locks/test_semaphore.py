"""Permits: never more than there are, each a lock of its own."""

import threading
from datetime import timedelta
from typing import Any

import pytest

from interlock import LockClient, Semaphore
from interlock._protocol.locks.settings import Wish
from interlock._protocol.locks.slots import SlotAcquisition
from interlock.errors import InvalidLockName, InvalidValue, LockTimeout
from interlock.testing._store.store import Store
from interlock.testing._store.tables import Table
from tests.unit.locks.realtime import RealTime
from tests.unit.locks.scripted import TABLE, lose_reply, lose_request, throttle

LEASE = 20.0


@pytest.fixture
def driver():
    return RealTime()


def take(process, permits, timeout=None):
    wish = Wish("jobs", LEASE, "somebody", timeout)
    acquisition = SlotAcquisition(process.settings, wish, permits, process.sightings)
    return process.driver.run(acquisition.run())


def held(process, permits):
    rows = [process.driver.row(f"jobs#{number}") for number in range(permits)]
    return sum(row is not None and "version" in row for row in rows)


def test_a_permit_of_a_free_semaphore_takes_one_call(process):
    grant = take(process, 5)
    assert process.driver.operations() == ["UpdateItem"]
    assert grant.name.startswith("jobs#")


def test_there_are_as_many_permits_as_were_said(process):
    names = {take(process, 3).name for _ in range(3)}
    assert names == {"jobs#0", "jobs#1", "jobs#2"}
    with pytest.raises(LockTimeout):
        take(process, 3, timeout=2.0)
    assert held(process, 3) == 3


def test_the_permits_of_the_dead_are_taken_over_after_a_lease(process, other):
    for _ in range(2):
        take(process, 2)
    began = other.driver.now
    take(other, 2)
    assert LEASE <= other.driver.now - began < LEASE + 2


@pytest.mark.parametrize("trouble", [lose_reply, lose_request, throttle])
def test_a_reply_that_was_lost_costs_no_permit(process, trouble):
    process.driver.script = [trouble]
    grant = take(process, 3)
    assert held(process, 3) == 1
    assert process.driver.row(grant.name)["version"]["S"] == grant.version


@pytest.mark.parametrize("permits", [0, -1, 101, True, 1.5, None])
def test_permits_are_one_to_a_hundred(driver, permits):
    with LockClient(TABLE, driver=driver) as locks, pytest.raises(InvalidValue):
        Semaphore(locks, "jobs", permits=permits)


def test_no_lock_and_no_other_semaphore_shares_a_permit(driver):
    with LockClient(TABLE, driver=driver) as locks, pytest.raises(InvalidLockName):
        locks.acquire("jobs#1")
    with LockClient(TABLE, driver=driver) as locks, pytest.raises(InvalidLockName):
        Semaphore(locks, "jobs#1", permits=1)


def test_threads_of_several_clients_are_never_more_than_the_permits():
    store, mutex = Store(Table(TABLE)), threading.Lock()
    inside, most, entered = 0, 0, 0

    def work():
        nonlocal inside, most, entered
        driver: Any = RealTime(store)
        driver.mutex = mutex
        with LockClient(TABLE, driver=driver, poll=timedelta(milliseconds=2)) as locks:
            semaphore = Semaphore(locks, "jobs", permits=2)
            for _ in range(15):
                with semaphore.acquire():
                    with count:
                        inside, entered = inside + 1, entered + 1
                        most = max(most, inside)
                    with count:
                        inside -= 1

    count = threading.Lock()
    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert entered == 75
    assert 1 <= most <= 2


def test_who_does_not_wait_gets_none(driver):
    with LockClient(TABLE, driver=driver) as locks:
        semaphore = Semaphore(locks, "jobs", permits=1)
        permit = semaphore.try_acquire(data="mine")
        assert permit is not None
        assert semaphore.try_acquire() is None
        permit.release()
        assert semaphore.try_acquire() is not None
