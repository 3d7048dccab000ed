"""One leads; the client learns when it begins and when it has ceased to."""

import threading
from datetime import timedelta

import pytest

from interlock.errors import LockTimeout, LossReason
from tests.unit.locks.realtime import SOON, wait_until


@pytest.fixture
def others(make):
    return make(poll=timedelta(seconds=0.02))


def test_one_leads_until_it_resigns(half, locks, others):
    events = []
    first = locks.election(
        "leader",
        on_gain=half.function(lambda lock: events.append(("gain", lock.fencing_token))),
        on_loss=half.function(lambda lock, reason: events.append((reason, lock.fencing_token))),
        data="first",
    )
    lock = first.campaign()
    assert first.campaign() == lock
    second = others.election("leader")
    with pytest.raises(LockTimeout):
        second.campaign(timedelta(seconds=0.05))
    assert second.observe().data == "first"
    assert first.resign() is True
    assert (first.leading, first.lock) == (False, None)
    assert second.campaign().fencing_token == lock.fencing_token + 1
    assert second.resign() is True
    assert events == [("gain", lock.fencing_token), (LossReason.RELEASED, lock.fencing_token)]


def test_a_leader_that_was_replaced_learns_it_once(half, locks, network):
    reasons = []
    election = locks.election(
        "leader", on_loss=half.function(lambda _, reason: reasons.append(reason))
    )
    election.campaign()
    network.take_away("leader")
    wait_until(lambda: reasons)
    assert reasons == [LossReason.TAKEN_OVER]
    assert not election.leading
    assert election.resign() is False


def test_a_leader_that_was_replaced_may_campaign_again_at_once(half, locks, network):
    terms = []

    def again(lock, _reason):
        network.perform(
            "DeleteItem", {"TableName": "coordination", "Key": {"pk": {"S": "lock#leader"}}}
        )
        terms.append((lock.fencing_token, election.campaign(timedelta(seconds=SOON)).fencing_token))

    election = locks.election("leader", on_loss=half.function(again))
    bystander = locks.acquire("bystander")
    election.campaign()
    network.take_away("leader")
    wait_until(lambda: terms)
    assert terms[0][0] < terms[0][1]
    bystander.ensure()
    assert election.resign()
    assert bystander.release()


def test_a_term_whose_beginning_fails_is_over(half, locks, network):
    def fail(_lock):
        raise ZeroDivisionError

    election = locks.election("leader", on_gain=half.function(fail))
    with pytest.raises(ZeroDivisionError):
        election.campaign()
    assert not election.leading
    assert not network.held("leader")


def test_no_client_has_led_yet(locks):
    assert locks.election("leader").observe() is None


def test_of_two_that_campaign_together_both_learn_that_this_client_leads(locks, others):
    rival = others.election("leader")
    rival.campaign()
    election, terms = locks.election("leader"), []

    def campaign():
        terms.append(election.campaign(timedelta(seconds=SOON)).fencing_token)

    threads = [threading.Thread(target=campaign) for _ in range(3)]
    for thread in threads:
        thread.start()
    rival.resign()
    for thread in threads:
        thread.join(SOON)
    assert len(terms) == 3
    assert set(terms) == {election.lock.fencing_token}
    assert election.resign()


def test_one_that_campaigns_beside_another_is_not_kept_beyond_its_time(locks, others):
    rival = others.election("leader", data="rival")
    rival.campaign()
    election = locks.election("leader")
    patient = threading.Thread(target=lambda: election.campaign(timedelta(seconds=SOON)))
    patient.start()
    with pytest.raises(LockTimeout) as caught:
        election.campaign(timedelta(seconds=0.1))
    assert caught.value.holder.data == "rival"
    rival.resign()
    patient.join(SOON)
    assert election.resign()


def test_an_election_is_known_for_one_from_its_first_leader_on(locks, others):
    with locks.acquire("orders/1"):
        election = locks.election("leader")
        election.campaign()
        elections = {lock.name: lock.election for lock in others.page().locks}
        assert elections == {"orders/1": False, "leader": True}
    election.resign()
    assert others.inspect("leader").election
    with others.acquire("leader"):
        assert locks.inspect("leader").election
    assert others.break_lock("leader", because="nothing to break") is None
    assert not locks.inspect("orders/1").election
