"""Entering the queue: one ticket for each waiter, whatever is lost or late, and no ghosts."""

import pytest

from interlock import LockClient
from interlock._protocol.faults import Refused
from interlock._protocol.locks import queue
from interlock._protocol.locks.fair import FairAcquisition
from interlock._protocol.locks.grant import lease_end
from interlock._protocol.locks.item import key_of
from interlock._protocol.locks.ticket import read
from interlock.errors import (
    AccessDenied,
    InvalidValue,
    LockAlreadyHeld,
    LockTimeout,
    QueueFull,
)
from interlock.testing import MemoryStore
from tests.unit.locks.scripted import (
    TABLE,
    Keep,
    after,
    answer,
    carry_out,
    lose_reply,
    lose_request,
    refuse,
    throttle,
    throttle_second,
    unreachable,
    whenever,
)
from tests.unit.locks.turns import LEASE, enter, fail, leaves_the_queue, line, waiting, when


def entries(process):
    """Return what a process has sent to enter a queue."""
    return [params for _, params in process.driver.calls if ":entry" in str(params)]


@pytest.mark.parametrize("item", [None, {"pk": {"S": "lock#b"}, "fence": {"N": "9"}}])
def test_an_entry_whose_refusal_does_not_say_why_is_made_again(process, other, item):
    first = process.acquire(fair=True)
    other.driver.script = [None, refuse("ConditionalCheckFailedException", item)]
    other.driver.during_sleep = when(other.driver, 0.2, lambda: process.release(first))
    assert other.acquire(fair=True).fence == first.fence + 2
    assert line(process) == []


def test_an_entry_that_is_not_allowed_says_so(process, other):
    process.acquire(fair=True)
    other.driver.script = [None, refuse("AccessDeniedException")]
    with pytest.raises(AccessDenied):
        other.acquire(fair=True)
    assert line(process) == []


@pytest.mark.parametrize("trouble", [unreachable, lose_request, throttle, answer({})])
def test_an_entry_that_fails_is_followed_by_a_pause_and_a_look(process, other, trouble):
    process.acquire(fair=True)
    other.driver.script = [None, trouble]
    waiting(other)
    assert other.driver.operations() == ["UpdateItem", "UpdateItem"]


def test_a_refusal_that_shows_no_record_is_followed_by_a_look(process, other):
    process.acquire(fair=True)
    other.driver.script = [None, refuse("ConditionalCheckFailedException")]
    waiting(other)
    assert other.driver.operations() == ["UpdateItem", "UpdateItem", "GetItem", "UpdateItem"]


def test_an_entry_whose_second_copy_was_throttled_is_not_made_again(process, other):
    first = process.acquire(fair=True)
    other.driver.script = [None, throttle_second]
    other.driver.during_sleep = [lambda: None, lambda: process.release(first)]
    assert other.acquire(fair=True).fence == first.fence + 2
    assert len(entries(other)) == 1


def test_after_an_entry_that_was_never_sent_none_is_on_its_way(process, other):
    first = process.acquire(fair=True)
    other.driver.script = [None, unreachable]
    other.driver.during_sleep = [lambda: process.release(first)]
    assert other.acquire(fair=True).fence == first.fence + 1
    # Refused, does not enter; looks, and takes the lock.
    assert other.driver.operations() == ["UpdateItem", "UpdateItem", "GetItem", "UpdateItem"]


def test_what_refuses_an_entry_is_not_read_again(process, other):
    first = process.acquire(fair=True)

    def be_free(*_):
        process.release(first)
        raise Refused("ConditionalCheckFailedException", "why", item=process.driver.row("a"))

    other.driver.script = [None, be_free]
    assert other.acquire(fair=True).fence == first.fence + 1
    assert other.driver.operations() == ["UpdateItem"] * 3


def test_who_was_not_let_in_has_nothing_to_leave(process, other):
    process.acquire(fair=True)

    def be_full(driver, operation, params):
        for _ in range(queue.MOST_WAITERS):
            enter(process)
        return carry_out(driver, operation, params)

    other.driver.script = [None, be_full]
    acquisition = other.acquisition(fair=True)
    with pytest.raises(QueueFull):
        other.driver.run(acquisition.run())
    assert not acquisition.leftovers


def test_an_acquisition_knows_its_place_and_waits_behind_no_other_of_its_client(process, other):
    first = process.acquire(fair=True)
    tickets = [enter(process), enter(process)]
    acquisition = other.acquisition(fair=True)
    assert isinstance(acquisition, FairAcquisition)
    assert acquisition.place == float("inf")
    places = []

    def leave(rank):
        call = queue.leaving_call(TABLE, "a", ticket=tickets[rank], place=0)
        process.driver.store.perform(call.operation, call.params)

    def note(act):
        def noted():
            places.append(acquisition.place)
            act()

        return noted

    other.driver.during_sleep = [
        note(lambda: leave(0)),
        note(lambda: leave(1)),
        note(lambda: process.release(first)),
    ]
    other.driver.run(acquisition.run())
    assert places == [2.0, 1.0, 0.0]
    assert acquisition.place < 0
    assert not acquisition.waits


def test_a_caller_who_does_not_wait_bears_one_call_that_is_throttled(process):
    process.driver.script = [throttle]
    assert process.acquire(fair=True, timeout=0.0)


def test_a_ticket_says_who_waits_since_when_and_for_how_long_it_may_sleep(process, other):
    process.acquire(fair=True)
    for _ in range(5):
        enter(process)
    waiting(other)
    ticket = read(line(process)[-1])
    assert ticket is not None
    assert ticket.owner == "somebody"
    assert ticket.since == pytest.approx(other.driver.time_of_day().wall * 1000, abs=1000)
    assert ticket.sleeps == round(1000 * queue.longest_pause(queue.last_place(5)))


def test_an_entry_is_void_when_those_are_that_were_asked_for_at_its_time(process, other):
    process.acquire(fair=True)
    waiting(other)
    (entry,) = entries(other)
    asked = int(entry["ExpressionAttributeValues"][":asked"]["N"])
    assert asked == pytest.approx(other.driver.time_of_day().wall * 1000, abs=1000)


def test_who_is_behind_the_bound_of_others_enters_all_the_same(process, other):
    first = process.acquire(fair=True)
    bound = int(other.driver.time_of_day().wall * 1000) + 3_600_000
    item = {**process.driver.row("a"), "void_before": {"N": str(bound)}}
    process.driver.store.perform("PutItem", {"TableName": TABLE, "Item": item})
    other.driver.during_sleep = when(other.driver, 0.0, lambda: process.release(first))
    assert other.acquire(fair=True, timeout=5.0).fence == first.fence + 2


def test_a_second_ticket_that_arrived_late_leaves_with_the_grant(process, other):
    first, kept = process.acquire(fair=True), Keep()

    def arrive():
        carry_out(other.driver, *kept.calls[0])
        assert len(line(process)) == 2

    other.driver.script = [None, kept]
    other.driver.during_sleep = [lambda: None, arrive, lambda: process.release(first)]
    assert other.acquire(fair=True).fence == first.fence + 2
    assert line(process) == []


def test_a_lease_that_ran_out_while_a_second_ticket_left_is_not_returned(process, other):
    first, kept = process.acquire(fair=True), Keep()

    def give_back():
        process.release(first)
        until = lease_end(other.driver.now + 0.01, LEASE)  # it takes the lock after a look

        def leave_as_it_ends(driver, operation, params):
            driver.now = max(driver.now, until)
            return carry_out(driver, operation, params)

        other.driver.script = whenever(leaves_the_queue, leave_as_it_ends)

    other.driver.script = [None, kept]
    other.driver.during_sleep = [
        lambda: None,
        lambda: carry_out(other.driver, *kept.calls[0]),
        give_back,
    ]
    grant = other.acquire(fair=True)
    assert other.driver.now < grant.until


def test_a_lease_that_ran_out_before_a_second_ticket_left_is_not_returned(process, other):
    first, kept = process.acquire(fair=True), Keep()

    def give_back():
        carry_out(other.driver, *kept.calls[0])
        process.release(first)
        other.driver.script = [None, after(LEASE + 1)]

    other.driver.script = [None, kept]
    other.driver.during_sleep = [lambda: None, give_back]
    grant = other.acquire(fair=True)
    assert other.driver.now < grant.until
    assert line(process) == []


def test_an_entry_whose_reply_was_lost_is_looked_for_before_another_is_made(process, other):
    process.acquire(fair=True)
    other.driver.script = [None, lose_reply]
    waiting(other)
    assert len(line(process)) == 1


@pytest.mark.parametrize("resent", [False, True])
def test_an_entry_that_was_throttled_makes_no_ghost(process, other, resent):
    def throttled(*_):
        raise Refused("ThrottlingException", "why", resent=resent)

    first, kept = process.acquire(fair=True), Keep(throttled)
    other.driver.script = [None, kept]
    other.driver.during_sleep = [lambda: None, lambda: process.release(first)]
    assert other.release(other.acquire(fair=True))
    if resent:  # the first copy may be on its way
        with pytest.raises(Refused):
            carry_out(other.driver, *kept.calls[0])
    assert line(process) == []


def test_the_first_copy_of_an_entry_whose_second_was_refused_makes_no_ghost(process, other):
    def refused(*_):
        row = process.driver.row("a")
        raise Refused("ConditionalCheckFailedException", "why", item=row, resent=True)

    first, kept = process.acquire(fair=True), Keep(refused)
    other.driver.script = [None, kept]
    other.driver.during_sleep = [lambda: process.release(first)]
    assert other.release(other.acquire(fair=True))
    with pytest.raises(Refused):
        carry_out(other.driver, *kept.calls[0])
    assert line(process) == []


def test_a_row_that_is_deleted_is_no_row_to_wait_at(process, other):
    process.acquire(fair=True)
    key = {"TableName": TABLE, "Key": key_of("a")}
    other.driver.during_sleep = [lambda: process.driver.store.perform("DeleteItem", key)]
    assert other.acquire(fair=True, timeout=1.0)


def test_who_does_not_wait_does_not_queue(process, other):
    process.acquire(fair=True)
    with pytest.raises(LockTimeout):
        other.acquire(**fail(0.0))
    assert line(process) == []
    assert other.driver.operations() == ["UpdateItem"]


def test_who_was_passed_over_queues_again(process, other):
    first = process.acquire(fair=True)

    def skip():
        (ticket,) = line(process)
        call = queue.passing_call(TABLE, "a", ticket=ticket, fence=first.fence)
        process.driver.store.perform(call.operation, call.params)

    other.driver.during_sleep = [skip, lambda: process.release(first)]
    assert other.acquire(fair=True).fence == first.fence + 2


def test_a_late_copy_of_an_entry_makes_no_ghost(process, other):
    first = process.acquire(fair=True)
    kept = Keep()

    other.driver.script = [None, kept]
    other.driver.during_sleep = [lambda: process.release(first)]
    second = other.acquire(fair=True)
    assert other.release(second)
    with pytest.raises(Exception, match="conditional"):
        carry_out(other.driver, *kept.calls[0])
    assert line(process) == []


def test_a_full_queue_says_so_and_nothing_is_asked_for(process, other):
    process.acquire(fair=True)
    for _ in range(queue.MOST_WAITERS):
        enter(process)
    with pytest.raises(QueueFull, match="100 wait for lock 'a'") as caught:
        other.acquire(fair=True)
    assert caught.value.most == queue.MOST_WAITERS
    assert len(caught.value.holder.waiters) == queue.MOST_WAITERS
    assert len(line(process)) == queue.MOST_WAITERS
    assert other.driver.operations() == ["UpdateItem"]


def test_inspecting_tells_who_waits(process):
    process.acquire(fair=True)
    enter(process, owner="one~two")
    enter(process, owner="x" * 100)
    found = process.driver.run(process.locks.inspect("a"))
    assert [(waiter.rank, waiter.owner) for waiter in found.waiters] == [
        (0, "one~two"),
        (1, "x" * 64),
    ]
    assert [int(waiter.since.timestamp() * 1000) % 10 for waiter in found.waiters] == [0, 1]


def test_a_thread_does_not_queue_behind_itself():
    client = MemoryStore(TABLE).client()
    with (
        LockClient(TABLE, client=client) as locks,
        locks.acquire("a", fair=True),
        pytest.raises(LockAlreadyHeld),
    ):
        locks.acquire("a", fair=True)


@pytest.mark.parametrize("fair", ["yes", 1, None])
def test_fair_is_true_or_false(make, fair):
    with pytest.raises(InvalidValue, match="fair"):
        make().acquire("a", fair=fair)
