"""Heartbeats: a lost one does no harm, none dies silently, and none outlives its lock."""

import pytest

from interlock.errors import LossReason, ServiceUnavailable
from tests.unit.locks.scripted import (
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


@pytest.fixture
def grant(process):
    grant = process.acquire()
    process.driver.calls.clear()
    return grant


@pytest.fixture
def beat(process, grant):
    def beat():
        process.driver.now = max(process.driver.now, grant.due)
        process.renew(grant)

    return beat


@pytest.fixture
def give_back(process, grant):
    return lambda: process.release(grant)


def test_a_heartbeat_is_one_call_and_extends_the_lease(process, grant, beat):
    before = grant.until
    beat()
    assert process.driver.operations() == ["UpdateItem"]
    assert grant.until == pytest.approx(before + LEASE / 4, abs=0.1)
    assert process.driver.row("a")["version"]["S"] == grant.version


def test_a_heartbeat_leaves_the_data_that_came_with_the_lock(process):
    process.renew(process.acquire(data="why"))
    assert process.driver.row("a")["data"] == {"S": "why"}


def test_the_first_heartbeat_asks_for_no_more_than_the_next(process, beat):
    beat()
    beat()
    first, second = (params["ConditionExpression"] for _, params in process.driver.calls)
    assert first == second


@pytest.mark.parametrize("loss", [lose_reply, lose_request, send_twice])
def test_a_lost_reply_is_no_loss(process, grant, beat, loss):
    process.driver.script = [loss]
    beat()
    beat()
    assert grant.loss is None
    assert process.driver.row("a")["version"]["S"] == grant.version


def test_the_lease_counts_from_the_heartbeat_that_was_carried_out(process, grant, beat):
    process.driver.script = [after(4.0, send_twice)]
    sent = grant.due
    beat()
    assert sent < grant.until <= sent + LEASE


def test_a_copy_that_the_network_kept_does_not_bring_an_old_version_back(process, grant, beat):
    process.driver.script = [lose_request]
    beat()
    kept = process.driver.calls[-1]
    beat()
    version = grant.version
    with pytest.raises(Exception, match="ConditionalCheckFailed"):
        process.driver.store.perform(*kept)
    assert process.driver.row("a")["version"]["S"] == version


@pytest.mark.parametrize("trouble", [throttle, conflict, unreachable, lose_request])
def test_a_lock_in_danger_recovers(process, grant, beat, trouble):
    process.driver.script = [trouble] * 4
    for _ in range(4):
        beat()
    assert grant.problem is not None
    assert not grant.expired(process.driver.now)
    beat()
    assert (grant.problem, grant.failures) == (None, 0)
    assert grant.until > process.driver.now + LEASE / 2


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (unreachable, LossReason.LEASE_RAN_OUT),
        (throttle, LossReason.LEASE_RAN_OUT),
        (refuse("AccessDeniedException"), LossReason.REFUSED),
    ],
)
def test_it_is_tried_until_the_lease_is_over_and_then_said_why(
    process, grant, beat, trouble, reason
):
    until = grant.until
    process.driver.script = [trouble] * 1000
    tries = 0
    while grant.loss is None:
        assert grant.due <= until
        beat()
        tries += 1
    assert process.driver.now >= until
    assert grant.loss is reason
    assert 10 < tries < 90
    assert grant.error().problem is not None
    process.driver.script = []
    process.driver.calls.clear()
    process.renew(grant)
    assert process.driver.calls == []


def test_a_refusal_that_may_pass_does_not_end_the_lock(process, grant, beat):
    process.driver.script = [refuse("ExpiredTokenException")]
    beat()
    beat()
    assert grant.loss is None


def test_a_successor_is_noticed(process, other, grant):
    successor = other.acquire()
    process.renew(grant)
    assert grant.loss is LossReason.TAKEN_OVER
    assert process.driver.row("a")["version"]["S"] == successor.version


def test_a_deleted_record_is_no_lease_that_ran_out(process, grant, beat):
    process.driver.store.perform(
        "DeleteItem", {"TableName": "coordination", "Key": {"pk": {"S": "lock#a"}}}
    )
    beat()
    assert grant.loss is LossReason.DELETED
    assert process.driver.row("a") is None


def test_release_is_one_call_that_keeps_the_fence(process, grant, give_back):
    assert give_back() is True
    assert process.driver.operations() == ["UpdateItem"]
    row = process.driver.row("a")
    assert set(row) == {"pk", "fence", "expires"}
    assert int(row["fence"]["N"]) == grant.fence


def test_a_heartbeat_under_way_does_not_resurrect_a_released_lock(process, grant, beat, give_back):
    def release_first(driver, operation, params):
        driver.script = [carry_out]
        assert give_back() is True
        return carry_out(driver, operation, params)

    process.driver.script = [release_first]
    beat()
    assert "version" not in process.driver.row("a")
    assert grant.loss is None


def test_a_heartbeat_that_came_first_does_not_keep_the_lock(process, beat, give_back):
    def release_after(driver, operation, params):
        reply = carry_out(driver, operation, params)
        driver.script = [carry_out]
        assert give_back() is True
        return reply

    process.driver.script = [release_after]
    beat()
    assert "version" not in process.driver.row("a")


def test_no_heartbeat_is_sent_after_the_release(process, grant, give_back):
    give_back()
    process.driver.calls.clear()
    process.renew(grant)
    assert process.driver.calls == []


@pytest.mark.parametrize("loss", [lose_reply, lose_request, send_twice, throttle, conflict])
def test_a_release_is_tried_again(process, give_back, loss):
    process.driver.script = [loss]
    assert give_back() is True
    assert "version" not in process.driver.row("a")


def test_the_lock_of_a_successor_is_not_released(process, other, grant, give_back):
    successor = other.acquire()
    assert give_back() is False
    assert grant.loss is LossReason.TAKEN_OVER
    assert process.driver.row("a")["version"]["S"] == successor.version


def test_a_lock_that_ran_out_but_has_no_successor_was_held_to_the_end(process, grant, give_back):
    process.driver.now += LEASE + 1
    assert grant.expired(process.driver.now)
    assert give_back() is True


def test_a_release_gives_up_in_time(process, give_back):
    process.driver.script = [unreachable] * 1000
    began = process.driver.now
    with pytest.raises(ServiceUnavailable):
        give_back()
    assert process.driver.now - began < 7.0


def test_a_lock_is_being_renewed_from_shortly_before_a_heartbeat_until_it_is_done(process):
    grant = process.acquire("a", heartbeats=True)
    due = grant.due
    assert [grant.renewing(due + away) for away in (-1.0, -0.06, -0.04, 0.0, 0.9)] == [
        False,
        False,
        True,
        True,
        True,
    ]
    assert not grant.renewing(due + 1.1)  # nothing renews it any more
    grant.turn.pop()
    assert grant.renewing(due - 1.0)
    grant.turn.append(True)
    process.driver.script = [unreachable]
    process.driver.now = due
    process.renew(grant)
    assert grant.renewing(process.driver.now)
    process.driver.now = grant.due
    process.renew(grant)
    assert not grant.renewing(process.driver.now)


def test_a_lock_that_is_not_renewed_holds_up_no_commit(process):
    grant = process.acquire("a", heartbeats=False)
    assert not grant.renewing(grant.due)
    held = process.acquire("b")
    process.release(held)
    assert not held.renewing(held.due)
