"""A lock client, both halves: heartbeats, losses, endings, and what it refuses."""

import gc
import logging
import os
import threading
import tracemalloc
from collections import Counter, deque
from datetime import timedelta

import pytest

from interlock._protocol.faults import NotSent, OutOfTime, Refused
from interlock.errors import (
    LockClientClosed,
    LockLost,
    LockTimeout,
    LossReason,
)
from tests.unit.locks.conftest import LEASE
from tests.unit.locks.realtime import SOON, denied, unreachable, wait_until
from tests.unit.locks.scripted import TABLE


@pytest.fixture(autouse=True)
def _log(caplog):
    caplog.set_level(logging.DEBUG, "interlock")


def test_a_lock_is_held_within_the_body_and_free_after_it(locks):
    with locks.acquire("a", data={"why": ["x", 1]}) as lock:
        assert locks.inspect("a").held
        assert locks.inspect("a").data == {"why": ["x", 1]}
        assert timedelta() < lock.remaining <= LEASE
        assert (lock.name, lock.lease, lock.data) == ("a", LEASE, {"why": ["x", 1]})
        assert not lock.lost.is_set()
        lock.ensure()
    assert not locks.inspect("a").held
    assert lock.remaining == timedelta()
    with pytest.raises(LockLost, match="released"):
        lock.ensure()


def test_a_lock_that_was_never_taken_is_unknown(locks):
    assert locks.inspect("a") is None


def test_a_lock_outlives_its_lease_by_heartbeats(locks):
    lock = locks.acquire("a")
    assert lock.lost.wait(2.5 * LEASE) is False
    lock.ensure()
    assert lock.release() is True


def test_try_acquire_does_not_wait(locks, network):
    held = locks.acquire("a")
    assert locks.try_acquire("a") is None
    assert "GetItem" not in network.operations()
    held.release()


def test_a_second_release_does_nothing(locks, network):
    lock = locks.acquire("a")
    assert lock.release() is True
    calls = len(network.calls)
    assert lock.release() is True
    assert len(network.calls) == calls


@pytest.mark.parametrize("given_back", ["by its client", "by a set", "by export"])
def test_a_release_of_what_is_no_longer_held_tells_no_loss_that_was_none(
    locks, network, given_back
):
    taken = locks.acquire_all(["a", "b"])
    lock, other = taken
    ways = {"by its client": locks.close, "by a set": taken.release, "by export": lock.export}
    ways[given_back]()
    other.release()
    calls = len(network.calls)
    assert (lock.release(), taken.release(), lock.lost.is_set()) == (True, True, False)
    assert (len(network.calls), lock.remaining) == (calls, timedelta())


def test_a_second_release_of_a_lock_that_was_lost_says_so_again(locks, network):
    lock = locks.acquire("a")
    network.take_away("a")
    assert [lock.release() for _ in range(2)] == [False, False]
    assert lock.lost.is_set()


def test_a_set_says_a_second_time_that_one_of_its_locks_was_lost(locks, network):
    taken = locks.acquire_all(["a", "b"])
    network.take_away("a")
    assert [taken.release() for _ in range(2)] == [False, False]


def test_a_lock_that_was_taken_over_is_reported_once_and_raised_at_the_end_of_the_body(
    locks, network, losses
):
    with pytest.raises(LockLost) as caught, locks.acquire("a") as lock:  # noqa: PT012 - the block is the subject
        network.take_away("a")
        assert lock.lost.wait(timedelta(seconds=SOON))
        wait_until(lambda: losses)
    assert caught.value.reason is LossReason.TAKEN_OVER
    assert losses == [("a", LossReason.TAKEN_OVER)]
    assert network.row("a")["version"] == {"S": "other"}


def test_a_loss_that_no_heartbeat_has_noticed_is_found_at_the_end(locks, network, losses):
    with pytest.raises(LockLost), locks.acquire("a", lease=timedelta(minutes=1)):
        network.take_away("a")
    wait_until(lambda: losses)
    assert losses == [("a", LossReason.TAKEN_OVER)]


@pytest.mark.parametrize("lost", [False, True])
def test_the_exception_of_the_body_is_not_swallowed_or_replaced(locks, network, lost):
    with pytest.raises(KeyError, match="mine"), locks.acquire("a"):  # noqa: PT012 - the block is the subject
        if lost:
            network.take_away("a")
        raise KeyError("mine")


def test_the_exception_of_the_body_survives_a_failing_release(locks, network):
    with pytest.raises(KeyError, match="mine"), locks.acquire("a"):  # noqa: PT012 - the block is the subject
        network.fault = denied
        raise KeyError("mine")


def test_a_release_that_fails_at_the_end_of_the_body_is_logged(locks, network, caplog):
    with locks.acquire("a"):
        network.fault = denied
    assert "could not be given back" in caplog.text


def test_a_lease_that_runs_out_is_reported_with_its_cause(locks, network, losses):
    lock = locks.acquire("a")
    network.fault = unreachable
    assert lock.lost.wait(timedelta(seconds=SOON))
    wait_until(lambda: losses)
    assert losses == [("a", LossReason.LEASE_RAN_OUT)]
    with pytest.raises(LockLost, match="no connection"):
        lock.ensure()


def test_a_heartbeat_that_found_no_time_left_does_not_hide_the_cause(locks, network):
    faults = iter([NotSent("no connection")])

    def fault(_operation, _params):
        raise next(faults, OutOfTime())

    lock = locks.acquire("a")
    network.fault = fault
    assert lock.lost.wait(timedelta(seconds=SOON))
    with pytest.raises(LockLost, match="no connection"):
        lock.ensure()


def test_a_lock_in_danger_recovers_without_a_word(locks, network, losses):
    lock = locks.acquire("a", lease=timedelta(seconds=2))
    network.fault = unreachable
    wait_until(lambda: lock.remaining < timedelta(seconds=1))
    network.calm()
    wait_until(lambda: lock.remaining > timedelta(seconds=1.4))
    assert losses == []
    assert lock.release() is True


def test_a_heartbeat_survives_an_error_that_it_never_should_have(locks, network, caplog):
    def bug(_operation, _params):
        network.calm()
        raise ZeroDivisionError("a bug")

    lock = locks.acquire("a", lease=timedelta(seconds=4))
    other = locks.acquire("b", lease=timedelta(seconds=4))
    network.fault = bug
    wait_until(lambda: "a bug" in caplog.text)
    calls = len(network.calls)
    wait_until(lambda: len(network.calls) > calls)
    lock.ensure()
    assert (lock.release(), other.release()) == (True, True)


def test_closing_gives_back_everything_although_one_release_fails(locks, network, caplog):
    held = [locks.acquire(name) for name in "abc"]

    def fail_for_b(_operation, params):
        if params["Key"]["pk"]["S"] == "lock#b":
            raise Refused("AccessDeniedException", "no")

    network.fault = fail_for_b
    locks.close()
    assert [network.held(lock.name) for lock in held] == [False, True, False]
    assert "lock 'b' could not be given back" in caplog.text


def test_a_closed_client_takes_nothing(locks):
    locks.close()
    locks.close()
    with pytest.raises(LockClientClosed):
        locks.acquire("a")
    with pytest.raises(LockClientClosed):
        locks.acquire_all(["a"])


def test_closing_ends_the_heartbeats_and_every_thread(locks, network):
    threads = threading.active_count()
    lock = locks.acquire("a")
    wait_until(lambda: len(network.calls) > 2)
    locks.close()
    wait_until(lambda: threading.active_count() <= threads)
    calls = len(network.calls)
    network.clock.sleep(LEASE.total_seconds())
    assert len(network.calls) == calls
    assert lock.remaining == timedelta()


def test_two_threads_at_most_renew_any_number_of_locks(locks, network):
    before = threading.active_count()
    held = [locks.acquire(str(i), lease=timedelta(seconds=1)) for i in range(50)]
    end = network.clock() + 1.5
    while network.clock() < end:
        assert threading.active_count() <= before + 2 + 2
        for lock in held:
            lock.ensure()
        network.clock.sleep(0.05)
    for lock in held:
        lock.release()


class Nowhere:
    """A store that keeps nothing, so that all memory is the client's; it counts calls."""

    def __init__(self):
        self.calls: Counter[str] = Counter()

    def perform(self, _operation, params):
        key, values = params["Key"], params["ExpressionAttributeValues"]
        self.calls[key["pk"]["S"]] += 1
        shown = {"pk": key["pk"], "fence": {"N": "1"}}
        if ":version" in values:
            shown |= {"version": values[":version"], "lease_ms": {"N": "20000"}}
        return {"Attributes": shown}


def test_a_thousand_locks_take_little_memory(make, network):
    network.calls = deque(maxlen=0)
    network.store = Nowhere()
    locks = make(lease=timedelta(minutes=10))  # none is renewed meanwhile
    warm = locks.acquire("warm")
    tracemalloc.start()
    held = [locks.acquire(f"lock-{i}") for i in range(1000)]
    gc.collect()
    ours = tracemalloc.take_snapshot().filter_traces(
        [tracemalloc.Filter(inclusive=True, filename_pattern=f"*interlock{os.sep}*")]
    )
    tracemalloc.stop()
    assert sum(stat.size for stat in ours.statistics("filename")) < 1200 * len(held)
    locks.close()
    assert warm.remaining == timedelta()


def test_a_thousand_locks_are_renewed_together(make, network):
    network.calls = deque(maxlen=0)
    network.store = Nowhere()
    locks = make(lease=timedelta(seconds=20), heartbeat=timedelta(seconds=0.5))
    held = [locks.acquire(f"lock-{i}") for i in range(1000)]
    calls = network.store.calls
    wait_until(lambda: len(calls) == len(held) and min(calls.values()) >= 3)
    for lock in held:
        lock.ensure()
    locks.close()


def test_two_clients_never_hold_together(half, network):
    rounds, inside, seen = 20, [], []

    def work(name):
        client = half.wrap(
            half.locks.LockClient(
                TABLE, client=network.client(half), poll=timedelta(milliseconds=2), owner=name
            )
        )
        for _ in range(rounds):
            with client.acquire("a") as lock:
                inside.append(name)
                seen.append((len(inside), lock.fencing_token))
                inside.remove(name)
        client.close()

    threads = [threading.Thread(target=work, args=(str(i),)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {count for count, _ in seen} == {1}
    fences = [fence for _, fence in seen]
    assert fences == sorted(set(fences))
    assert len(fences) == 4 * rounds


def test_a_waiter_names_the_holder_when_its_time_is_up(locks, make):
    others = make(owner="the holder")
    with others.acquire("a", data="busy"):
        with pytest.raises(LockTimeout, match="the holder") as caught:
            locks.acquire("a", timeout=timedelta(seconds=0.05))
        assert caught.value.holder.data == "busy"


def test_a_set_gives_all_back_and_says_which_was_lost(locks, network):
    with locks.acquire_all(["a", "b", "c"], data="why") as held:
        assert [lock.name for lock in held] == ["a", "b", "c"]
    assert not any(network.held(name) for name in "abc")
    with pytest.raises(LockLost) as caught, locks.acquire_all(["a", "b", "c"]):
        network.take_away("b")
    assert caught.value.name == "b"
    assert [network.held(name) for name in "abc"] == [False, True, False]


def test_a_lock_that_was_exported_is_not_given_back_at_the_end_of_its_body(locks, make):
    others = make()
    with locks.acquire("a") as lock:
        text = lock.export()
    heir = others.adopt(text)
    assert heir.fencing_token == lock.fencing_token
    heir.ensure()
    with pytest.raises(LockLost):
        lock.ensure()
    heir.release()


def test_a_release_by_a_transaction_ends_the_lock(locks, network):
    with locks.acquire("a") as lock:
        network.perform("TransactWriteItems", {"TransactItems": [lock.release_action()]})
        lock.released()
    assert not network.held("a")
    with pytest.raises(LockLost, match="released"):
        lock.ensure()


@pytest.mark.parametrize("successor", [True, False])
def test_a_release_by_a_transaction_is_refused_once_the_lock_is_lost(locks, network, successor):
    lock = locks.acquire("a")
    action = lock.release_action()
    lock.release()
    if successor:
        network.take_away("a")
    with pytest.raises(Refused):
        network.perform("TransactWriteItems", {"TransactItems": [action]})
    assert network.held("a") is successor
