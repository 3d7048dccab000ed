"""The waiters of one client stand in line: one of them asks the store, the others wait for it."""

import threading
from datetime import timedelta

import pytest

from interlock._drivers.lines import Ticket
from interlock.errors import LockClientClosed, LockTimeout, LockWaitCancelled, ServiceUnavailable
from tests.unit.locks.realtime import SOON, unreachable, wait_until

WAITERS = 40


def start(work):
    """Start a thread; return it with what comes of it."""
    outcome = []

    def run():
        try:
            outcome.append(work())
        except Exception as error:  # noqa: BLE001 - for the test
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, outcome


def in_line(locks, name="a"):
    return len(locks._held._lines._lines.get(name, ()))


@pytest.fixture
def patient(make):
    return make(poll=timedelta(minutes=1))


def test_forty_waiters_of_one_client_cost_what_one_costs(half, make, network):
    rival, locks = make().acquire("a"), make(poll=timedelta(minutes=1))
    fences = []

    def work():
        with locks.acquire("a") as lock:
            fences.append(lock.fencing_token)

    waiters = [start(work) for _ in range(WAITERS)]
    wait_until(lambda: in_line(locks) == WAITERS)
    wait_until(lambda: len(network.calls) == 2)
    assert rival.release()
    half.call(locks._held._lines._first("a").call)  # its next look, which is a minute away
    for thread, outcome in waiters:
        thread.join(SOON)
        assert outcome == [None]
    assert fences == list(range(fences[0], fences[0] + WAITERS))
    # Two for the rival; a look in vain; an acquisition and a release for each.
    assert len(network.calls) == 2 + 1 + 2 * WAITERS
    assert in_line(locks) == 0
    assert locks._held._lines._since == {}


def test_a_release_calls_the_next_of_its_own_line(patient):
    lock = patient.acquire("a")
    first, got = start(lambda: patient.acquire("a"))
    wait_until(lambda: in_line(patient) == 1)
    second, none = start(lambda: patient.acquire("a"))
    wait_until(lambda: in_line(patient) == 2)
    assert lock.release()
    first.join(SOON)
    assert got[0].fencing_token == lock.fencing_token + 1
    assert none == []
    assert got[0].release()
    second.join(SOON)
    assert none[0].release()


def test_a_lock_is_handed_on_within_a_client_for_a_while_only(half, patient, network):
    patient._held._lines.poll = 0.0
    lock = patient.acquire("a")
    waiter, got = start(lambda: patient.acquire("a", timeout=timedelta(minutes=1)))
    wait_until(lambda: in_line(patient) == 1)
    wait_until(lambda: len(network.calls) == 2)  # it looks as others do
    assert lock.release()
    assert not network.held("a")
    assert got == []
    half.call(patient._held._lines._first("a").call)
    waiter.join(SOON)
    assert got[0].release()


def test_a_waiter_in_line_has_its_own_time(make, locks):
    rival = make().acquire("a")
    first, got = start(lambda: locks.acquire("a"))
    wait_until(lambda: in_line(locks) == 1)
    with pytest.raises(LockTimeout) as late:
        locks.acquire("a", timeout=timedelta(seconds=0.05))
    assert late.value.holder.fencing_token == rival.fencing_token
    assert late.value.waited >= timedelta(seconds=0.05)
    assert in_line(locks) == 1
    assert rival.release()
    first.join(SOON)
    assert got[0].release()


def test_a_waiter_in_line_is_cancelled_alone(make, locks):
    rival, cancel = make().acquire("a"), threading.Event()
    first, got = start(lambda: locks.acquire("a"))
    wait_until(lambda: in_line(locks) == 1)
    second, cancelled = start(lambda: locks.acquire("a", cancel=cancel))
    wait_until(lambda: in_line(locks) == 2)
    cancel.set()
    second.join(SOON)
    assert isinstance(cancelled[0], LockWaitCancelled)
    assert rival.release()
    first.join(SOON)
    assert got[0].release()


def test_the_first_in_line_that_gives_up_leaves_its_place_to_the_next(make, locks):
    rival, cancel = make().acquire("a"), threading.Event()
    first, cancelled = start(lambda: locks.acquire("a", cancel=cancel))
    wait_until(lambda: in_line(locks) == 1)
    second, got = start(lambda: locks.acquire("a"))
    wait_until(lambda: in_line(locks) == 2)
    cancel.set()
    first.join(SOON)
    assert isinstance(cancelled[0], LockWaitCancelled)
    assert rival.release()
    second.join(SOON)
    assert got[0].release()


def test_an_error_of_the_first_in_line_sends_all_to_ask_for_themselves(make, network, monkeypatch):
    monkeypatch.setattr("interlock._protocol.locks.settings.SILENCE", 0.2)
    network.fault = unreachable
    locks = make(poll=timedelta(minutes=1))
    waiters = [start(lambda: locks.acquire("a")) for _ in range(5)]
    for thread, outcome in waiters:
        thread.join(SOON)
        assert isinstance(outcome[0], ServiceUnavailable)
    assert in_line(locks) == 0


def test_the_end_of_the_client_ends_the_line(make, patient):
    rival = make().acquire("a")
    waiters = [start(lambda: patient.acquire("a")) for _ in range(3)]
    wait_until(lambda: in_line(patient) == 3)
    patient.close()
    for thread, outcome in waiters:
        thread.join(SOON)
        assert isinstance(outcome[0], LockClientClosed)
    assert rival.release()


def test_a_place_that_was_not_left_holds_up_none(half, locks):
    if half.awaitable:
        pytest.skip("a task that is cancelled leaves its place")
    ticket = Ticket(lambda: None)
    locks._held._lines.enter("a", ticket)
    waiter, got = start(lambda: locks.acquire("a"))
    wait_until(lambda: in_line(locks) == 2)
    del ticket
    waiter.join(SOON)
    assert got[0].release()
