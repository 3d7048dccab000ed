"""Processes meet at a barrier, on real engines."""

from interlock.latches import Barrier, CountDownLatch
from tests.contract.conftest import counting
from tests.contract.test_locks import PATIENCE, SOON, process, told


def meet(pipe, endpoint, table):
    """Meet the others twice, and count down."""
    counters = counting(endpoint, table)
    barrier = Barrier(counters, "gate", parties=3, poll=SOON)
    for _ in range(2):
        pipe.send(barrier.wait())
    CountDownLatch(counters, "done", count=2, poll=SOON).count_down()


def test_processes_meet_at_a_barrier_and_count_a_latch_down(endpoint, table):
    counters = counting(endpoint, table)
    barrier = Barrier(counters, "gate", parties=3, poll=SOON)
    done = CountDownLatch(counters, "done", count=2, poll=SOON)
    with process(meet, endpoint, table) as (_, one), process(meet, endpoint, table) as (_, other):
        assert not one.poll(0.2)
        assert barrier.wait()
        assert told(one)
        assert told(other)
        assert not done.wait(SOON)
        assert barrier.wait()
        assert done.wait(SOON * int(PATIENCE * 20))
