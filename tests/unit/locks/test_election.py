"""One leads; it is told when it begins and when it has ceased to."""

from datetime import timedelta

import pytest

from interlock import LeaderElection, LockClient
from interlock.errors import LockTimeout, LossReason
from tests.unit.locks.realtime import RealTime, take_away, wait_until
from tests.unit.locks.scripted import TABLE


@pytest.fixture
def driver():
    return RealTime()


@pytest.fixture
def locks(driver):
    with LockClient(
        TABLE, driver=driver, lease=timedelta(seconds=0.4), poll=timedelta(seconds=0.02)
    ) as client:
        yield client


def test_one_leads_until_it_resigns(locks, driver):
    events = []
    first = LeaderElection(
        locks,
        "leader",
        on_gain=lambda lock: events.append(("gain", lock.fencing_token)),
        on_loss=lambda lock, reason: events.append((reason, lock.fencing_token)),
        data="first",
    )
    lock = first.campaign()
    assert first.campaign() is lock
    with LockClient(TABLE, driver=driver, poll=timedelta(seconds=0.02)) as others:
        second = LeaderElection(others, "leader")
        with pytest.raises(LockTimeout):
            second.campaign(timedelta(seconds=0.05))
        leader = second.observe()
        assert leader is not None
        assert leader.data == "first"
        assert first.resign() is True
        assert (first.leading, first.lock) == (False, None)
        assert second.campaign().fencing_token == lock.fencing_token + 1
    assert events == [("gain", lock.fencing_token), (LossReason.RELEASED, lock.fencing_token)]


def test_a_leader_that_was_replaced_is_told_once(locks, driver):
    reasons = []
    election = LeaderElection(locks, "leader", on_loss=lambda _, reason: reasons.append(reason))
    election.campaign()
    take_away(driver, "leader")
    wait_until(lambda: reasons)
    assert reasons == [LossReason.TAKEN_OVER]
    assert not election.leading
    assert election.resign() is False


def test_a_term_whose_beginning_fails_is_over(locks, driver):
    def fail(_lock):
        raise ZeroDivisionError

    election = LeaderElection(locks, "leader", on_gain=fail)
    with pytest.raises(ZeroDivisionError):
        election.campaign()
    assert not election.leading
    assert "version" not in driver.row("leader")


def test_nobody_has_led_yet(locks):
    assert LeaderElection(locks, "leader").observe() is None
