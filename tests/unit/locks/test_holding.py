"""How long a lock is held, and what it shows meanwhile, is its holder's to say."""

from datetime import timedelta

import pytest

from interlock.errors import (
    AccessDenied,
    InvalidValue,
    LeaseTooShort,
    LockLost,
    LossReason,
    ServiceUnavailable,
)
from tests.unit.locks.realtime import SOON, denied, unreachable, wait_until
from tests.unit.locks.scripted import lose_reply, throttle

LONG = timedelta(seconds=30)
SHORT = timedelta(seconds=0.15)


def beats(network):
    return [
        params for _, params in network.calls if "SET version" in params.get("UpdateExpression", "")
    ]


def test_a_lock_without_heartbeats_ends_with_its_lease(locks, network, losses):
    lock = locks.acquire("a", lease=SHORT, heartbeats=False)
    wait_until(lambda: losses)
    assert lock.lost.is_set()
    assert losses == [("a", LossReason.LEASE_RAN_OUT)]
    assert beats(network) == []


def test_an_extension_holds_a_lock_without_heartbeats_for_another_lease(locks, network, losses):
    with locks.acquire("a", lease=SHORT, heartbeats=False) as lock:
        lock.extend()
        lock.extend(LONG)
        assert (lock.lease, network.row("a")["lease_ms"]) == (LONG, {"N": "30000"})
        assert lock.remaining > timedelta(seconds=20)
        assert not lock.lost.wait(2 * SHORT)
        assert len(beats(network)) == 2
        lock.extend(SHORT)
        wait_until(lambda: losses)
        assert len(beats(network)) == 3
        with pytest.raises(LockLost):
            lock.extend()
        lock.release()


def test_heartbeats_follow_another_lease(locks, network, losses):
    with locks.acquire("a", lease=LONG) as lock:
        lock.extend(SHORT)
        wait_until(lambda: len(beats(network)) > 6)
        lock.extend(LONG)
        sent = len(beats(network))
        assert not lock.lost.wait(2 * SHORT)
        assert len(beats(network)) <= sent + 1
    assert losses == []


def test_an_extension_that_is_refused_leaves_the_lock_as_it_was(locks, network):
    with locks.acquire("a", lease=LONG) as lock:
        network.fault = denied
        with pytest.raises(AccessDenied):
            lock.extend()
        network.calm()
        lock.ensure()
        lock.extend()


def test_an_extension_is_tried_again_for_its_time(locks, network, monkeypatch):
    monkeypatch.setattr("interlock._protocol.locks.lease.EXTENDING", 0.2)
    with locks.acquire("a", lease=LONG, heartbeats=False) as lock:
        network.fault = unreachable
        with pytest.raises(ServiceUnavailable):
            lock.extend(timedelta(minutes=1))
        network.calm()
        assert timedelta(seconds=20) < lock.remaining < LONG


def test_an_extension_of_a_lock_that_was_taken_away_is_its_loss(locks, network, losses):
    lock = locks.acquire("a", lease=LONG)
    network.take_away("a")
    with pytest.raises(LockLost) as lost:
        lock.extend()
    assert lost.value.reason is LossReason.TAKEN_OVER
    wait_until(lambda: losses)


def test_a_lock_that_was_given_back_is_not_extended(locks, network):
    lock = locks.acquire("a")
    lock.release()
    with pytest.raises(LockLost):
        lock.extend()
    assert not network.held("a")


@pytest.mark.parametrize(
    ("lease", "error"),
    [(timedelta(0), LeaseTooShort), (timedelta(days=31), InvalidValue), (5, InvalidValue)],
)
def test_an_extension_has_the_bounds_of_a_lease(locks, network, lease, error):
    with locks.acquire("a", heartbeats=False) as lock:
        with pytest.raises(error):
            lock.extend(lease)
        assert beats(network) == []
        lock.ensure()


def test_an_extension_whose_answer_is_lost_is_carried_out(process):
    grant = process.acquire("a")
    process.driver.script = [lose_reply, throttle]
    process.driver.run(process.locks.extend(grant, timedelta(seconds=60)))
    assert grant.lease == 60.0
    assert process.driver.row("a")["lease_ms"] == {"N": "60000"}
    assert process.driver.now < grant.until


def test_a_lock_is_held_no_longer_than_allowed(locks, network, losses):
    lock = locks.acquire("a", max_hold=timedelta(seconds=0.6))
    assert lock.lost.wait(timedelta(seconds=SOON))
    wait_until(lambda: not network.held("a"))
    with pytest.raises(LockLost) as lost:
        lock.extend()
    wait_until(lambda: losses)
    assert lost.value.reason is LossReason.HELD_TOO_LONG
    assert losses == [("a", LossReason.HELD_TOO_LONG)]
    assert len(beats(network)) > 1


def test_what_ends_after_its_time_is_lost_though_nobody_has_looked(locks, network):
    lock = locks.acquire("a", max_hold=timedelta(minutes=1))
    lock._grant.ends = lock._grant.until = locks._held.clock()
    with pytest.raises(LockLost, match="max_hold"), lock:
        pytest.fail("it was held")
    wait_until(lambda: not network.held("a"))


def test_an_extension_ends_with_what_is_allowed(locks):
    with locks.acquire("a", max_hold=LONG) as lock:
        lock.extend(timedelta(hours=1))
        assert lock.remaining <= LONG


def test_a_lease_is_no_longer_than_the_time_that_is_allowed(locks, network):
    with locks.acquire("a", lease=LONG, max_hold=SHORT, heartbeats=False):
        assert network.row("a")["lease_ms"] == {"N": "150"}


@pytest.mark.parametrize("max_hold", [timedelta(0), timedelta(seconds=-1)])
def test_a_lock_is_held_for_some_time(locks, network, max_hold):
    with pytest.raises(LeaseTooShort):
        locks.acquire("a", max_hold=max_hold)
    assert network.calls == []


def test_a_holder_shows_how_far_it_is_with_its_next_heartbeat(locks, network):
    with locks.acquire("a", data={"done": 0}) as lock:
        lock.data = {"done": 1}
        assert lock.data == {"done": 1}
        wait_until(lambda: locks.inspect("a").data == {"done": 1})
        lock.data = None
        wait_until(lambda: locks.inspect("a").data is None)
        written = [params for params in beats(network) if "#data" in params["UpdateExpression"]]
        wait_until(lambda: len(beats(network)) > len(written) + 2)
    assert len(written) == 2


def test_what_a_holder_shows_is_shown_though_an_answer_is_lost(process):
    grant = process.acquire("a")
    grant.shown = grant.shown._replace(number=1, data={"S": "new"})
    process.driver.script = [throttle]
    process.renew(grant)
    process.renew(grant)
    assert process.driver.row("a")["data"] == {"S": "new"}
    assert grant.written == 1


def test_what_cannot_be_shown_changes_nothing(locks):
    with locks.acquire("a", data="old") as lock:
        with pytest.raises(InvalidValue):
            lock.data = object()
        assert lock.data == "old"
    with pytest.raises(LockLost):
        lock.data = "late"
