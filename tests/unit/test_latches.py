"""Processes wait for each other, on both halves."""

import threading
from datetime import timedelta
from functools import partial

import pytest

from interlock import CounterClient
from interlock._drivers.environment import Environment
from interlock._protocol.faults import NoReply
from interlock.errors import (
    CounterMismatch,
    InvalidCounterName,
    InvalidValue,
    ServiceUnavailable,
)
from interlock.testing import MemoryStore

SOON = timedelta(seconds=30)


@pytest.fixture
def store():
    return MemoryStore("t")


@pytest.fixture
def make(half, store):
    """Return a function that makes a latch or barrier of this half, as another process would."""

    def make(kind, name="a", **options):
        client = store.aio_client() if half.awaitable else store.client()
        counters = half.counters.CounterClient("t", client=client)
        return half.wrap(getattr(half.latches, kind)(counters, name, **options))

    return make


def test_a_latch_opens_when_it_was_counted_down(make):
    latch, other = make("CountDownLatch", count=2), make("CountDownLatch", count=2)
    assert latch.wait(timedelta()) is False
    assert latch.count_down() == 1
    assert other.left() == 1
    assert latch.wait(timedelta(seconds=1)) is False
    assert other.count_down() == 0
    assert latch.wait() is True
    assert latch.count_down() == 0
    assert latch.wait(timedelta()) is True


def test_a_key_counts_down_once(make):
    latch = make("CountDownLatch", count=2)
    assert [latch.count_down(idempotency_key="part") for _ in range(3)] == [1, 1, 1]
    assert latch.left() == 1


def test_a_waiter_looks_as_often_as_it_was_told(make, store):
    latch = make("CountDownLatch", count=1, poll=timedelta(minutes=1))
    began = store.clock.now
    assert latch.wait(timedelta(minutes=10)) is False
    assert store.clock.now - began == timedelta(minutes=10)
    assert 7 <= len(store.calls) <= 21


def test_the_parties_of_a_barrier_go_on_together_again_and_again(make):
    parties, met = 3, []

    def work(number):
        barrier = make("Barrier", parties=parties, poll=timedelta(milliseconds=5))
        for meeting in range(4):
            assert barrier.wait()
            met.append((meeting, number))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(parties)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SOON.total_seconds())
    # No party leaves a meeting before all have left the one before it.
    meetings = [meeting for meeting, _ in met]
    assert len(met) == 4 * parties
    for index, meeting in enumerate(meetings):
        assert meeting == 0 or meetings[:index].count(meeting - 1) == parties


def test_a_party_whose_time_is_up_stays_counted(make):
    barrier = make("Barrier", parties=2)
    assert barrier.wait(timedelta(seconds=2)) is False
    assert make("Barrier", parties=2).wait(timedelta()) is True


def test_a_party_that_is_started_again_arrives_once(make):
    barrier = make("Barrier", parties=3)
    assert barrier.wait(timedelta(), idempotency_key="me") is False
    assert barrier.wait(timedelta(), idempotency_key="me") is False
    assert barrier.wait(timedelta(), idempotency_key="you") is False
    assert barrier.wait(timedelta(), idempotency_key="they") is True
    assert barrier.wait(timedelta(), idempotency_key="me") is True


def test_an_answer_that_is_lost_is_one_arrival(make, store):
    barrier = make("Barrier", parties=2)
    store.lose_reply(operation="TransactWriteItems")
    assert barrier.wait(timedelta()) is False
    assert barrier.wait(timedelta()) is True


@pytest.mark.parametrize(
    ("kind", "one", "another"),
    [("CountDownLatch", {"count": 2}, {"count": 3}), ("Barrier", {"parties": 2}, {"parties": 3})],
)
def test_another_number_than_it_was_made_with_is_told(make, kind, one, another):
    def use(latch):
        return latch.count_down() if kind == "CountDownLatch" else latch.wait(timedelta())

    use(make(kind, **one))
    if kind == "CountDownLatch":
        for count in (1, 3):
            latch = make(kind, count=count)
            for look in (latch.left, partial(latch.wait, timedelta())):
                with pytest.raises(CounterMismatch):
                    look()
    with pytest.raises(CounterMismatch) as raised:
        use(make(kind, **another))
    ((what, declared),) = another.items()
    error = raised.value
    assert (error.what, error.declared, error.stored) == (what, declared, one[what])
    name = "barrier" if kind == "Barrier" else "latch"
    assert str(error).startswith(f"{name} 'a' has {what} 2, but 3 is declared")
    assert "ceiling" not in str(error)


def test_a_counter_that_is_no_barrier_is_told(make, store):
    other = CounterClient("t", client=store.client())
    other.counter("a", floor=0, ceiling=10**15 + 1).increment()
    with pytest.raises(CounterMismatch, match="ceiling 1000000000000001"):
        make("Barrier", parties=2).wait(timedelta())


@pytest.mark.parametrize("number", [0, -1, 1.5, True, "3", 10**9 + 1])
def test_what_is_no_number_is_refused(make, store, number):
    for kind, option in (("CountDownLatch", "count"), ("Barrier", "parties")):
        with pytest.raises(InvalidValue):
            make(kind, **{option: number})
        with pytest.raises(InvalidValue, match="outside 1 to 1000000000"):
            make(kind, **{option: 0})
    assert store.calls == []


def test_what_is_no_name_and_no_time_is_refused(make, store):
    with pytest.raises(InvalidCounterName):
        make("Barrier", "", parties=2)
    with pytest.raises(InvalidValue, match="poll"):
        make("Barrier", parties=2, poll=timedelta())
    with pytest.raises(InvalidValue, match="timeout"):
        make("Barrier", parties=2).wait(5)
    assert store.calls == []


@pytest.mark.parametrize(("kind", "size"), [("CountDownLatch", "count"), ("Barrier", "parties")])
def test_a_wait_is_over_in_time_though_no_call_is_answered(half, kind, size):
    now = 0.0

    def hang(_operation, _params):
        nonlocal now
        now += 0.25
        raise NoReply("no answer in time")

    def pause(seconds):
        nonlocal now
        now += seconds

    client = half.client(hang, Environment(monotonic=lambda: now), sleep=pause)
    counters = half.counters.CounterClient("t", client=client, timeout=timedelta(minutes=1))
    latch = half.wrap(getattr(half.latches, kind)(counters, "a", **{size: 2}))
    with pytest.raises(ServiceUnavailable):
        latch.wait(timedelta(seconds=3))
    assert now <= 4
