"""What is promised holds where threads, tasks, sockets and callers meet: both halves."""

import asyncio
import gc
import threading
from datetime import timedelta

import pytest

from interlock.errors import (
    LockAlreadyHeld,
    LockClientClosed,
    LockTimeout,
    LossReason,
    RenewalImpossible,
    ServiceUnavailable,
)
from tests.unit.locks.conftest import LEASE
from tests.unit.locks.realtime import SOON, of, releases, unreachable, wait_until
from tests.unit.locks.scripted import TABLE

NAMES = ("a", "b", "c")


def in_thread(function, *args, **kwargs):
    """Start a function on a thread; what it returned or raised is in `outcome`."""
    outcome = []

    def run():
        try:
            outcome.append(function(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001 - it is the outcome
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, outcome


# Endings.


def test_several_locks_that_come_while_the_client_is_closed_are_all_given_back(locks, network):
    network.hangs_after = lambda operation, _: operation == "TransactWriteItems"
    taking, outcome = in_thread(locks.acquire_all, NAMES)
    wait_until(lambda: network.held("c"))
    closing, _ = in_thread(locks.close)
    wait_until(lambda: locks._held.closed)
    network.calm()
    closing.join(SOON)
    taking.join(SOON)
    assert isinstance(outcome[0], LockClientClosed)
    assert not any(network.held(name) for name in NAMES)


def test_a_lock_that_comes_while_the_client_is_closed_is_given_back_before_closing_ends(
    locks, network
):
    network.hangs_after = of("a")
    taking, outcome = in_thread(locks.acquire, "a")
    wait_until(lambda: network.held("a"))
    calming, _ = in_thread(lambda: wait_until(lambda: locks._held.closed) or network.calm())
    locks.close()
    assert not network.held("a")
    calming.join(SOON)
    taking.join(SOON)
    assert isinstance(outcome[0], LockClientClosed)


def test_closing_ends_what_waits_at_once(make, network):
    holder, waiter = make(), make(poll=timedelta(seconds=60))
    held = holder.acquire("a")
    waiting, outcome = in_thread(waiter.acquire, "a")
    wait_until(lambda: len(network.calls) >= 2)
    waiter.close()
    waiting.join(SOON)  # which is less than it would have waited for its next look
    assert isinstance(outcome[0], LockClientClosed)
    assert held.release()


def test_closing_takes_no_longer_than_it_may_however_many_calls_hang(
    half, make, network, monkeypatch
):
    monkeypatch.setattr(f"{half.package}.locks._held._CLOSING", 1.0)
    locks = make()
    held = [locks.acquire(str(i)) for i in range(30)]
    network.hangs = releases
    began = network.clock()
    locks.close()
    assert network.clock() - began < 2.0
    assert all(lock.remaining == timedelta() for lock in held)


def collect(half):
    """Have what is not referred to any more collected, by the event loop too."""
    if half.awaitable:
        half.run(asyncio.sleep(0.01))
    gc.collect()


def test_a_lock_that_was_dropped_is_renewed_no_more_and_reported(half, locks, network):
    lock = locks.acquire("a")
    assert lock.name == "a"
    with pytest.warns(ResourceWarning, match="'a'.*dropped without a release"):  # noqa: PT031 - what is warned of happens within
        del lock
        collect(half)
    calls = len(network.calls)
    network.clock.sleep(2 * LEASE.total_seconds())
    assert len(network.calls) <= calls + 1  # one may have been under way


def test_a_lock_that_was_dropped_is_given_back_by_the_end_of_its_client(half, make, network):
    locks = make(lease=timedelta(minutes=1))
    lock = locks.acquire("a")
    assert lock.remaining > timedelta()
    with pytest.warns(ResourceWarning, match="'a'.*dropped without a release"):  # noqa: PT031 - what is warned of happens within
        del lock
        collect(half)
    assert network.held("a")
    locks.close()
    assert not network.held("a")


def test_a_client_that_was_dropped_with_its_locks_renews_no_more(half, network):
    client = half.locks.LockClient(TABLE, client=network.client(half), lease=LEASE)
    lock = half.wrap(client).acquire("a")
    with pytest.warns(ResourceWarning, match="'a'"):  # noqa: PT031 - what is warned of happens within
        del client, lock
        collect(half)
    calls = len(network.calls)
    network.clock.sleep(2 * LEASE.total_seconds())
    assert len(network.calls) <= calls + 1  # one may have been under way


# Answers.


def answer_with(network, reply, count=1):
    """Have the next calls carried out, and answered by something else."""
    real = network.perform

    def perform(operation, params):
        network.perform = real if not left else perform
        real(operation, params)
        return left.pop() if left else reply

    left = [reply] * (count - 1)
    network.perform = perform


WRONG = [{}, {"Attributes": {}}, {"Attributes": {"version": {"S": "another"}}}]


@pytest.mark.parametrize("wrong", WRONG)
def test_a_grant_whose_answer_does_not_show_it_is_asked_for_again(locks, network, wrong):
    answer_with(network, wrong)
    with locks.acquire("a") as lock:
        assert network.row("a")["fence"] == {"N": str(lock.fencing_token)}
        assert network.operations().count("UpdateItem") >= 2


@pytest.mark.parametrize("wrong", WRONG)
def test_a_holder_that_is_always_answered_by_something_else_loses_its_lock(
    locks, network, losses, wrong
):
    lock = locks.acquire("a")
    network.perform = lambda _operation, _params: wrong
    assert lock.lost.wait(timedelta(seconds=SOON))
    wait_until(lambda: losses)
    assert losses == [("a", LossReason.LEASE_RAN_OUT)]


@pytest.mark.parametrize("wrong", WRONG)
def test_a_release_whose_answer_does_not_show_it_is_asked_for_again(locks, network, wrong):
    lock = locks.acquire("a")
    real, answers = network.perform, [wrong]
    network.perform = lambda *call: answers.pop() if answers else real(*call)
    assert lock.release() is True
    assert not network.held("a")


def test_the_grant_of_another_client_is_not_believed(locks, make, network):
    others = make()
    theirs = others.acquire("a")
    row, real = network.row("a"), network.perform
    answers = [{"Attributes": row}]
    network.perform = lambda *call: answers.pop() if answers else real(*call)
    assert locks.try_acquire("a") is None
    theirs.ensure()
    assert theirs.release()


def test_a_store_that_answers_nothing_true_gives_no_lock(locks, network, monkeypatch):
    # Taken back before the client is closed, which would ask for as long as it may.
    monkeypatch.setattr(network, "perform", lambda _operation, _params: {"Attributes": {}})
    with pytest.raises(ServiceUnavailable):
        locks.acquire("a", timeout=timedelta(seconds=0.5))


# Deadlines and callbacks.


def test_a_loss_is_reported_at_the_end_of_the_lease_although_the_heartbeat_hangs(
    half, make, network
):
    reported = []
    locks = make(
        lease=timedelta(seconds=1),
        on_lost=half.function(lambda *_: reported.append(network.clock())),
    )
    lock = locks.acquire("a")
    network.hangs = of("a")
    end = network.clock() + lock.remaining.total_seconds()
    wait_until(lambda: reported)
    assert -0.05 < reported[0] - end < 0.5
    assert lock.lost.is_set()


def test_a_callback_that_blocks_delays_no_other_lock(half, make, network):
    unblocked, called = threading.Event(), threading.Event()

    def block(_lock, _reason):
        called.set()
        unblocked.wait(SOON)

    locks = make(lease=LEASE, on_lost=half.function(block))
    lost, others = locks.acquire("a"), [locks.acquire(str(i)) for i in range(5)]
    network.take_away("a")
    assert called.wait(SOON)
    network.clock.sleep(3 * LEASE.total_seconds())
    for other in others:
        other.ensure()
    unblocked.set()
    assert lost.lost.is_set()
    locks.close()


def test_a_callback_that_raises_disturbs_no_other_lock(half, make, network, caplog):
    def fail(_lock, _reason):
        raise ZeroDivisionError("in the callback")

    locks = make(lease=LEASE, on_lost=half.function(fail))
    lost, other = locks.acquire("a"), locks.acquire("b")
    network.take_away("a")
    wait_until(lambda: "in the callback" in caplog.text)
    assert other.lost.wait(2 * LEASE) is False
    assert lost.lost.is_set()
    locks.close()


def test_a_callback_that_raises_a_cancellation_leaves_the_next_one_its_turn(half, make, network):
    told = []

    def cancelled(_lock, _reason):
        raise asyncio.CancelledError

    locks = make(lease=LEASE, on_lost=half.function(cancelled))
    lost = locks.acquire("a", on_lost=half.function(lambda lock, _: told.append(lock.name)))
    network.take_away("a")
    wait_until(lambda: told == ["a"])
    assert lost.lost.is_set()
    locks.close()


def test_a_connection_that_hangs_costs_no_other_lock(make, network):
    locks = make(lease=timedelta(seconds=1))
    stuck, others = locks.acquire("a"), [locks.acquire(str(i)) for i in range(20)]
    network.hangs = of("a")
    assert stuck.lost.wait(timedelta(seconds=SOON))
    network.clock.sleep(1.0)
    for other in others:
        other.ensure()
    network.calm()
    locks.close()


def test_a_call_that_hangs_ends_in_the_time_of_the_caller(locks, network):
    network.hangs = of("a")
    began = network.clock()
    with pytest.raises((ServiceUnavailable, LockTimeout)):
        locks.acquire("a", timeout=timedelta(seconds=0.5))
    assert network.clock() - began < 1.5 + 0.5


def test_if_no_thread_can_be_started_the_lock_is_given_back(half, make, network, monkeypatch):
    locks = make()

    def refuse(*_):
        raise RuntimeError("can't start new thread")

    room = "awaitable" if half.awaitable else "blocking"
    monkeypatch.setattr(f"interlock._drivers.{room}.heartbeat.Heartbeat.add", refuse)
    with pytest.raises(RenewalImpossible, match="given back"):
        locks.acquire("a")
    wait_until(lambda: not network.held("a"))


def test_a_lock_that_nothing_renews_is_said_to_be_expired(locks, network):
    lock = locks.acquire("a", data="why")
    assert locks.inspect("a").expired is False
    assert locks.inspect("a").until is not None
    network.fault = unreachable
    assert lock.lost.wait(timedelta(seconds=SOON))
    network.calm()
    wait_until(lambda: locks.inspect("a").expired)  # a moment later than by the holder's clock
    found = locks.inspect("a")
    assert (found.held, found.data) == (True, "why")


@pytest.mark.parametrize("names", [["a"], ["b", "a"]])
def test_a_caller_that_would_wait_for_itself_learns_it_at_once(half, make, network, names):
    locks = make()
    if half.awaitable:

        async def twice():
            client = half.locks.LockClient(TABLE, client=network.client(half))
            async with client, client.acquire("a"):
                if len(names) > 1:
                    await client.acquire_all(names)
                else:
                    await client.acquire("a", timeout=timedelta(seconds=60))

        with pytest.raises(LockAlreadyHeld):
            half.run(twice())
        return
    with locks.acquire("a"):
        with pytest.raises(LockAlreadyHeld, match="'a'"):
            locks.acquire_all(names) if len(names) > 1 else locks.acquire("a")
        assert locks.try_acquire("a") is None
        thread, outcome = in_thread(locks.acquire, "a", timeout=timedelta(seconds=0.05))
        thread.join(SOON)
        assert isinstance(outcome[0], LockTimeout)
    assert not network.held("a")
