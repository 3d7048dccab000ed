"""The number of a semaphore's permits: one for all clients, or none is let in."""

from datetime import timedelta

import pytest

from interlock._protocol.locks.agreed import PERMITS
from interlock.errors import (
    CorruptRecord,
    InvalidLockName,
    PermitsMismatch,
    ServiceUnavailable,
    Throttled,
)
from tests.unit.locks.conftest import LEASE
from tests.unit.locks.scripted import (
    TABLE,
    after,
    answer,
    carry_out,
    lose_reply,
    refuse,
    send_twice,
    throttle,
    unreachable,
)

RECORD = "jobs#slots"


def take(process, permits, timeout=None):
    wait = None if timeout is None else timedelta(seconds=timeout)
    return process.driver.run(process.locks.permit("jobs", permits, timeout=wait).run())


def held(process):
    rows = [process.driver.row(f"jobs#{number}") for number in range(100)]
    return [row["pk"]["S"] for row in rows if row and "version" in row]


@pytest.mark.parametrize("others", [1, 2, 4, 100])
@pytest.mark.parametrize("timeout", [None, 0.0])
def test_another_number_is_told_and_nothing_held(process, other, others, timeout):
    process.release(take(process, 3))
    with pytest.raises(PermitsMismatch) as caught:
        take(other, others, timeout)
    assert (caught.value.name, caught.value.permits, caught.value.agreed) == ("jobs", others, 3)
    assert "permits=3" in str(caught.value)
    assert held(process) == []


@pytest.mark.parametrize("timeout", [None, timedelta()])
def test_a_user_is_told(make, timeout):
    make(lease=LEASE).semaphore("jobs", permits=2).acquire().release()
    locks = make(lease=LEASE)
    with pytest.raises(PermitsMismatch, match="has 2 permits, not 3"):
        locks.semaphore("jobs", permits=3).acquire(timeout=timeout)
    with pytest.raises(PermitsMismatch):
        locks.semaphore("jobs", permits=3).try_acquire()
    assert locks.semaphore("jobs", permits=2).acquire().release()


def test_a_client_that_uses_two_numbers_is_told(process):
    take(process, 3)
    with pytest.raises(PermitsMismatch):
        take(process, 2)
    assert take(process, 3)


def test_the_number_is_changed_by_deleting_its_record(process, other):
    process.release(take(process, 3))
    process.driver.store.perform(
        "DeleteItem", {"TableName": TABLE, "Key": {"pk": {"S": f"lock#{RECORD}"}}}
    )
    other.release(take(other, 5))
    process.driver.now += 3601
    with pytest.raises(PermitsMismatch) as caught:
        take(process, 3)
    assert caught.value.agreed == 5


DAY = 24 * 3600


@pytest.mark.parametrize("days", [0, 300])
def test_its_record_is_kept_for_400_days_after_it_was_asked_for(process, days):
    take(process, 3)
    process.driver.now += days * DAY
    asked = process.driver.time_of_day().wall
    take(process, 3)
    kept = int(process.driver.row(RECORD)["expires"]["N"]) - asked
    assert kept == pytest.approx(400 * DAY, abs=60)


@pytest.mark.parametrize(("seconds", "asked"), [(3599.9, 0), (3600.0, 1)])
def test_it_is_asked_for_again_after_an_hour(process, seconds, asked):
    now = process.driver.now
    process.release(take(process, 3))
    process.driver.calls.clear()
    process.driver.now = now + seconds
    take(process, 3)
    keys = [params["Key"]["pk"]["S"] for _, params in process.driver.calls]
    assert keys.count(f"lock#{RECORD}") == asked


def test_it_is_asked_for_once_an_hour(process):
    process.release(take(process, 3))
    calls = len(process.driver.calls)
    process.driver.now += 3500
    process.release(take(process, 3))
    assert len(process.driver.calls) == calls + 2
    process.driver.now += 3500
    process.release(take(process, 3))
    assert len(process.driver.calls) == calls + 5


@pytest.mark.parametrize(
    "number",
    [{}] + [{PERMITS: it} for it in ({"S": "x"}, {"N": "-1"}, {"N": "2.5"}, {"N": "1" + "0" * 37})],
)
def test_a_number_that_is_none_is_a_corrupt_record(process, number):
    item = {"pk": {"S": f"lock#{RECORD}"}, **number}
    process.driver.store.perform("PutItem", {"TableName": TABLE, "Item": item})
    with pytest.raises(CorruptRecord) as caught:
        take(process, 3)
    assert (caught.value.key, caught.value.attribute) == (f"lock#{RECORD}", PERMITS)
    assert held(process) == []
    (told,) = process.driver.run(process.locks.page("", None, held=False)).corrupt
    assert (told.key, told.attribute) == (f"lock#{RECORD}", PERMITS)


def test_a_number_of_readers_that_is_none_is_told_by_a_listing(process):
    item = {"pk": {"S": f"lock#{RECORD}"}, "slots": {"S": "x"}}
    process.driver.store.perform("PutItem", {"TableName": TABLE, "Item": item})
    (told,) = process.driver.run(process.locks.page("", None, held=False)).corrupt
    assert (told.attribute, told.value) == ("slots", {"S": "x"})


def test_a_name_is_either_a_semaphore_or_a_lock_of_readers_and_writers(process, other):
    process.release(take(process, 3))
    for side in (other.locks.read, other.locks.write):
        with pytest.raises(InvalidLockName, match="a semaphore"):
            other.driver.run(side("jobs", 3).run())
    other.driver.run(other.locks.read("pages", 3).run())
    with pytest.raises(InvalidLockName, match="readers and writers"):
        process.driver.run(process.locks.permit("pages", 3).run())


def shown(key, number):
    return {"pk": {"S": key}, PERMITS: {"N": number}}


@pytest.mark.parametrize(
    "act",
    [
        lose_reply,
        send_twice,
        answer({}),
        answer({"Attributes": {}}),
        answer({"Attributes": shown(f"lock#{RECORD}", "5")}),
        answer({"Attributes": shown("lock#x#slots", "3")}),
        refuse("ConditionalCheckFailedException"),
        refuse("ProvisionedThroughputExceededException", shown(f"lock#{RECORD}", "5")),
    ],
)
def test_an_answer_that_does_not_show_the_number_is_none(process, other, act):
    process.driver.script = [act]
    assert take(process, 3)
    with pytest.raises(PermitsMismatch):
        take(other, 2)


@pytest.mark.parametrize(
    ("act", "error"), [(unreachable, ServiceUnavailable), (throttle, Throttled)]
)
def test_a_store_that_does_not_answer_is_told(process, act, error):
    process.driver.script = [act] * 1000
    with pytest.raises(error):
        take(process, 3)


def test_a_store_that_has_agreed_is_not_silent(process):
    late = after(10.0, unreachable)
    process.driver.script = [*[late] * 6, carry_out, *[late] * 6]
    assert take(process, 3)


def test_a_refusal_that_is_about_something_else_is_no_other_number(process):
    refusal = refuse("ConditionalCheckFailedException", {"pk": {"S": "lock#x#slots"}})
    process.driver.script = [refusal, carry_out]
    assert take(process, 3)
    process.driver.now += 3601
    process.driver.script = [refusal] * 1000
    with pytest.raises(ServiceUnavailable):
        take(process, 3)
