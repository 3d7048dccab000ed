"""A guarded transaction commits only while its lock is held by the very same grant."""

from datetime import timedelta

import pytest

from interlock import LockClient, TransactionClient
from interlock._protocol.faults import Refused
from interlock.errors import ConditionFailed, GuardFailed, LockLost, LossReason
from interlock.testing._store.store import Store
from interlock.testing._store.tables import Table
from tests.simulation.driver import StoreDriver
from tests.unit.locks.scripted import TABLE

LEASE = 20.0


@pytest.fixture
def driver():
    return StoreDriver(Store(Table(TABLE)))


@pytest.fixture
def locks(driver):
    with LockClient(TABLE, client=driver, heartbeat=timedelta(seconds=5)) as client:
        yield client


@pytest.fixture
def write(driver):
    tx = TransactionClient(TABLE, client=driver)

    def write(lock, value):
        def body(t):
            t.put(TABLE, {"pk": "row"}, {"value": value})
            t.guard(lock)

        tx.run(body)

    return write


def row(driver):
    return driver.store.item(TABLE, "row")


def test_a_write_under_the_lock_is_one_transaction(driver, locks, write):
    lock = locks.acquire("a")
    write(lock, 1)
    assert row(driver)["value"] == {"N": "1"}
    assert driver.sent[-1].operation == "TransactWriteItems"
    assert lock.release()


@pytest.mark.parametrize("successor", [True, False])
def test_a_write_after_the_lock_was_lost_is_refused_by_the_store(driver, locks, write, successor):
    lock = locks.acquire("a")
    stale = lock.guard()
    lock.release()
    heir = locks.acquire("a") if successor else None

    class Stopped:
        def guard(self):
            return stale

    with pytest.raises(GuardFailed) as caught:
        write(Stopped(), 2)
    assert isinstance(caught.value, ConditionFailed)
    assert isinstance(caught.value, LockLost)
    assert (caught.value.name, caught.value.fencing_token) == ("a", lock.fencing_token)
    assert caught.value.reason is (LossReason.TAKEN_OVER if successor else LossReason.RELEASED)
    assert "'a'" in str(caught.value)
    assert row(driver) is None
    if heir is not None:
        assert heir.release()


def test_a_heartbeat_in_between_does_not_disturb_it(driver, locks, write):
    lock = locks.acquire("a")
    guard = lock.guard()
    driver.run(locks._operations.renew(lock._grant))
    assert lock._grant.failures == 0
    write(lock, 3)
    assert lock.guard() == guard
    assert row(driver)["value"] == {"N": "3"}
    assert lock.release()


def test_a_heartbeat_that_meets_a_commit_in_flight_is_tried_again(driver, locks):
    lock = locks.acquire("a")
    put = {"Put": {"TableName": TABLE, "Item": {"pk": {"S": "row"}}}}
    prepared = driver.store.begin({"TransactItems": [lock.guard(), put]})
    driver.run(locks._operations.renew(lock._grant))
    assert isinstance(lock._grant.problem.__cause__, Refused)
    assert not lock.lost.is_set()
    prepared.commit()
    driver.run(locks._operations.renew(lock._grant))
    assert lock._grant.problem is None
    assert row(driver) is not None
    assert lock.release()


def test_a_commit_that_meets_a_heartbeat_in_flight_is_tried_again(driver, locks, write):
    lock = locks.acquire("a")
    refusals = [Refused("TransactionConflictException", "why")]

    def conflict(call):
        if call.operation == "TransactWriteItems" and refusals:
            raise refusals.pop()

    driver.before = conflict
    write(lock, 4)
    assert row(driver)["value"] == {"N": "4"}
    assert lock.release()


def test_a_failed_condition_that_is_no_guard_stays_what_it_is(driver):
    from boto3.dynamodb.conditions import Attr  # noqa: PLC0415 - only here

    tx = TransactionClient(TABLE, client=driver)
    with pytest.raises(ConditionFailed) as caught:
        tx.run(lambda t: t.check(TABLE, {"pk": "lock#a"}, Attr("fence").eq(1)))
    assert not isinstance(caught.value, LockLost)
