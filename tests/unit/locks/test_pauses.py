"""A lock that is not free is asked for in time, with pauses, and in vain is said so."""

import pytest

from interlock.errors import LockTimeout, ServiceUnavailable, Throttled
from tests.unit.locks.scripted import carry_out, throttle, unreachable


def set_bound(process, void_before):
    process.driver.store.perform(
        "UpdateItem",
        {
            "TableName": "coordination",
            "Key": {"pk": {"S": "lock#a"}},
            "UpdateExpression": "SET void_before = :void",
            "ExpressionAttributeValues": {":void": {"N": str(void_before)}},
        },
    )


@pytest.mark.parametrize("timeout", [5.0, 15.0])
def test_a_waiter_looks_once_or_twice_a_poll(process, other, timeout):
    other.acquire()
    with pytest.raises(LockTimeout):
        process.acquire(timeout=timeout)
    assert timeout / 1.0 < len(process.driver.calls) < timeout / 0.2


def test_a_short_time_is_not_outlasted_by_a_pause(process, other):
    other.acquire()
    began = process.driver.now
    with pytest.raises(LockTimeout):
        process.acquire(timeout=0.3)
    assert 0.3 <= process.driver.now - began < 0.4


@pytest.mark.parametrize(
    ("trouble", "error"), [(unreachable, ServiceUnavailable), (throttle, Throttled)]
)
def test_attempts_that_fail_are_repeated_with_pauses_and_told_in_time(process, trouble, error):
    process.driver.script = [trouble] * 10_000
    began = process.driver.now
    with pytest.raises(error):
        process.acquire(timeout=4.0)
    assert 2.0 < process.driver.now - began < 6.0
    assert len(process.driver.calls) < 50


def test_a_race_that_is_lost_again_and_again_is_told_with_the_record(process):
    set_bound(process, 5)

    def ahead(driver, operation, params):
        asked = int(params["ExpressionAttributeValues"][":asked"]["N"])
        set_bound(process, asked + 1000)
        return carry_out(driver, operation, params)

    grant = process.acquire()
    process.release(grant)
    process.driver.script = [ahead] * 10_000
    with pytest.raises(LockTimeout) as late:
        process.acquire(timeout=2.0)
    assert late.value.holder.fencing_token == grant.fence
    assert not late.value.holder.held
