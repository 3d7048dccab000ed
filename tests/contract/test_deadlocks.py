"""Deadlocks between real processes, on real engines: named, and ended by a break."""

import time

from interlock import LockClient
from interlock.errors import LockLost
from tests.contract.test_locks import LONG, PATIENCE, connect, lock_client, process, told


def take_both(pipe, endpoint, table, first, second):
    """Take one lock, when told to the second; tell how that ended."""
    with LockClient(
        table, client=connect(endpoint), owner=f"holder of {first}", lease=LONG
    ) as locks:
        try:
            with locks.acquire(first, data={"then": second}):
                pipe.send("ready")
                pipe.recv()
                locks.acquire(second, fair=True).release()
            pipe.send("had both")
        except LockLost as loss:
            pipe.send(loss.reason.name)


def test_two_processes_that_wait_for_each_other_are_named_and_a_break_ends_it(endpoint, table):
    with (
        lock_client(endpoint, table) as locks,
        process(take_both, endpoint, table, "a", "b") as (_, one),
        process(take_both, endpoint, table, "b", "a") as (_, two),
    ):
        assert {told(one), told(two)} == {"ready"}
        one.send("go")
        deadline = time.monotonic() + PATIENCE
        while not (record := locks.inspect("b")) or not record.waiters:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert locks.deadlocks() == ()
        two.send("go")
        while not (found := locks.deadlocks()):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        (deadlock,) = found
        assert deadlock.certain
        assert [(link.owner, link.holds, link.waits_for, link.data) for link in deadlock.links] == [
            ("holder of a", "a", "b", {"then": "b"}),
            ("holder of b", "b", "a", {"then": "a"}),
        ]
        locks.break_lock("a", because="deadlock", fencing_token=deadlock.links[0].fencing_token)
        assert told(two) == "had both"
        assert told(one) == "BROKEN"
        assert locks.deadlocks() == ()
