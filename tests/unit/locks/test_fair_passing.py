"""Passing the dead over: each has a moment to take what lies for it, and no turn after that."""

import pytest

from interlock._protocol.locks import queue, record
from interlock._protocol.locks.ticket import ACCEPTANCE
from interlock._protocol.requests import Time
from interlock.errors import LockTimeout
from tests.unit.locks.conftest import Process
from tests.unit.locks.scripted import EPOCH, TABLE
from tests.unit.locks.turns import LEASE, enter, fail, give_back_in_a_commit, line, when


@pytest.mark.parametrize("giving_back", [Process.release, give_back_in_a_commit])
def test_who_has_long_been_near_and_awake_has_a_moment_to_take_what_lies_for_it(
    process, other, giving_back
):
    first = process.acquire(fair=True)
    enter(process, sleeps=1000)
    given = []

    def give_back():
        giving_back(process, first)
        given.append(other.driver.now)

    other.driver.during_sleep = when(other.driver, 2.0, give_back)
    assert other.acquire(fair=True)
    assert ACCEPTANCE <= other.driver.now - given[0] < ACCEPTANCE + 0.3


@pytest.mark.parametrize("giving_back", [Process.release, give_back_in_a_commit])
def test_a_newcomer_lets_another_sleep_for_as_long_as_its_ticket_says(process, other, giving_back):
    first = process.acquire(fair=True)
    enter(process, sleeps=100_000)
    giving_back(process, first)
    began = other.driver.now
    assert other.acquire(fair=True)
    assert 100.0 + ACCEPTANCE <= other.driver.now - began < 102.0


def test_what_is_no_ticket_sleeps_no_time(process, other):
    first = process.acquire(fair=True)
    item = {**process.driver.row("a"), "queue": {"L": [{"S": "x~y"}]}}
    process.driver.store.perform("PutItem", {"TableName": TABLE, "Item": item})
    give_back_in_a_commit(process, first)
    began = other.driver.now
    assert other.acquire(fair=True)
    assert ACCEPTANCE <= other.driver.now - began < ACCEPTANCE + 0.5


def test_no_waiter_is_passed_over_while_the_lock_is_held(process, other):
    process.acquire(fair=True)
    ticket = enter(process)
    with pytest.raises(LockTimeout):
        other.acquire(**fail(10.0))
    assert line(process)[0] == ticket


@pytest.mark.parametrize("sleeps", [0, 250])
def test_a_dead_heir_is_passed_over(process, other, sleeps):
    first = process.acquire(fair=True)
    enter(process, sleeps=sleeps)
    began = []

    def give_back():
        process.release(first)
        began.append(other.driver.now)

    other.driver.during_sleep = [lambda: None, give_back]
    second = other.acquire(fair=True)
    assert ACCEPTANCE <= other.driver.now - began[0] < 1.2
    assert second.fence == first.fence + 2


def test_a_dead_first_is_passed_over_when_the_lock_is_free(process, other):
    first = process.acquire(fair=True)
    enter(process)
    action = record.release_action(TABLE, "a", first.fence, time=Time(EPOCH, EPOCH))
    process.driver.store.perform("TransactWriteItems", {"TransactItems": [action]})
    began = other.driver.now
    assert other.acquire(fair=True).fence == first.fence + 1
    assert ACCEPTANCE <= other.driver.now - began < 1.5
    # It sees by what it has passed over that it is the first.
    assert other.driver.operations()[-3:] == ["GetItem", "UpdateItem", "UpdateItem"]


def test_the_first_takes_over_from_a_dead_holder(process, other):
    first = process.acquire(fair=True)
    began = other.driver.now
    assert other.acquire(fair=True).fence == first.fence + 1
    assert LEASE <= other.driver.now - began < LEASE + 1.0
    assert line(process) == []


def test_a_full_queue_of_the_dead_is_passed_over(process, other):
    first = process.acquire(fair=True)
    for _ in range(queue.MOST_WAITERS):
        enter(process)
    action = record.release_action(TABLE, "a", first.fence, time=Time(EPOCH, EPOCH))
    process.driver.store.perform("TransactWriteItems", {"TransactItems": [action]})
    assert other.acquire(fair=True).fence == first.fence + 1
    assert line(process) == []
    assert other.driver.operations().count("GetItem") < 150


def test_a_ticket_that_no_client_wrote_is_passed_over_as_a_dead_one(process, other):
    first = process.acquire(fair=True)
    item = {**process.driver.row("a"), "queue": {"L": [{"S": "x~y"}]}}
    process.driver.store.perform("PutItem", {"TableName": TABLE, "Item": item})
    process.release(first)
    assert process.driver.row("a")["owner"] == {"S": "a waiter"}
    assert other.acquire(fair=True).fence == first.fence + 2


def test_a_process_that_is_gone_leaves_its_place_to_time(process):
    holder, gone, next_one = process, Process(process.driver.store), Process(process.driver.store)
    grant = holder.acquire(fair=True)

    def die():
        raise SystemExit

    gone.driver.during_sleep = [die]
    with pytest.raises(SystemExit):
        gone.acquire(fair=True)
    next_one.driver.during_sleep = [lambda: None, lambda: holder.release(grant)]
    assert next_one.acquire(fair=True).fence == grant.fence + 2
