"""`LeaderElection.run` leads for good: over and over, until it is told to stop."""

import threading
from contextlib import contextmanager
from datetime import timedelta

import pytest

from interlock.errors import InvalidValue, LockClientClosed
from tests.unit.locks.realtime import SOON, denied, releases, unreachable, wait_until

BRIEFLY = timedelta(seconds=SOON)


@contextmanager
def running(half, election, lead, **options):
    """Run an election on a thread of its own until the block ends; what it raises is given."""
    raised = []

    def run():
        try:
            election.run(half.function(lead), **options)
        except Exception as error:  # noqa: BLE001 - for the test
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield raised
    finally:
        election.stop()
        thread.join(SOON)
        assert not thread.is_alive()


def test_a_term_that_is_led_to_its_end_is_followed_by_another(half, locks, network):
    election, fences = locks.election("leader"), []

    def lead(term):
        fences.append(term.lock.fencing_token)

    with running(half, election, lead):
        wait_until(lambda: len(fences) > 2)
    assert fences == list(range(fences[0], fences[0] + len(fences)))
    assert not network.held("leader")


def test_a_term_is_over_when_the_election_is_told_to_stop(half, locks, network):
    election, waits = locks.election("leader"), []

    def lead(term):
        waits.append(term.wait(timedelta()))
        waits.append((term.wait(BRIEFLY), term.over))

    with running(half, election, lead):
        wait_until(lambda: waits)
    assert waits == [False, (True, True)]
    assert not network.held("leader")


def test_a_campaign_is_given_up_when_the_election_is_told_to_stop(half, locks, make):
    rival = make().acquire("leader")
    election = locks.election("leader")
    with running(half, election, lambda _term: None) as raised:
        wait_until(lambda: election.observe().held)
    assert raised == []
    assert rival.release()


def test_a_term_whose_lock_is_taken_away_is_over_and_the_next_one_campaigned_for(
    half, locks, network
):
    election, terms = locks.election("leader"), []

    def lead(term):
        terms.append(term)
        term.wait(BRIEFLY)

    with running(half, election, lead):
        wait_until(lambda: terms)
        network.take_away("leader")
        wait_until(lambda: terms[0].over)
        network.perform(
            "DeleteItem", {"TableName": "coordination", "Key": {"pk": {"S": "lock#leader"}}}
        )
        wait_until(lambda: len(terms) > 1)
        assert not terms[1].over
        assert terms[0].over
        assert terms[1].lock.fencing_token > terms[0].lock.fencing_token


def test_a_term_is_over_before_its_lease_when_no_heartbeat_is_answered(half, make, network):
    locks = make(lease=timedelta(seconds=30), heartbeat=timedelta(seconds=0.02))
    election, left = locks.election("leader"), []

    def lead(term):
        network.fault = unreachable
        assert term.wait(BRIEFLY)
        left.append(term.lock.remaining)
        assert not term.lock.lost.is_set()
        network.calm()
        assert term.over
        election.stop()

    with running(half, election, lead, renew_deadline=timedelta(seconds=0.1)) as raised:
        wait_until(lambda: left or raised)
    assert raised == []
    assert left[0] > timedelta(seconds=20)
    assert not network.held("leader")


def test_a_store_that_does_not_answer_is_asked_again(half, locks, network, monkeypatch):
    monkeypatch.setattr("interlock._protocol.locks.settings.SILENCE", 0.05)
    election, terms = locks.election("leader"), []
    network.fault = unreachable

    def lead(term):
        terms.append(term)
        term.wait(BRIEFLY)

    with running(half, election, lead) as raised:
        assert not terms
        network.calm()
        wait_until(lambda: terms)
    assert raised == []


def test_what_leading_raises_ends_the_term_and_is_raised(half, locks, network):
    def fail(_term):
        raise ZeroDivisionError

    election = locks.election("leader")
    with pytest.raises(ZeroDivisionError):
        election.run(half.function(fail))
    assert not network.held("leader")


def test_a_refusal_that_stays_is_raised(half, locks, network):
    network.fault = denied
    with pytest.raises(Exception, match="grant_locks"):
        locks.election("leader").run(half.function(lambda _term: None))


def test_a_lead_that_cannot_be_given_back_ends_with_its_lease(half, locks, network):
    election, terms = locks.election("leader"), []

    def lead(term):
        terms.append(term)
        if len(terms) == 1:
            network.fault = lambda operation, params: (
                denied(operation, params) if releases(operation, params) else None
            )
        else:
            network.calm()
            term.wait(BRIEFLY)

    with running(half, election, lead) as raised:
        wait_until(lambda: len(terms) > 1)
    assert raised == []
    assert not network.held("leader")


def test_the_end_of_the_client_ends_the_election(half, make):
    locks = make(poll=timedelta(seconds=0.02))
    election, terms = locks.election("leader"), []

    def lead(term):
        terms.append(term)
        term.wait(BRIEFLY)

    with running(half, election, lead) as raised:
        wait_until(lambda: terms)
        locks.close()
        wait_until(lambda: raised)
    assert isinstance(raised[0], LockClientClosed)


def test_an_election_that_was_stopped_leads_no_more(half, locks):
    election = locks.election("leader")
    election.stop()
    election.run(half.function(lambda _term: pytest.fail("it leads")))


@pytest.mark.parametrize("seconds", [0.0, 0.1, 0.4, 1.0])
def test_a_renew_deadline_is_between_a_heartbeat_and_the_lease(half, locks, network, seconds):
    with pytest.raises(InvalidValue, match="renew_deadline"):
        locks.election("leader").run(
            half.function(lambda _term: None), renew_deadline=timedelta(seconds=seconds)
        )
    assert network.calls == []


def test_leading_has_to_be_of_its_half(half, locks, network):
    async def coroutine(_term):
        pytest.fail("it leads")

    wrong = (lambda _term: None) if half.awaitable else coroutine
    with pytest.raises(TypeError, match=r"async def|interlock\.aio"):
        locks.election("leader").run(wrong)
    assert not network.held("leader")
