"""Heartbeats and extensions: what they do about each fault, and what is never sent."""

from datetime import timedelta

import pytest

from interlock._protocol.faults import OutOfTime
from interlock.errors import (
    AccessDenied,
    LockLost,
    LossReason,
    ServiceUnavailable,
    Throttled,
)
from tests.unit.locks.scripted import (
    carry_out,
    hang,
    lose_request,
    refuse,
    send_twice,
    throttle,
    throttle_second,
    unreachable,
)

LEASE = 20.0
denied = refuse("AccessDeniedException")


@pytest.fixture
def extend(process, grant):
    def extend(seconds):
        process.driver.run(process.locks.extend(grant, timedelta(seconds=seconds)))

    return extend


def values(process, call=-1):
    return process.driver.calls[call][1]["ExpressionAttributeValues"]


def test_two_heartbeats_that_hang_lose_no_lock(process, grant):
    process.driver.script = [hang, hang]
    for _ in range(3):
        process.driver.now = max(process.driver.now, grant.due)
        process.renew(grant)
    assert grant.loss is None
    assert grant.until > process.driver.now


def test_a_heartbeat_is_waited_for_within_its_lease(process, grant):
    process.driver.now = grant.due
    process.renew(grant)
    (deadline,) = process.driver.deadlines
    assert grant.due - LEASE / 4 < deadline <= grant.due + LEASE / 4


def test_a_heartbeat_that_failed_is_repeated_soon_and_often(process, grant):
    process.driver.script = [throttle] * 1000
    pauses = []
    while not grant.over:
        process.driver.now = max(process.driver.now, grant.due)
        process.renew(grant)
        pauses.append(grant.due - process.driver.now)
    assert 0.0 < pauses[0] < LEASE / 100
    assert max(pauses) < LEASE / 20


def test_what_failed_is_counted_logged_and_told(process, grant, caplog):
    process.driver.script = [throttle] * 3
    for _ in range(3):
        process.renew(grant)
    assert grant.failures == 3
    assert "3 calls" in str(grant.problem)
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 3
    assert "'a'" in caplog.text


def out_of_time(_driver, _operation, _params):
    raise OutOfTime


@pytest.mark.parametrize(
    ("faults", "problem"),
    [
        ([throttle, out_of_time], Throttled),
        ([out_of_time], ServiceUnavailable),
        ([out_of_time, throttle], Throttled),
        ([throttle, denied], AccessDenied),
    ],
)
def test_the_last_fault_that_says_anything_is_the_problem(process, grant, faults, problem):
    process.driver.script = [*faults]
    for _ in faults:
        process.renew(grant)
    assert isinstance(grant.problem, problem)


def test_what_failed_before_has_not_made_another_the_holder(process, other, grant):
    process.driver.script = [throttle]
    process.renew(grant)
    other.acquire()
    process.renew(grant)
    assert grant.loss is LossReason.TAKEN_OVER
    assert grant.error().problem is None


def test_while_a_commit_may_release_it_a_refused_heartbeat_ends_nothing(process, other, grant):
    grant.in_commit = True
    other.acquire()
    began = process.driver.now
    process.renew(grant)
    assert grant.loss is None
    assert grant.due == min(began + LEASE / 4, grant.until)
    process.driver.now = grant.until - 1.0
    process.renew(grant)
    assert grant.due == grant.until


def test_a_heartbeat_that_comes_after_the_lease_is_not_sent(process, grant):
    process.driver.now = grant.until
    process.renew(grant)
    assert process.driver.calls == []
    assert grant.loss is LossReason.LEASE_RAN_OUT


@pytest.mark.parametrize("trouble", [unreachable, throttle])
def test_a_heartbeat_that_was_certainly_not_carried_out_is_forgotten(process, grant, trouble):
    version = grant.version
    process.driver.script = [trouble]
    process.renew(grant)
    assert grant.own() == (version,)


def test_a_heartbeat_that_was_refused_when_it_came_again_may_have_been_carried_out(process, grant):
    process.driver.script = [throttle_second]
    process.renew(grant)
    process.renew(grant)
    assert grant.loss is None
    assert process.driver.row("a")["version"] == {"S": grant.version}


def test_however_many_heartbeats_are_not_answered_a_condition_fits_and_none_is_sent_in_vain(
    process, grant
):
    def lose_at_once(driver, operation, params):
        with pytest.raises(Exception, match="read timeout"):
            lose_request(driver, operation, params)
        driver.now = began
        return {}

    began = process.driver.now
    process.driver.script = [lose_at_once] * 200
    for _ in range(200):
        process.renew(grant)
    assert len(process.driver.calls) < 100
    operands = [name for name in values(process) if name[:2] == ":v" and name != ":version"]
    assert 80 < len(operands) <= 100
    assert grant.due == grant.until


def test_what_was_shown_once_is_not_written_again(process, grant):
    grant.shown = grant.shown._replace(number=1, data={"S": "new"})
    process.renew(grant)
    process.renew(grant)
    assert [":data" in values(process, call) for call in (0, 1)] == [True, False]


@pytest.mark.parametrize("seconds", [60.0, 2.0])
def test_an_extension_is_one_call_without_a_wait_and_heartbeats_follow_its_lease(
    process, grant, extend, seconds
):
    began = process.driver.now
    extend(seconds)
    assert process.driver.operations() == ["UpdateItem"]
    assert process.driver.now == pytest.approx(began + 0.01)
    assert process.driver.row("a")["lease_ms"] == {"N": str(round(seconds * 1000))}
    assert grant.until == pytest.approx(began + seconds, rel=0.01)
    assert grant.heartbeat_interval == seconds / 4
    assert process.driver.now < grant.due <= began + seconds / 4


def test_an_extension_of_a_lock_without_heartbeats_asks_for_none(process):
    grant = process.acquire(heartbeats=False)
    process.driver.run(process.locks.extend(grant, timedelta(seconds=60)))
    assert grant.heartbeat_interval == float("inf")
    assert grant.due == grant.until


@pytest.mark.parametrize("heartbeats", [True, False])
@pytest.mark.parametrize(
    ("trouble", "error"), [(unreachable, ServiceUnavailable), (throttle, Throttled)]
)
def test_an_extension_is_tried_for_five_seconds_and_leaves_the_lock_held(
    process, trouble, error, heartbeats
):
    grant = process.acquire(heartbeats=heartbeats)
    process.driver.calls.clear()
    process.driver.script = [trouble] * 1000
    began = process.driver.now
    with pytest.raises(error):
        process.driver.run(process.locks.extend(grant, timedelta(seconds=60)))
    assert 5.0 <= process.driver.now - began < 6.0
    assert 5 < len(process.driver.calls) < 40
    assert grant.loss is None
    assert grant.due == (process.driver.now if heartbeats else grant.until)


def test_an_extension_whose_answer_comes_after_its_lease_is_none(process, extend):
    def stopped_meanwhile(driver, operation, params):
        reply = carry_out(driver, operation, params)
        driver.now += 3.0
        return reply

    process.driver.script = [stopped_meanwhile]
    with pytest.raises(LockLost) as lost:
        extend(2)
    assert lost.value.reason is LossReason.LEASE_RAN_OUT


@pytest.mark.usefixtures("grant")
def test_an_extension_that_is_denied_says_so_at_once(process, extend):
    process.driver.script = [denied] * 1000
    with pytest.raises(AccessDenied):
        extend(60)
    assert len(process.driver.calls) == 1


@pytest.mark.parametrize("ending", ["taken over", "given back", "run out"])
def test_there_is_no_extension_of_what_is_not_held(process, other, grant, extend, ending):
    if ending == "taken over":
        other.acquire()
    elif ending == "given back":
        process.release(grant)
    else:
        process.driver.now = grant.until
    calls = len(process.driver.calls)
    with pytest.raises(LockLost) as lost:
        extend(60)
    reasons = {"taken over": LossReason.TAKEN_OVER, "given back": LossReason.RELEASED}
    assert lost.value.reason is reasons.get(ending, LossReason.LEASE_RAN_OUT)
    assert len(process.driver.calls) - calls == (ending == "taken over")


def test_an_extension_while_a_commit_may_release_waits_for_the_lease_and_no_longer(
    process, other, grant, extend
):
    grant.in_commit = True
    other.acquire()
    with pytest.raises(LockLost) as lost:
        extend(60)
    assert lost.value.reason is LossReason.LEASE_RAN_OUT
    assert process.driver.now >= grant.until


def test_a_heartbeat_that_is_known_by_a_refusal_counts_like_one_that_was_answered(process, grant):
    sent = process.driver.now = grant.due
    process.driver.script = [send_twice]
    process.renew(grant)
    assert grant.own() == (process.driver.row("a")["version"]["S"],)
    assert grant.until == pytest.approx(sent + LEASE, rel=0.01)
    assert grant.due == sent + LEASE / 4
    assert (grant.failures, grant.problem) == (0, None)


@pytest.mark.parametrize(
    ("trouble", "reason"), [(denied, LossReason.REFUSED), (throttle, LossReason.LEASE_RAN_OUT)]
)
def test_a_fault_that_comes_after_the_lease_says_at_once_how_it_was_lost(
    process, grant, trouble, reason
):
    def late(driver, operation, params):
        driver.now = grant.until
        return trouble(driver, operation, params)

    process.driver.script = [late]
    process.renew(grant)
    assert grant.loss is reason


def test_a_lock_that_was_held_as_long_as_it_may_says_so_though_heartbeats_were_refused(process):
    grant = process.acquire(max_hold=timedelta(seconds=LEASE))
    for trouble in (carry_out, *[denied] * 1000):
        if grant.over:
            break
        process.driver.script = [trouble]
        process.driver.now = max(process.driver.now, grant.due)
        process.renew(grant)
    assert grant.loss is LossReason.HELD_TOO_LONG


def test_a_lock_that_was_given_back_is_not_lost_though_heartbeats_were_refused(process, grant):
    process.driver.script = [denied]
    process.renew(grant)
    process.release(grant)
    process.renew(grant)
    assert grant.loss is None
