"""Permits in real processes, on real engines: one number for all, and none more than it says."""

import os
import signal
import time
from datetime import timedelta

import pytest

from interlock.errors import LockTimeout, PermitsMismatch
from tests.contract.test_locks import (
    LEASE,
    LONG,
    PATIENCE,
    SOON,
    lock_client,
    process,
    told,
    told_by_each,
)

ROUNDS = 5


def take_over_and_over(pipe, endpoint, table, permits):
    """Take a permit and give it back, a few times; tell which ones, or what was told instead."""
    names = set()
    with lock_client(endpoint, table, lease=LONG) as locks:
        semaphore = locks.semaphore("render", permits=permits)
        try:
            for _ in range(ROUNDS):
                with semaphore.acquire(timeout=LONG * 4) as permit:
                    names.add(permit.name)
        except PermitsMismatch as error:
            pipe.send(error.agreed)
            return
    pipe.send(names)


def hold_a_permit(pipe, endpoint, table):
    with lock_client(endpoint, table).semaphore("render", permits=1).acquire() as permit:
        pipe.send(permit.fencing_token)
        pipe.recv()


def test_processes_that_start_with_different_numbers_go_by_one(endpoint, table):
    numbers = [2, 3, 4]
    works = [(take_over_and_over, endpoint, table, number) for number in numbers]
    outcomes = dict(zip(numbers, told_by_each(*works), strict=True))
    (agreed,) = (number for number, outcome in outcomes.items() if isinstance(outcome, set))
    assert outcomes.pop(agreed) <= {f"render#{number}" for number in range(agreed)}
    assert set(outcomes.values()) == {agreed}


def test_a_number_is_changed_by_deleting_its_record(endpoint, store, table):
    with lock_client(endpoint, table) as locks, lock_client(endpoint, table) as others:
        locks.semaphore("render", permits=2).acquire().release()
        with pytest.raises(PermitsMismatch, match="has 2 permits, not 3"):
            others.semaphore("render", permits=3).try_acquire()
        store.delete_item(TableName=table, Key={"pk": {"S": "lock#render#slots"}})
        assert others.semaphore("render", permits=3).acquire().release()


def test_the_permit_of_a_killed_process_is_taken_over_after_its_lease_and_not_before(
    endpoint, table
):
    with (
        lock_client(endpoint, table) as locks,
        process(hold_a_permit, endpoint, table) as (worker, pipe),
    ):
        fence = told(pipe)
        semaphore = locks.semaphore("render", permits=1)
        watched = time.monotonic()
        with pytest.raises(LockTimeout):
            semaphore.acquire(timeout=SOON)
        os.kill(worker.pid, signal.SIGKILL)
        worker.join(PATIENCE)
        with semaphore.acquire(timeout=timedelta(seconds=PATIENCE)) as permit:
            assert time.monotonic() - watched >= LEASE.total_seconds()
            assert permit.fencing_token == fence + 1
