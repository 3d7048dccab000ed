"""The queue of a lock between real processes, on real engines: turns, kills, stops, others."""

import os
import signal
import time
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from itertools import pairwise

import pytest

from interlock import TransactionClient
from interlock._protocol.locks import fair, ticket
from interlock.errors import LockTimeout
from tests.contract.test_locks import (
    LONG,
    PATIENCE,
    SECTION,
    connect,
    lock_client,
    process,
)

WAITERS = 3
LEASE = 10 * LONG  # more than a test takes
ROUNDS = 3
LATE = 30.0  # seconds that an heir may take: its machine is busy


@pytest.fixture
def locks(endpoint, table):
    with lock_client(endpoint, table, lease=LEASE) as client:
        yield client


def in_line(locks, count):
    """Wait until so many are in the queue."""
    deadline = time.monotonic() + PATIENCE
    while len(locks.inspect("a").waiters) != count:
        assert time.monotonic() < deadline
        time.sleep(0.02)


# What the processes do.


def take_a_turn(pipe, endpoint, table, number, *, acceptance):
    """Take the lock in turn, and note down whose turn it was."""
    # On a busy machine a waiter may be late, which is not what a test of the order is about.
    for module in (fair, ticket):
        vars(module)["ACCEPTANCE"] = acceptance
    dynamodb = connect(endpoint)
    with lock_client(endpoint, table, lease=LEASE) as locks:
        pipe.send("ready")
        pipe.recv()
        with locks.acquire("a", fair=True, timeout=LONG * 4) as lock:
            dynamodb.update_item(
                TableName=table,
                Key=SECTION,
                UpdateExpression="SET turns = list_append(if_not_exists(turns, :none), :turn)",
                ExpressionAttributeValues={
                    ":none": {"L": []},
                    ":turn": {"L": [{"N": str(number)}]},
                },
            )
            lock.ensure()
    pipe.send("done")


def enter_over_and_over(pipe, endpoint, table, *, turns):
    """Enter a section that notices if another is in it; tell the fences."""
    dynamodb, fences = connect(endpoint), []
    with lock_client(endpoint, table, lease=LEASE) as locks:
        for _ in range(ROUNDS):
            with locks.acquire("a", fair=turns, timeout=LONG * 4) as lock:
                for change, condition in (
                    ("SET inside = :me", "attribute_not_exists(inside)"),
                    ("REMOVE inside", "inside = :me"),
                ):
                    dynamodb.update_item(
                        TableName=table,
                        Key=SECTION,
                        UpdateExpression=change,
                        ConditionExpression=condition,
                        ExpressionAttributeValues={":me": {"N": str(os.getpid())}},
                    )
                lock.ensure()
                fences.append(lock.fencing_token)
    pipe.send(fences)


class Turns:
    """Processes that wait for their turns, in the order in which they were let go."""

    def __init__(self, stack, locks, args, acceptance=LATE):
        started = [
            stack.enter_context(process(waiter, *args, number, acceptance))
            for number in range(WAITERS)
        ]
        self.workers = [worker for worker, _ in started]
        self.pipes = [pipe for _, pipe in started]
        for number, pipe in enumerate(self.pipes):
            assert told(pipe) == "ready"
            pipe.send("go")
            in_line(locks, number + 1)


def waiter(pipe, endpoint, table, number, acceptance):
    take_a_turn(pipe, endpoint, table, number, acceptance=acceptance)


def turn_taker(pipe, endpoint, table):
    enter_over_and_over(pipe, endpoint, table, turns=True)


def plain_caller(pipe, endpoint, table):
    enter_over_and_over(pipe, endpoint, table, turns=False)


def give_back(table, lock, t):
    t.put(table, {"pk": "data"}, {"n": 1})
    t.release(lock)


def told(pipe):
    assert pipe.poll(4 * PATIENCE), "the process has not answered"
    return pipe.recv()


def turns_of(client, table):
    item = client.get_item(TableName=table, Key=SECTION, ConsistentRead=True)["Item"]
    return [int(turn["N"]) for turn in item["turns"]["L"]]


# What is seen of it.


def test_turns_are_in_the_order_of_arrival_over_all_processes(endpoint, client, table, locks):
    holder = locks.acquire("a", fair=True)
    with ExitStack() as stack:
        turns = Turns(stack, locks, (endpoint, table))
        assert [waiter.rank for waiter in locks.inspect("a").waiters] == list(range(WAITERS))
        assert holder.release()
        assert [told(pipe) for pipe in turns.pipes] == ["done"] * WAITERS
    assert turns_of(client, table) == list(range(WAITERS))
    assert not locks.inspect("a").held


def test_what_a_commit_gave_back_goes_to_the_first_of_the_queue(endpoint, client, table, locks):
    holder, transactions = locks.acquire("a", fair=True), TransactionClient(table, client=client)
    with ExitStack() as stack:
        turns = Turns(stack, locks, (endpoint, table))
        transactions.run(partial(give_back, table, holder))
        assert [told(pipe) for pipe in turns.pipes] == ["done"] * WAITERS
    assert turns_of(client, table) == list(range(WAITERS))


def test_a_killed_waiter_costs_no_lease(endpoint, client, table, locks):
    holder = locks.acquire("a", fair=True)
    with ExitStack() as stack:
        turns = Turns(stack, locks, (endpoint, table), acceptance=1.0)
        os.kill(turns.workers[0].pid, signal.SIGKILL)
        turns.workers[0].join(PATIENCE)
        assert holder.release()
        assert [told(turns.pipes[number]) for number in (1, 2)] == ["done"] * 2
    assert set(turns_of(client, table)) == {1, 2}


def test_a_waiter_that_was_stopped_misses_its_turn_and_gets_another(endpoint, client, table, locks):
    holder = locks.acquire("a", fair=True)
    with ExitStack() as stack:
        turns = Turns(stack, locks, (endpoint, table), acceptance=1.0)
        os.kill(turns.workers[0].pid, signal.SIGSTOP)
        assert holder.release()
        assert [told(pipe) for pipe in turns.pipes[1:]] == ["done"] * (WAITERS - 1)
        os.kill(turns.workers[0].pid, signal.SIGCONT)
        assert told(turns.pipes[0]) == "done"
    assert turns_of(client, table)[-1] == 0
    assert len(turns_of(client, table)) == WAITERS


def test_turns_and_plain_callers_are_never_in_together(endpoint, table):
    works = [turn_taker] * 2 + [plain_caller]
    with ExitStack() as stack:
        pipes = [stack.enter_context(process(work, endpoint, table))[1] for work in works]
        fences = [told(pipe) for pipe in pipes]
    assert all(earlier < later for mine in fences for earlier, later in pairwise(mine))
    assert len({fence for mine in fences for fence in mine}) == len(works) * ROUNDS


def test_whose_time_is_up_leaves_no_place_behind(locks, endpoint, table):
    with lock_client(endpoint, table, lease=LEASE) as others:
        holder = locks.acquire("a", fair=True)
        with pytest.raises(LockTimeout):
            others.acquire("a", fair=True, timeout=timedelta(seconds=0.5))
        in_line(locks, 0)
        assert holder.release()
        assert others.acquire("a", fair=True).release()
