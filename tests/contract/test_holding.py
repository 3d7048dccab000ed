"""Bounds on holding, between real processes, on real engines."""

from datetime import timedelta

import pytest

from interlock.errors import LockLost, LossReason
from tests.contract.test_locks import LEASE, PATIENCE, SOON, lock_client, process, told

LONG = timedelta(seconds=60)


def hold_for_ever(pipe, endpoint, table):
    """Hang under a lock that may be held for a second."""
    with lock_client(endpoint, table, lease=LONG) as locks:
        try:
            with locks.acquire("a", max_hold=timedelta(seconds=1)) as lock:
                pipe.send(lock.fencing_token)
                lock.lost.wait()
        except LockLost as error:
            pipe.send(error.reason)


def test_a_process_that_hangs_gives_its_lock_to_another(endpoint, table):
    with (
        lock_client(endpoint, table) as locks,
        process(hold_for_ever, endpoint, table) as (_, pipe),
    ):
        fence = told(pipe)
        with locks.acquire("a", timeout=timedelta(seconds=PATIENCE)) as lock:
            assert lock.fencing_token == fence + 1
        assert told(pipe) is LossReason.HELD_TOO_LONG


def test_a_lease_that_was_extended_keeps_others_out(endpoint, table):
    with (
        lock_client(endpoint, table) as locks,
        lock_client(endpoint, table) as others,
        locks.acquire("a", lease=LEASE, heartbeats=False) as lock,
    ):
        lock.data = "extended"
        lock.extend(LONG)
        with pytest.raises(Exception, match="a"):
            others.acquire("a", timeout=1.5 * LEASE)
        assert others.inspect("a").data == "extended"
        lock.extend(timedelta(seconds=1))
        with others.acquire("a", timeout=timedelta(seconds=PATIENCE)):
            assert lock.lost.wait(SOON)
        lock.release()
