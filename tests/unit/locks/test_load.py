"""A client holds as many locks as it can renew in time, and refuses the next when it is taken."""

import threading
import time
from datetime import timedelta

import pytest

from interlock._drivers import load as drivers
from interlock._drivers.blocking.heartbeat import Heartbeat
from interlock._drivers.load import RenewalLoad
from interlock._protocol.locks.grant import Grant
from interlock.errors import TooManyLocks
from tests.unit.locks.realtime import wait_until

AMPLE = 60.0  # seconds for what takes a moment
FOREVER = timedelta(days=1)  # a lease whose first heartbeat no test sees


def grant(interval=1.0):
    return Grant("a", 1, "v", 4.0, interval, 4.0, interval, "me")


def filled(load, number, interval=1.0):
    """Count so many grants; return them."""
    grants = [grant(interval) for _ in range(number)]
    for one in grants:
        load.add(one)
    return grants


def slow(load, seconds):
    """Let calls take so long from now on."""
    for _ in range(5000):
        load.took(seconds)


def test_calls_at_once_keep_as_many_as_their_latency_allows():
    load = RenewalLoad(at_once=10)
    slow(load, 0.5)
    filled(load, 20)
    with pytest.raises(TooManyLocks, match="holds 20 locks, and at 500 ms a call it can keep 20"):
        load.add(grant())


def test_the_error_says_what_is_held_and_what_could_be():
    load = RenewalLoad(at_once=10)
    slow(load, 0.5)
    filled(load, 20)
    with pytest.raises(TooManyLocks) as error:
        load.add(grant(interval=5.0))
    assert (error.value.name, error.value.held, error.value.most) == ("a", 20, 100)
    assert error.value.latency == timedelta(seconds=0.5)
    assert error.value.heartbeat == timedelta(seconds=5)


@pytest.mark.parametrize("change", ["given back", "a longer lease", "a faster store"])
def test_there_is_room_again_after(change):
    load = RenewalLoad(at_once=10)
    slow(load, 0.5)
    grants = filled(load, 20)
    if change == "given back":
        load.remove(grants[3])
        load.remove(grants[3])
    elif change == "a longer lease":
        grants[3].heartbeat_interval = 60.0
        load.update(grants[3])
        load.add(grant(interval=2.0))
    else:
        slow(load, 0.4)
    if change != "a longer lease":
        load.add(grant())
        if change == "given back":
            with pytest.raises(TooManyLocks):
                load.add(grant())


def test_one_slow_call_is_no_slow_store():
    load = RenewalLoad(at_once=10)
    slow(load, 0.01)
    load.took(2.0)
    filled(load, 200)


def test_a_lease_that_is_another_by_now_counts_as_it_is():
    load = RenewalLoad(at_once=10)
    slow(load, 0.5)
    grants = filled(load, 20)
    grants[3].heartbeat_interval = 2.0
    load.update(grants[3])
    load.add(grant(interval=2.0))
    with pytest.raises(TooManyLocks):
        load.add(grant(interval=60.0))


def test_the_only_lock_is_not_refused_for_what_fractions_leave_of_others():
    load = RenewalLoad(at_once=1)
    others = [one for interval in (10.0, 5.0, 10 / 3) for one in filled(load, 1, interval)]
    slow(load, 10.0)
    for one in others:
        load.remove(one)
    filled(load, 1)


def test_a_client_makes_256_heartbeats_at_once():
    load = RenewalLoad(drivers.AT_ONCE)
    slow(load, 1.0)
    filled(load, 256)
    with pytest.raises(TooManyLocks):
        load.add(grant())


def test_a_call_is_a_64th_of_the_mean_and_all_of_it_if_it_is_the_first():
    load = RenewalLoad(at_once=1)
    load.took(5.0)
    load.took(1.0)
    load.add(grant())
    with pytest.raises(TooManyLocks) as error:
        load.add(grant())
    assert error.value.latency == timedelta(seconds=3.0)
    slow(load, 0.0)
    load.took(6.4)
    filled(load, 9)
    with pytest.raises(TooManyLocks) as error:
        load.add(grant())
    assert error.value.latency == timedelta(seconds=0.1)


def test_the_first_call_is_one_of_many():
    load = RenewalLoad(at_once=10)
    load.took(2.0)  # with the connection
    for _ in range(9):
        load.took(0.1)
    filled(load, 33)
    with pytest.raises(TooManyLocks):
        filled(load, 2)


def test_what_is_not_renewed_is_no_load():
    load = RenewalLoad(at_once=1)
    slow(load, 10.0)
    filled(load, 3, interval=float("inf"))


def test_before_any_call_was_measured_nothing_is_refused():
    filled(RenewalLoad(at_once=1), 1000)


def test_the_only_lock_of_a_client_is_never_refused():
    load = RenewalLoad(at_once=1)
    slow(load, 10.0)
    (only,) = filled(load, 1, interval=0.1)
    load.remove(only)
    filled(load, 1, interval=0.1)


def test_a_machine_that_slept_is_no_slow_store():
    load = RenewalLoad(at_once=10)
    load.took(3600.0)
    filled(load, 10, interval=10.0)


def test_an_acquisition_is_no_measure_of_a_heartbeat(make):
    """It may have waited for its connection, or for credentials."""
    locks = make(lease=FOREVER)
    with locks.acquire("a"), locks.acquire("b"):
        assert locks._held._load._measured == 0


def test_what_was_never_held_can_be_let_go():
    load = RenewalLoad(at_once=1)
    load.update(grant())
    load.remove(grant())
    slow(load, 1.0)
    filled(load, 1)


class Item:
    def __init__(self, now):
        self.due = now
        self.until = now + AMPLE
        self.over = False


def test_calls_that_are_slow_are_made_by_as_many_threads_as_are_due(monkeypatch):
    """With one further thread each time, two hundred would take ten seconds to start."""
    number, now = 200, 0.0
    monkeypatch.setattr("interlock._drivers.blocking.heartbeat._LATE", 0.001)
    together, made = threading.Barrier(number), threading.Semaphore(0)

    def renew(item):
        together.wait(AMPLE)
        item.due, item.over = float("inf"), True
        made.release()

    heartbeat = Heartbeat(renew, lambda _: False, lambda _: None, Clock())
    for _ in range(number):
        heartbeat.add(Item(now))
    for _ in range(number):
        assert made.acquire(timeout=AMPLE)
    heartbeat.close()


class Clock:
    """A clock that goes on a little whenever it is read."""

    def __init__(self):
        self.now, self.mutex = 0.0, threading.Lock()

    def __call__(self):
        with self.mutex:
            self.now += 0.0001
            return self.now


def test_a_lock_that_cannot_be_renewed_is_refused_and_given_back(network, make, half):
    client = network.client(half)
    client.transport.at_once = 1
    locks = make(client=client, lease=FOREVER)
    held = locks.acquire("held")
    slow(locks._held._load, 10.0)
    held._grant.heartbeat_interval = 1.0
    locks._held._load.update(held._grant)
    with pytest.raises(TooManyLocks, match="'another' was given back: this client holds 1 locks"):
        locks.acquire("another")
    wait_until(lambda: not network.held("another"))
    with pytest.raises(TooManyLocks):
        locks.acquire_all(["b", "c"])
    wait_until(lambda: not network.held("b") and not network.held("c"))
    assert network.held("held")
    locks.acquire("brief", heartbeats=False).release()
    held.release()
    slow(locks._held._load, 1e-6)
    locks.acquire("another").release()


def test_the_latency_is_measured_by_what_the_client_does(network, make):
    def slow_call(_operation, _params):
        end = network.clock() + takes
        while network.clock() < end:
            time.sleep(0.001)

    takes, network.fault = 0.02, slow_call
    locks = make(lease=timedelta(seconds=4), heartbeat=timedelta(seconds=0.1))
    with locks.acquire("a"):
        wait_until(lambda: locks._held._load._latency >= takes)
        first = locks._held._load._latency
        takes = first + 0.05
        wait_until(lambda: locks._held._load._latency > first)
