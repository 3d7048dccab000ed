"""Permits: never more than there are, each a lock of its own."""

import threading
from datetime import timedelta

import pytest

from interlock._protocol.faults import Refused
from interlock.errors import InvalidLockName, InvalidValue, LockTimeout
from tests.unit.locks.conftest import agreed
from tests.unit.locks.scripted import TABLE, carry_out, lose_reply, lose_request, throttle

LEASE = 20.0


def take(process, permits, timeout=None):
    wait = None if timeout is None else timedelta(seconds=timeout)
    acquisition = process.locks.permit("jobs", permits, timeout=wait)
    return process.driver.run(acquisition.run())


def held(process, permits):
    rows = [process.driver.row(f"jobs#{number}") for number in range(permits)]
    return sum(row is not None and "version" in row for row in rows)


def test_a_permit_of_a_free_semaphore_takes_one_call_and_at_first_another_one(process):
    process.release(take(process, 5))
    assert process.driver.operations() == ["UpdateItem"] * 3
    grant = take(process, 5)
    assert process.driver.operations() == ["UpdateItem"] * 4
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


@pytest.mark.parametrize("before", [[], [carry_out]], ids=["agreement", "grant"])
@pytest.mark.parametrize("trouble", [lose_reply, lose_request, throttle])
def test_a_reply_that_was_lost_costs_no_permit(process, before, trouble):
    process.driver.script = [*before, trouble]
    grant = take(process, 3)
    assert held(process, 3) == 1
    assert process.driver.row(grant.name)["version"]["S"] == grant.version


class Rival:
    """Takes a permit whenever it is asked for, just before, and gives it back before a look."""

    def __init__(self, process):
        self.process = process
        self.grants = []

    def __call__(self, driver, operation, params):
        driver.script.append(self)
        if operation == "UpdateItem" and not self.grants:
            name = params["Key"]["pk"]["S"].removeprefix("lock#jobs#")
            taken = self.process.locks.permit("jobs", int(name) + 1)
            self.grants.append(self.process.driver.run(taken.run()))
        elif operation == "BatchGetItem" and self.grants:
            self.process.release(self.grants.pop())
        return carry_out(driver, operation, params)


@pytest.mark.parametrize("timeout", [0.0, 3.0])
def test_a_permit_that_others_always_take_first_is_given_up_in_time(process, other, timeout):
    agreed(process, 1).driver.script = [Rival(agreed(other, 1))]
    began = process.driver.now
    with pytest.raises(LockTimeout):
        take(process, 1, timeout)
    assert process.driver.now - began < timeout + 1.0


def test_keys_that_are_left_unprocessed_are_asked_for_again_in_time_with_pauses(process, other):
    def leave(_driver, _operation, params):
        return {"Responses": {TABLE: []}, "UnprocessedKeys": params["RequestItems"]}

    agreed(process, 1).driver.script = [carry_out, *[leave] * 5000]
    take(other, 1)
    with pytest.raises(Exception, match="unprocessed"):
        take(process, 1, timeout=3.0)
    assert len(process.driver.calls) < 50


@pytest.mark.parametrize(
    "poison",
    [{"version": {"N": "1"}}, {"fence": {"S": "x"}}, {"fence": {"N": "-5"}}],
    ids=["version", "fence", "negative fence"],
)
def test_permits_beside_a_corrupt_one_are_usable(process, poison):
    item = {"pk": {"S": "lock#jobs#0"}, "fence": {"N": "7"}, **poison}
    process.driver.store.perform("PutItem", {"TableName": TABLE, "Item": item})
    names = {take(process, 3).name for _ in range(2)}
    assert names == {"jobs#1", "jobs#2"}
    with pytest.raises(LockTimeout):
        take(process, 3, timeout=2.0)


def test_a_semaphore_whose_table_is_not_found_says_so(process):
    def missing(_driver, _operation, _params):
        raise Refused("ResourceNotFoundException")

    process.driver.script = [missing]
    with pytest.raises(Exception, match="does not exist"):
        take(process, 3)


@pytest.mark.parametrize("permits", [0, -1, 101, True, 1.5, None])
def test_permits_are_one_to_a_hundred(locks, permits):
    with pytest.raises(InvalidValue):
        locks.semaphore("jobs", permits=permits)


def test_no_lock_and_no_other_semaphore_shares_a_permit(locks):
    with pytest.raises(InvalidLockName):
        locks.acquire("jobs#1")
    with pytest.raises(InvalidLockName):
        locks.semaphore("jobs#1", permits=1)


def test_threads_of_several_clients_are_never_more_than_the_permits(make):
    inside, most, entered = 0, 0, 0

    def work():
        nonlocal inside, most, entered
        semaphore = make(poll=timedelta(milliseconds=2)).semaphore("jobs", permits=2)
        for _ in range(10):
            with semaphore.acquire():
                with count:
                    inside, entered = inside + 1, entered + 1
                    most = max(most, inside)
                with count:
                    inside -= 1

    count = threading.Lock()
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert entered == 40
    assert 1 <= most <= 2


def test_a_caller_that_does_not_wait_gets_none(locks):
    semaphore = locks.semaphore("jobs", permits=1)
    assert (semaphore.name, semaphore.permits) == ("jobs", 1)
    permit = semaphore.try_acquire(data="mine")
    assert permit is not None
    assert semaphore.try_acquire() is None
    with pytest.raises(LockTimeout):
        semaphore.acquire(timeout=timedelta())
    permit.release()
    again = semaphore.try_acquire()
    assert again.release()


@pytest.mark.parametrize("permits", [1, 100])
def test_a_semaphore_has_up_to_a_hundred_permits(locks, permits):
    assert locks.semaphore("jobs", permits=permits).permits == permits
