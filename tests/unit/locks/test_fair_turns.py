"""Turns: in the order of arrival, named by the release, and heeded by all who ask for one."""

import itertools
import threading
from datetime import timedelta

import pytest

from interlock._protocol.locks import queue, record
from interlock._protocol.locks.ticket import ACCEPTANCE
from interlock._protocol.requests import Time
from interlock.errors import CorruptRecord, LockTimeout
from tests.unit.locks.conftest import Process
from tests.unit.locks.realtime import SOON, wait_until
from tests.unit.locks.scripted import (
    EPOCH,
    TABLE,
    answer,
    lose_reply,
    lose_request,
    send_twice,
    throttle,
    unreachable,
)
from tests.unit.locks.turns import enter, fail, give_back_in_a_commit, line


def test_a_free_lock_takes_one_call(process):
    grant = process.acquire(fair=True)
    assert process.driver.operations() == ["UpdateItem"]
    assert process.release(grant)
    assert process.driver.operations() == ["UpdateItem"] * 2
    assert "queue" not in process.driver.row("a")


def test_a_waiter_is_named_by_the_release_and_accepts(process, other):
    first = process.acquire(fair=True)
    heirs = []

    def give_back():
        (ticket,) = line(process)
        assert process.release(first)
        row = process.driver.row("a")
        assert row["version"] == {"S": ticket}
        assert row["fence"] == {"N": str(first.fence + 1)}
        heirs.append(ticket)

    other.driver.during_sleep = [give_back]
    second = other.acquire(fair=True)
    assert len(heirs) == 1
    assert second.fence == first.fence + 2
    assert line(process) == []
    # Refused, enters; looks, accepts.
    assert other.driver.operations() == ["UpdateItem", "UpdateItem", "GetItem", "UpdateItem"]


def test_a_holder_that_asked_for_no_turn_names_the_heir_too(process, other):
    first = process.acquire()
    other.driver.during_sleep = [lambda: process.release(first)]
    assert other.acquire(fair=True).fence == first.fence + 2
    # It learns of the queue by the refusal of its release.
    assert process.driver.operations() == ["UpdateItem"] * 3


def test_the_guard_of_who_named_an_heir_fails(process):
    first = process.acquire(fair=True)
    enter(process)
    process.release(first)
    row = process.driver.row("a")
    assert int(row["fence"]["N"]) > first.fence
    check = record.guard(TABLE, "a", first.fence)["ConditionCheck"]
    assert check["ConditionExpression"].startswith("fence = :fence")


@pytest.mark.parametrize(
    "trouble",
    [
        lose_reply,
        lose_request,
        send_twice,
        throttle,
        unreachable,
        answer({}),
        answer({"Attributes": {"pk": {"S": "lock#b"}, "fence": {"N": "9"}}}),
    ],
)
@pytest.mark.parametrize("call", range(4))
def test_one_call_that_fails_costs_no_turn(process, other, trouble, call):
    first = process.acquire(fair=True)
    other.driver.script = [*[None] * call, trouble]
    other.driver.during_sleep = [lambda: None, lambda: None, lambda: process.release(first)]
    second = other.acquire(fair=True)
    assert second.fence > first.fence
    assert line(process) == []
    assert other.release(second)
    assert "version" not in process.driver.row("a")


@pytest.mark.parametrize("draw", [0.0, 0.999])
def test_the_first_looks_often_and_never_in_step_with_others(process, other, draw):
    grant, slept = process.acquire(fair=True), []
    other.driver.draw = draw

    def note():
        process.renew(grant)
        slept.append(other.driver.now)

    other.driver.during_sleep = [note] * 10_000
    with pytest.raises(LockTimeout):
        other.acquire(**fail(10.0))
    pauses = [later - one - 0.01 for one, later in itertools.pairwise(slept)][-20:-1]
    assert pauses == pytest.approx([queue.FIRST_LOOKS * (0.8 + 0.2 * draw)] * 19)


def pauses_of(waiter, seconds, act=lambda: None):
    """Return the pauses that a waiter makes until its time is up, which `act` may disturb."""
    slept, driver = [], waiter.driver

    def note():
        slept.append(driver.now)
        act()

    driver.during_sleep = [note] * 10_000
    with pytest.raises(LockTimeout):
        waiter.acquire(**fail(seconds))
    return [later - one - 0.01 for one, later in itertools.pairwise(slept)]


def test_the_more_waiters_there_are_the_more_rarely_each_of_them_looks(process, other):
    process.acquire(fair=True)
    for _ in range(4):
        enter(process)
    *_, last, _ = pauses_of(other, 8.0)
    assert last == pytest.approx(0.9 * queue.longest_pause(4, 5))

    def crowd():
        while len(line(process)) < 15:
            enter(process)

    *_, last, _ = pauses_of(other, 8.0, crowd)
    assert last == pytest.approx(0.9 * queue.longest_pause(5, 15))


def test_a_lock_that_has_changed_hands_is_looked_at_sooner_again(process, other):
    first = process.acquire(fair=True)
    enter(process, sleeps=100_000)
    looks = itertools.count()

    def give_back():
        if next(looks) == 30:
            process.release(first)

    pauses = pauses_of(other, 8.0, give_back)
    assert pauses[29] > 0.2
    assert pauses[30] < 0.02


@pytest.mark.parametrize("giving_back", [Process.release, give_back_in_a_commit])
def test_who_is_behind_a_sleeper_looks_more_often_while_the_lock_lies_for_that(
    process, other, giving_back
):
    first = process.acquire(fair=True)
    for _ in range(3):
        enter(process, sleeps=100_000)
    held = pauses_of(other, 10.0)
    giving_back(process, first)
    lying = pauses_of(other, 10.0)
    assert min(held[-5:-1]) > 0.5 > max(lying[-5:-1])


def test_who_is_far_back_is_told_in_time(process, other):
    process.acquire(fair=True)
    for _ in range(20):
        enter(process)
    began = other.driver.now
    with pytest.raises(LockTimeout):
        other.acquire(**fail(1.0))
    assert 1.0 <= other.driver.now - began < 1.1


def test_no_call_of_a_turn_hangs_for_longer_than_its_caller_waits(process, other):
    first = process.acquire(fair=True)
    enter(process)
    give_back_in_a_commit(process, first)
    began = other.driver.now
    acquisition = other.acquisition(**fail(5.0))
    other.driver.run(acquisition.run())
    assert len(other.driver.deadlines) > 4
    assert all(deadline <= began + 5.0 + 1.0 for deadline in other.driver.deadlines)


@pytest.mark.parametrize("trouble", [lose_reply, lose_request, send_twice, throttle])
def test_a_release_that_fails_once_names_the_heir_once(process, trouble):
    first = process.acquire(fair=True)
    tickets = [enter(process), enter(process)]
    process.driver.script = [None, trouble]
    assert process.release(first)
    assert process.driver.row("a")["version"] == {"S": tickets[0]}
    assert line(process) == tickets[1:]


def test_newcomers_do_not_go_before_the_queue_even_if_the_lock_is_free(process, other):
    first = process.acquire(fair=True)
    enter(process, sleeps=100_000)
    process.driver.store.perform(
        "UpdateItem",
        {
            "TableName": TABLE,
            "Key": {"pk": {"S": "lock#a"}},
            "UpdateExpression": "REMOVE version",
            "ConditionExpression": "fence = :fence",
            "ExpressionAttributeValues": {":fence": {"N": str(first.fence)}},
        },
    )
    with pytest.raises(LockTimeout):
        other.acquire(**fail())
    assert len(line(process)) == 2
    # Who asked for no turn takes what is free.
    assert other.acquire(timeout=0.0).fence == first.fence + 1


def test_who_asked_for_no_turn_waits_for_the_heir(process, other):
    first = process.acquire(fair=True)
    enter(process)
    process.release(first)
    with pytest.raises(LockTimeout) as caught:
        other.acquire(timeout=0.0)
    assert caught.value.holder.owner == "w"
    # And takes the lock if the heir does not come, as of any holder that is dead.
    began = other.driver.now
    assert other.acquire().fence == first.fence + 2
    assert other.driver.now - began < ACCEPTANCE + 1.0


def test_what_a_commit_gave_back_the_first_takes(process, other):
    first = process.acquire(fair=True)
    action = record.release_action(TABLE, "a", first.fence, time=Time(EPOCH, EPOCH))
    commit = [
        lambda: process.driver.store.perform("TransactWriteItems", {"TransactItems": [action]})
    ]
    other.driver.during_sleep = commit
    assert other.acquire(fair=True).fence == first.fence + 1
    assert line(process) == []


@pytest.mark.parametrize("content", [{"S": "x"}, {"L": [{"N": "1"}]}, {"L": [{"S": ""}]}])
def test_a_corrupt_queue_decides_nothing_and_is_mended(process, content):
    process.acquire()
    item = {**process.driver.row("a"), "queue": content}
    process.driver.store.perform("PutItem", {"TableName": TABLE, "Item": item})
    for fair in (True, False):
        with pytest.raises(CorruptRecord, match="queue"):
            process.acquire(fair=fair)
    process.driver.run(process.locks.break_lock("a", because="it is corrupt"))
    assert line(process) == []
    assert process.acquire(fair=True, timeout=0.0)


def test_a_break_leaves_the_queue_and_the_first_takes_the_lock(process, other):
    first = process.acquire(fair=True)
    breaking = process.locks.break_lock("a", because="it hangs")
    other.driver.during_sleep = [lambda: process.driver.run(breaking)]
    assert other.acquire(fair=True).fence == first.fence + 2


def test_who_adopts_a_lock_names_the_heir(process, other):
    text = process.locks.export(process.acquire(fair=True))
    ticket = enter(process)
    grant = other.adopt(text)
    assert other.release(grant)
    assert process.driver.row("a")["version"] == {"S": ticket}


def test_turns_of_one_client_are_in_the_order_of_arrival(make):
    locks, turns, threads = make(), [], []
    holder = locks.acquire("a", fair=True)
    for number in range(5):

        def work(number=number):
            with locks.acquire("a", fair=True) as lock:
                lock.ensure()
                turns.append(number)

        threads.append(threading.Thread(target=work))
        threads[-1].start()
        wait_until(lambda count=number + 1: len(locks.inspect("a").waiters) == count)
    assert holder.release()
    for thread in threads:
        thread.join(SOON)
    assert turns == list(range(5))


def test_a_heartbeat_keeps_what_a_turn_brought(make):
    locks = make(lease=timedelta(seconds=0.4))
    with locks.acquire("a", fair=True, data={"n": 1}) as lock:
        version = locks.inspect("a").version
        wait_until(lambda: locks.inspect("a").version != version)
        lock.ensure()
        assert locks.inspect("a").data == {"n": 1}
