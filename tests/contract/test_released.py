"""Locks that a commit gives back, between real processes, on real engines."""

import os
import signal
from datetime import timedelta

from interlock import TransactionClient
from interlock.errors import GuardFailed
from tests.contract.conftest import PATIENT
from tests.contract.test_locks import (
    LONG,
    PATIENCE,
    connect,
    lock_client,
    process,
    told,
    told_by_each,
)

PROCESSES, ROUNDS = 4, 5
COUNT = {"pk": {"S": "count"}}


def add_over_and_over(pipe, endpoint, table):
    """Add one to an item, read beforehand, under a lock that the commit gives back."""
    dynamodb, tx = connect(endpoint, PATIENT), TransactionClient(table, client=connect(endpoint))
    with lock_client(endpoint, table, lease=LONG) as locks:
        for _ in range(ROUNDS):
            with locks.acquire("count", timeout=LONG * 4) as lock:
                tx.run(giving_back(table, lock, count(dynamodb, table) + 1))
    pipe.send("done")


def giving_back(table, lock, number):
    def body(t):
        t.release(lock)
        t.put(table, {"pk": "count"}, {"n": number})

    return body


def count(dynamodb, table):
    item = dynamodb.get_item(TableName=table, Key=COUNT, ConsistentRead=True).get("Item", {})
    return int(item.get("n", {"N": "0"})["N"])


def hold_and_commit(pipe, endpoint, table):
    """Take the lock; when told, commit and give it back; tell what came of it."""
    tx = TransactionClient(table, client=connect(endpoint))
    lock = lock_client(endpoint, table).acquire("count")
    pipe.send(lock.fencing_token)
    pipe.recv()
    try:
        tx.run(giving_back(table, lock, -1))
    except GuardFailed:
        pipe.send("refused")
    else:
        pipe.send("committed")


def test_no_write_of_processes_that_give_back_by_their_commits_is_lost(endpoint, store, table):
    works = [(add_over_and_over, endpoint, table)] * PROCESSES
    assert told_by_each(*works) == ["done"] * PROCESSES
    assert count(store, table) == PROCESSES * ROUNDS


def test_a_stopped_holder_neither_commits_nor_gives_the_lock_of_its_successor_back(
    endpoint, store, table
):
    with (
        lock_client(endpoint, table, lease=LONG) as locks,
        process(hold_and_commit, endpoint, table) as (worker, pipe),
    ):
        fence = told(pipe)
        os.kill(worker.pid, signal.SIGSTOP)
        with locks.acquire("count", timeout=timedelta(seconds=PATIENCE)) as lock:
            assert lock.fencing_token > fence
            pipe.send("commit")  # lies in the pipe until the process goes on
            os.kill(worker.pid, signal.SIGCONT)
            assert told(pipe) == "refused"
            assert locks.inspect("count").fencing_token == lock.fencing_token
            assert locks.inspect("count").held
            assert count(store, table) == 0
