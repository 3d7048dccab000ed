"""Waiters of one process stand in line, those of several compete, on real engines."""

import threading

from tests.contract.test_locks import LONG, lock_client, process, told

THREADS = 6


def enter_in_threads(pipe, endpoint, table):
    """Have threads of one client enter a section; tell their fences in order."""
    fences, inside = [], []
    with lock_client(endpoint, table, lease=LONG) as locks:

        def enter():
            with locks.acquire("a", timeout=LONG * 4) as lock:
                inside.append(lock.fencing_token)
                fences.append(lock.fencing_token)
                lock.ensure()
                assert inside == [lock.fencing_token]
                inside.clear()

        threads = [threading.Thread(target=enter) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    pipe.send(fences)


def test_threads_of_several_processes_enter_one_after_the_other(endpoint, table):
    with (
        process(enter_in_threads, endpoint, table) as (_, one),
        process(enter_in_threads, endpoint, table) as (_, other),
    ):
        first, second = told(one), told(other)
    for fences in (first, second):
        assert fences == sorted(set(fences))
        assert len(fences) == THREADS
    assert len({*first, *second}) == 2 * THREADS
