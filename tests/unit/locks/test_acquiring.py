"""Taking a lock: one round trip, exactly one grant, and no dead holder for ever."""

from datetime import timedelta

import pytest

from interlock._protocol.locks.settings import KEPT
from interlock.errors import (
    AccessDenied,
    CredentialsRejected,
    LockTimeout,
    RequestRefused,
    ServiceUnavailable,
    TableNotFound,
    Throttled,
    TransactionConflict,
)
from tests.unit.locks.scripted import (
    EPOCH,
    after,
    carry_out,
    conflict,
    lose_reply,
    lose_request,
    refuse,
    send_twice,
    throttle,
    unreachable,
)

LEASE = 20.0


def test_a_free_lock_takes_one_call(process):
    grant = process.acquire(data="why")
    assert process.driver.operations() == ["UpdateItem"]
    row = process.driver.row("a")
    assert row["version"]["S"] == grant.version
    assert row["data"] == {"S": "why"}
    assert row["owner"] == {"S": "somebody"}
    assert row["lease_ms"] == {"N": "20000"}


def test_the_lease_counts_from_before_the_request_was_sent(process):
    process.driver.script = [after(7.0)]
    sent = process.driver.now
    grant = process.acquire()
    assert sent < grant.until <= sent + LEASE


def test_the_ttl_attribute_is_in_seconds_and_far_behind_the_lease(process):
    process.acquire()
    expires = int(process.driver.row("a")["expires"]["N"])
    assert expires == pytest.approx(EPOCH + process.driver.now + LEASE + KEPT, abs=1)


@pytest.mark.parametrize("election", [True, False])
def test_the_record_says_whether_a_lock_elects_a_leader(process, election):
    leading = {"timeout": timedelta(), "data": None, "taker": None}
    acquisition = process.locks.campaign("a", **leading) if election else process.acquisition()
    process.driver.run(acquisition.run())
    assert ("election" in process.driver.row("a")) is election


@pytest.mark.parametrize("loss", [lose_reply, send_twice])
def test_a_lost_reply_is_not_waited_out(process, loss):
    process.driver.script = [loss]
    began = process.driver.now
    grant = process.acquire()
    assert process.driver.now - began < 3.0
    assert process.driver.row("a")["version"]["S"] == grant.version
    assert grant.until - began < LEASE + 3.0


def test_a_grant_whose_answer_took_longer_than_its_lease_is_taken_again(process):
    process.driver.script = [after(LEASE + 1)]
    grant = process.acquire()
    assert grant.until > process.driver.now
    assert process.driver.operations() == ["UpdateItem", "UpdateItem"]
    assert process.driver.row("a")["version"]["S"] == grant.version


@pytest.mark.parametrize("trouble", [throttle, conflict, lose_request, unreachable])
def test_trouble_is_never_taken_for_success(process, trouble):
    process.driver.script = [trouble] * 3
    grant = process.acquire()
    assert process.driver.row("a")["version"]["S"] == grant.version
    process.driver.script = [trouble] * 100
    with pytest.raises((Throttled, ServiceUnavailable, TransactionConflict)):
        process.acquire("b")
    assert process.driver.row("b") is None


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("ResourceNotFoundException", TableNotFound),
        ("AccessDeniedException", AccessDenied),
        ("NoCredentialsError", CredentialsRejected),
        ("ValidationException", RequestRefused),
    ],
)
def test_what_would_be_refused_again_is_said_at_once(process, code, error):
    process.driver.script = [refuse(code)]
    with pytest.raises(error):
        process.acquire()
    assert process.driver.operations().count("UpdateItem") == 1


def test_denied_access_names_the_grant_that_is_missing(process):
    process.driver.script = [refuse("AccessDeniedException")]
    with pytest.raises(AccessDenied, match="grant_locks"):
        process.acquire()


def test_who_does_not_wait_is_told_who_holds_it(process, other):
    grant = process.acquire(data="a payload")
    with pytest.raises(LockTimeout) as caught:
        other.acquire(timeout=0.0)
    holder = caught.value.holder
    assert (holder.owner, holder.fencing_token, holder.data) == (
        "somebody",
        grant.fence,
        "a payload",
    )
    assert holder.since is not None
    assert holder.since.timestamp() == pytest.approx(EPOCH + 1000, abs=1)
    assert other.driver.operations() == ["UpdateItem"]


def test_a_waiter_tries_then_reads_consistently_with_pauses_until_its_time_is_up(process, other):
    process.acquire()
    began = other.driver.now
    with pytest.raises(LockTimeout):
        other.acquire(timeout=15.0)
    assert other.driver.now - began == pytest.approx(15.0, abs=0.1)
    operations = other.driver.operations()
    assert 15 <= len(operations) <= 46
    tries = operations.count("UpdateItem")
    assert operations[:tries] == ["UpdateItem"] * tries
    assert tries == 11
    reads = [params for operation, params in other.driver.calls if operation == "GetItem"]
    assert all(params["ConsistentRead"] for params in reads)


def test_a_dead_holder_is_taken_over_after_its_whole_lease_on_the_waiters_clock(process, other):
    dead = process.acquire()
    began = other.driver.now
    grant = other.acquire()
    assert LEASE <= other.driver.now - began < LEASE + 1.0
    assert grant.fence == dead.fence + 1


@pytest.mark.parametrize("skew", [-1e6, 1e6])
def test_no_wall_clock_decides(process, other, skew):
    other.driver.skew = skew
    process.acquire()
    began = other.driver.now
    other.acquire()
    assert LEASE <= other.driver.now - began < LEASE + 1.0


def test_a_waiter_that_trusts_clocks_takes_over_once_the_lease_is_over_by_them(process, other):
    process.acquire()
    fresh = type(other)(other.driver.store, skew=2.0)
    fresh.driver.now = process.driver.now + LEASE + 1.9
    with pytest.raises(LockTimeout):
        fresh.acquire(timeout=0.0)
    fresh.driver.now += 0.2
    fresh.driver.calls.clear()
    assert fresh.acquire(timeout=0.0)
    assert fresh.driver.operations() == ["UpdateItem"] * 2


def test_a_waiter_that_trusts_clocks_needs_to_know_until_when_a_lock_is_held(process):
    item = {"pk": {"S": "lock#a"}, "fence": {"N": "7"}, "version": {"S": "v"}}
    item["lease_ms"] = {"N": "20000"}
    process.driver.store.perform("PutItem", {"TableName": "coordination", "Item": item})
    with pytest.raises(LockTimeout):
        type(process)(process.driver.store, skew=2.0).acquire(timeout=0.0)


def test_a_store_that_refuses_without_a_word_shows_the_lock_as_free(process):
    silent = refuse("ConditionalCheckFailedException")
    process.driver.script = [silent, carry_out] * 10
    with pytest.raises(LockTimeout) as late:
        process.acquire(timeout=0.0)
    assert not late.value.holder.held


def test_a_grant_that_came_too_late_was_an_answer(process):
    process.driver.script = [*[throttle] * 7, after(LEASE + 1), *[throttle] * 7]
    assert process.acquire().until > process.driver.now


def test_who_never_waits_takes_over_a_dead_lock_too(process, other):
    process.acquire()
    with pytest.raises(LockTimeout):
        other.acquire(timeout=0.0)
    other.driver.now += LEASE - 0.5
    with pytest.raises(LockTimeout):
        other.acquire(timeout=0.0)
    other.driver.now += 0.5
    assert other.acquire(timeout=0.0)
    assert other.driver.operations() == ["UpdateItem"] * 3


def test_the_fence_goes_on_after_the_row_was_deleted(process):
    first = process.acquire()
    process.driver.store.perform(
        "DeleteItem", {"TableName": "coordination", "Key": {"pk": {"S": "lock#a"}}}
    )
    assert process.acquire().fence > first.fence


def test_what_a_failed_acquisition_may_have_been_granted_is_given_back(process):
    acquisition = process.acquisition()
    process.driver.script = [lose_reply, *[unreachable] * 100]
    with pytest.raises(ServiceUnavailable):
        process.driver.run(acquisition.run())
    assert "version" in process.driver.row("a")
    process.driver.script = []
    process.driver.run(acquisition.abandon())
    assert "version" not in process.driver.row("a")


def test_an_acquisition_that_was_surely_refused_has_nothing_to_give_back(process, other):
    process.acquire()
    acquisition = other.acquisition(timeout=0.0)
    with pytest.raises(LockTimeout):
        other.driver.run(acquisition.run())
    calls = len(other.driver.calls)
    other.driver.run(acquisition.abandon())
    assert len(other.driver.calls) == calls


def test_a_takeover_of_a_holder_that_was_only_slow_is_refused(process, other):
    grant = process.acquire()

    def wake_up():
        process.driver.store.perform(
            "UpdateItem",
            {
                "TableName": "coordination",
                "Key": {"pk": {"S": "lock#a"}},
                "UpdateExpression": "SET version = :v",
                "ExpressionAttributeValues": {":v": {"S": "late"}},
            },
        )

    def late_heartbeat(driver, operation, params):
        wake_up()
        return driver.store.perform(operation, params)

    with pytest.raises(LockTimeout):
        other.acquire(timeout=0.0)
    other.driver.now += LEASE
    other.driver.script = [late_heartbeat]
    with pytest.raises(LockTimeout):
        other.acquire(timeout=0.0)
    assert int(process.driver.row("a")["fence"]["N"]) == grant.fence


@pytest.mark.parametrize(
    ("timeout", "waits", "patient"),
    [(None, True, True), (0.001, True, False), (0.0, False, False)],
)
def test_an_acquisition_says_whether_it_waits_and_whether_for_ever(
    process, timeout, waits, patient
):
    acquisition = process.acquisition(timeout=timeout)
    assert (acquisition.waits, acquisition.patient) == (waits, patient)


@pytest.mark.parametrize(("timeout", "seconds"), [(None, float("inf")), (5.0, 5.0)])
def test_an_acquisition_that_has_begun_says_when_its_time_is_up(process, timeout, seconds):
    began = process.driver.now
    assert process.acquisition(timeout=timeout).begin(began) == began + seconds


def test_the_time_of_an_acquisition_counts_from_its_begin_and_not_from_its_first_call(
    process, other
):
    process.acquire()
    acquisition, began = other.acquisition(timeout=5.0), other.driver.now
    acquisition.begin(began)
    other.driver.now += 4.0
    with pytest.raises(LockTimeout) as caught:
        other.driver.run(acquisition.run())
    assert began + 5.0 <= other.driver.now < began + 5.1
    assert caught.value.waited == timedelta(seconds=other.driver.now - began)


def test_an_acquisition_that_stood_in_a_queue_of_its_own_client_was_contended(process):
    acquisition = process.acquisition()
    acquisition.queued = True
    process.driver.run(acquisition.run())
    assert acquisition.contended
