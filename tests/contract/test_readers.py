"""Readers and writers in real processes, on real engines: crowds, kills and stops."""

import os
import signal
import time
from datetime import timedelta

import pytest

from interlock.errors import LockLost, LockTimeout, ReadersMismatch
from tests.contract.conftest import PATIENT
from tests.contract.test_locks import (
    LEASE,
    LONG,
    PATIENCE,
    SOON,
    connect,
    lock_client,
    process,
    told,
    told_by_each,
    write,
    written,
)

READERS, ROUNDS = 3, 4
PAGE = {"pk": {"S": "page"}}


def sides(locks, readers=READERS):
    return locks.read_write_lock("page", readers=readers)


def read_over_and_over(pipe, endpoint, table):
    """Read two halves that a writer changes one after the other; tell those that differ."""
    dynamodb, torn = connect(endpoint, PATIENT), []
    with lock_client(endpoint, table, lease=LONG) as locks:
        for _ in range(ROUNDS):
            with sides(locks).read(timeout=LONG * 4) as side:
                seen = [half(dynamodb, table, name) for name in ("left", "right", "left")]
                torn += [] if len(set(seen)) == 1 else [seen]
                side.ensure()
    pipe.send(torn)


def write_over_and_over(pipe, endpoint, table):
    """Change two halves, read them as a reader, and tell whether another writer was in between."""
    dynamodb, torn = connect(endpoint, PATIENT), []
    with lock_client(endpoint, table, lease=LONG) as locks:
        for _ in range(ROUNDS):
            with sides(locks).write(timeout=LONG * 4) as side:
                for name in ("left", "right"):
                    dynamodb.update_item(
                        TableName=table,
                        Key=PAGE,
                        UpdateExpression="ADD #half :one",
                        ExpressionAttributeNames={"#half": name},
                        ExpressionAttributeValues={":one": {"N": "1"}},
                    )
                mine = half(dynamodb, table, "left")
                with side.downgrade() as reading:
                    seen = [half(dynamodb, table, name) for name in ("left", "right")]
                    torn += [] if seen == [mine, mine] else [(mine, seen)]
                    reading.ensure()
    pipe.send(torn)


def half(dynamodb, table, name):
    item = dynamodb.get_item(TableName=table, Key=PAGE, ConsistentRead=True).get("Item", {})
    return int(item.get(name, {"N": "0"})["N"])


def hold_a_side(pipe, endpoint, table, which):
    """Take a side and keep it; then write under its guard when told, and say what came of it."""
    dynamodb = connect(endpoint, PATIENT)
    locks = lock_client(endpoint, table)
    side = getattr(sides(locks), which)()
    pipe.send(side.fencing_token)
    while pipe.recv() == "write":
        pipe.send(written(lambda: write(dynamodb, table, side, which)))


def test_readers_never_see_half_of_a_write(endpoint, store, table):
    works = [read_over_and_over] * 3 + [write_over_and_over] * 2
    told_each = told_by_each(*((work, endpoint, table) for work in works))
    assert told_each == [[]] * len(works)
    assert [half(store, table, name) for name in ("left", "right")] == [2 * ROUNDS] * 2


@pytest.mark.parametrize(("dead", "living"), [("read", "write"), ("write", "read")])
def test_a_killed_holder_is_succeeded_after_its_lease_and_not_before(endpoint, table, dead, living):
    with (
        lock_client(endpoint, table) as locks,
        process(hold_a_side, endpoint, table, dead) as (worker, pipe),
    ):
        told(pipe)
        watched = time.monotonic()  # its lease is, at the earliest, from here on
        with pytest.raises(LockTimeout):
            getattr(sides(locks), living)(timeout=SOON)
        os.kill(worker.pid, signal.SIGKILL)
        worker.join(PATIENCE)
        with getattr(sides(locks), living)(timeout=timedelta(seconds=PATIENCE)) as side:
            assert time.monotonic() - watched >= LEASE.total_seconds()
            side.ensure()


@pytest.mark.parametrize(("stopped", "living"), [("read", "write"), ("write", "read")])
def test_what_a_stopped_holder_writes_when_the_other_side_is_in_is_refused(
    endpoint, store, table, stopped, living
):
    with (
        lock_client(endpoint, table) as locks,
        process(hold_a_side, endpoint, table, stopped) as (worker, pipe),
    ):
        told(pipe)
        pipe.send("write")
        assert told(pipe) == "written"
        os.kill(worker.pid, signal.SIGSTOP)
        side = getattr(sides(locks), living)(timeout=timedelta(seconds=PATIENCE))
        pipe.send("write")  # lies in the pipe until the process goes on
        os.kill(worker.pid, signal.SIGCONT)
        assert told(pipe) == ["ConditionalCheckFailed", "None"]
        write(store, table, side, "the other side")
        assert side.release()


def test_a_writer_that_is_killed_while_it_waits_keeps_the_door_closed_for_its_lease(
    endpoint, table
):
    with lock_client(endpoint, table, lease=LONG) as locks, sides(locks).read():
        with process(hold_a_side, endpoint, table, "write") as (worker, _):
            deadline = time.monotonic() + PATIENCE
            while not ((door := locks.inspect("page")) and door.held):
                assert time.monotonic() < deadline
                time.sleep(SOON.total_seconds())
            os.kill(worker.pid, signal.SIGKILL)
            worker.join(PATIENCE)
        with lock_client(endpoint, table) as others:
            others.read_write_lock("page", readers=READERS).read(
                timeout=timedelta(seconds=PATIENCE)
            ).release()


def test_another_number_of_readers_is_told(endpoint, table):
    with lock_client(endpoint, table) as locks:
        sides(locks).read().release()
        for which in ("read", "write"):
            with pytest.raises(ReadersMismatch):
                getattr(sides(locks, 5), which)()


def test_a_write_side_that_was_broken_is_not_downgraded(endpoint, table):
    with lock_client(endpoint, table, lease=LONG) as locks, lock_client(endpoint, table) as others:
        writer = sides(locks).write()
        assert others.break_lock("page", because="it was in the way")
        reader = sides(others).read(timeout=timedelta(seconds=PATIENCE))
        with pytest.raises(LockLost):
            writer.downgrade()
        assert reader.release()
        assert sides(others).write(timeout=timedelta(seconds=PATIENCE)).release()
