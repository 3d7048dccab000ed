"""Leaving the queue: whose wait is over has no turn, and knows what may be left behind."""

import threading

import pytest

from interlock._protocol.faults import Refused
from interlock._protocol.locks import queue
from interlock._protocol.locks.item import key_of
from interlock.errors import LockTimeout, LockWaitCancelled, ServiceUnavailable
from tests.unit.locks.realtime import SOON, wait_until
from tests.unit.locks.scripted import (
    TABLE,
    answer,
    carry_out,
    lose_reply,
    lose_request,
    refuse,
    throttle,
    unreachable,
    whenever,
)
from tests.unit.locks.turns import enter, fail, leaves_the_queue, line, waiting


@pytest.mark.parametrize("trouble", [unreachable, throttle, refuse("AccessDeniedException")])
def test_a_ticket_that_cannot_be_taken_out_is_known_to_be_left(process, other, trouble):
    process.acquire(fair=True)
    acquisition = waiting(other)
    other.driver.script = whenever(leaves_the_queue, trouble)
    began = other.driver.now
    assert other.driver.run(acquisition.abandon()) is False
    assert other.driver.now - began < 13.0
    assert len(line(process)) == 1


def test_a_ticket_in_a_record_that_is_corrupt_is_known_to_be_left(process, other):
    process.acquire(fair=True)
    acquisition = waiting(other)
    item = {**process.driver.row("a"), "fence": {"S": "x"}}
    process.driver.store.perform("PutItem", {"TableName": TABLE, "Item": item})
    assert other.driver.run(acquisition.abandon()) is False


def test_an_entry_that_cannot_be_voided_is_known_to_be_left(process, other):
    process.acquire(fair=True)
    other.driver.script = [None, lose_request, *[unreachable] * 1000]
    acquisition = other.acquisition(**fail(3.0))
    with pytest.raises(Exception, match="reached"):
        other.driver.run(acquisition.run())
    assert acquisition.leftovers
    assert other.driver.run(acquisition.abandon()) is False


def test_a_ticket_that_was_not_seen_leaves_with_its_waiter(process, other):
    process.acquire(fair=True)
    other.driver.script = [None, lose_reply, *[unreachable] * 1000]
    acquisition = other.acquisition(**fail(3.0))
    with pytest.raises(ServiceUnavailable):
        other.driver.run(acquisition.run())
    assert len(line(process)) == 1
    other.driver.script = []
    assert other.driver.run(acquisition.abandon())
    assert line(process) == []


def test_a_leaving_that_is_answered_with_another_record_is_tried_again(process, other):
    process.acquire(fair=True)
    acquisition = waiting(other)
    other.driver.script = [answer({"Attributes": {"pk": {"S": "lock#b"}, "fence": {"N": "9"}}})]
    assert other.driver.run(acquisition.abandon())
    assert line(process) == []


def test_no_call_of_who_leaves_hangs(process, other):
    process.acquire(fair=True)
    acquisition = waiting(other)
    other.driver.deadlines.clear()
    began = other.driver.now
    other.driver.run(acquisition.abandon())
    assert all(deadline <= began + 10.0 for deadline in other.driver.deadlines)


def test_whose_time_is_up_leaves_the_queue(process, other):
    process.acquire(fair=True)
    acquisition = other.acquisition(**fail())
    with pytest.raises(LockTimeout) as caught:
        other.driver.run(acquisition.run())
    assert [waiter.rank for waiter in caught.value.holder.waiters] == [0]
    assert len(line(process)) == 1
    assert other.driver.run(acquisition.abandon())
    assert line(process) == []


@pytest.mark.parametrize("trouble", [None, lose_request, throttle])
def test_leaving_the_queue_of_a_row_that_was_deleted_meanwhile_takes_no_time(
    process, other, trouble
):
    process.acquire(fair=True)
    acquisition = other.acquisition(**fail())
    with pytest.raises(LockTimeout):
        other.driver.run(acquisition.run())
    process.driver.store.perform("DeleteItem", {"TableName": TABLE, "Key": key_of("a")})
    other.driver.calls.clear()
    other.driver.script = [None, trouble]
    assert other.driver.run(acquisition.abandon())
    # It leaves, looks whether there is a queue to leave, and gives back what it may have got.
    again = [] if trouble is None else ["UpdateItem", "GetItem"]
    assert other.driver.operations() == ["UpdateItem", "GetItem", *again, "UpdateItem"]
    assert process.driver.row("a") is None


def test_a_refusal_that_does_not_say_where_the_ticket_is_leaves_no_ticket(process, other):
    def move_and_say_nothing(driver, operation, params):
        ticket = enter(process)
        row = process.driver.row("a")
        row = {**row, "queue": {"L": [{"S": ticket}, row["queue"]["L"][0]]}}
        process.driver.store.perform("PutItem", {"TableName": TABLE, "Item": row})
        with pytest.raises(Refused) as caught:
            carry_out(driver, operation, params)
        caught.value.item = None
        raise caught.value

    process.acquire(fair=True)
    acquisition = other.acquisition(**fail())
    with pytest.raises(LockTimeout):
        other.driver.run(acquisition.run())
    other.driver.script = [move_and_say_nothing]
    assert other.driver.run(acquisition.abandon())
    assert len(line(process)) == 1


def test_who_has_moved_up_meanwhile_leaves_its_new_place_without_a_look(process, other):
    process.acquire(fair=True)
    ticket = enter(process)
    acquisition = waiting(other)
    call = queue.leaving_call(TABLE, "a", ticket=ticket, place=0)
    process.driver.store.perform(call.operation, call.params)
    other.driver.calls.clear()
    assert other.driver.run(acquisition.abandon())
    assert line(process) == []
    # It is refused and leaves, and gives back what it may have got.
    assert other.driver.operations() == ["UpdateItem"] * 3


def test_who_was_named_when_its_time_was_up_names_the_next(process, other):
    first = process.acquire(fair=True)
    acquisition = other.acquisition(**fail(30.0))

    def be_late():
        process.release(first)
        enter(process)
        raise KeyboardInterrupt

    other.driver.during_sleep = [be_late]
    with pytest.raises(KeyboardInterrupt):
        other.driver.run(acquisition.run())
    (after,) = line(process)
    assert other.driver.run(acquisition.abandon())
    assert process.driver.row("a")["version"] == {"S": after}


def test_a_wait_that_is_cancelled_leaves_the_queue(make):
    locks, cancel, raised = make(), threading.Event(), []
    holder = make().acquire("a", fair=True)

    def work():
        with pytest.raises(LockWaitCancelled):
            locks.acquire("a", fair=True, cancel=cancel)
        raised.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    wait_until(lambda: locks.inspect("a").waiters)
    cancel.set()
    thread.join(SOON)
    assert raised == [True]
    wait_until(lambda: not locks.inspect("a").waiters)
    assert holder.release()
