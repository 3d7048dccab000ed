"""One waiter is told to stop by an event; the client and its other waiters go on."""

import threading
from datetime import timedelta

import pytest

from interlock.errors import LockClientClosed, LockWaitCancelled
from tests.unit.locks.realtime import SOON, wait_until


@pytest.fixture
def rival(make):
    return make().acquire("a")


def waiting(take):
    """Start a thread that takes; return it, with what comes of it."""
    outcome = []

    def run():
        try:
            outcome.append(take())
        except Exception as error:  # noqa: BLE001 - for the test
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, outcome


@pytest.mark.parametrize(
    "take",
    [
        lambda locks, cancel: locks.acquire("a", cancel=cancel),
        lambda locks, cancel: locks.acquire_all(["a", "b"], cancel=cancel),
        lambda locks, cancel: locks.semaphore("s", permits=1).acquire(cancel=cancel),
        lambda locks, cancel: locks.read_write_lock("a").read(cancel=cancel),
        lambda locks, cancel: locks.read_write_lock("a").write(cancel=cancel),
    ],
    ids=["one", "several", "permit", "reader", "writer"],
)
def test_an_event_ends_one_wait_and_nothing_else(locks, rival, make, network, take):
    permit = make().semaphore("s", permits=1).acquire()
    cancel = threading.Event()
    cancelled, outcome = waiting(lambda: take(locks, cancel))
    patient, lock = waiting(lambda: locks.acquire("a"))
    wait_until(lambda: len(network.operations()) > 6)
    cancel.set()
    cancelled.join(SOON)
    assert isinstance(outcome[0], LockWaitCancelled)
    assert rival.release()
    assert permit.release()
    patient.join(SOON)
    assert lock[0].release()
    assert not any(map(network.held, ["a", "b", "s#0"]))


def test_an_event_that_is_set_already_sends_nothing(locks, network):
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(LockWaitCancelled):
        locks.acquire("a", cancel=cancel)
    assert network.calls == []


def test_a_lock_that_was_granted_is_kept_whatever_the_event(locks):
    cancel = threading.Event()
    lock = locks.acquire("a", cancel=cancel)
    cancel.set()
    lock.ensure()
    assert lock.release()


def test_a_wait_that_can_be_cancelled_ends_with_its_client(make, rival):
    locks = make(poll=timedelta(minutes=1))
    waiter, outcome = waiting(lambda: locks.acquire("a", cancel=threading.Event()))
    wait_until(lambda: locks._held._acquiring)
    locks.close()
    waiter.join(SOON)
    assert isinstance(outcome[0], LockClientClosed)
    assert rival.release()
