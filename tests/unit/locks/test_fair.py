"""Turns: in the order of arrival, named by the release, and none for who has gone."""

import itertools
import threading
from datetime import timedelta
from typing import Any

import pytest

from interlock import LockClient
from interlock._protocol.faults import Refused
from interlock._protocol.locks import queue, record
from interlock._protocol.locks.fair import FairAcquisition
from interlock._protocol.locks.item import key_of
from interlock._protocol.locks.ticket import ACCEPTANCE, Ticket, read
from interlock._protocol.requests import Time
from interlock.errors import (
    CorruptRecord,
    InvalidValue,
    LockAlreadyHeld,
    LockTimeout,
    LockWaitCancelled,
    QueueFull,
    ServiceUnavailable,
)
from interlock.testing import MemoryStore
from tests.unit.locks.conftest import Process
from tests.unit.locks.realtime import SOON, wait_until
from tests.unit.locks.scripted import (
    EPOCH,
    TABLE,
    after,
    answer,
    carry_out,
    lose_reply,
    lose_request,
    refuse,
    send_twice,
    throttle,
    unreachable,
    whenever,
)

LEASE = 20.0


def line(process, name="a"):
    """Return the tickets in a lock's queue."""
    row = process.driver.row(name) or {}
    return [entry["S"] for entry in row.get("queue", {"L": []})["L"]]


def enter(process, owner="w", sleeps=0):
    """Put the ticket of a process that never looks into the queue."""
    number = len(line(process))
    ticket = Ticket(f"t{number}", 1_700_000_000_000 + number, sleeps, owner).text
    call = queue.entry_call(TABLE, "a", ticket=ticket, last=99, asked=10**14)
    process.driver.store.perform(call.operation, call.params)
    return ticket


def fail(seconds=1.0):
    """Let an acquisition's time be up in the end."""
    return {"fair": True, "timeout": seconds}


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


@pytest.mark.parametrize("item", [None, {"pk": {"S": "lock#b"}, "fence": {"N": "9"}}])
def test_an_entry_whose_refusal_does_not_say_why_is_made_again(process, other, item):
    first = process.acquire(fair=True)
    other.driver.script = [None, refuse("ConditionalCheckFailedException", item)]
    other.driver.during_sleep = when(other.driver, 0.2, lambda: process.release(first))
    assert other.acquire(fair=True).fence == first.fence + 2
    assert line(process) == []


def when(driver, seconds, act):
    """Return what is to happen during the pauses: this, once, when so many seconds have passed."""
    due, done = driver.now + seconds, list[Any]()

    def perhaps():
        if driver.now >= due and not done:
            done.append(act())

    return [perhaps] * 10_000


def give_back_in_a_commit(process, grant):
    action = record.release_action(TABLE, "a", grant.fence, time=Time(EPOCH, EPOCH))
    process.driver.store.perform("TransactWriteItems", {"TransactItems": [action]})


def waiting(process, **options):
    """Return an acquisition that stands in the queue, and was interrupted in its first pause."""
    acquisition = process.acquisition(fair=True, **options)

    def stop():
        raise KeyboardInterrupt

    process.driver.during_sleep = [stop]
    with pytest.raises(KeyboardInterrupt):
        process.driver.run(acquisition.run())
    return acquisition


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
    (entry,) = [params for _, params in other.driver.calls if ":entry" in str(params)]
    asked = int(entry["ExpressionAttributeValues"][":asked"]["N"])
    assert asked == pytest.approx(other.driver.time_of_day().wall * 1000, abs=1000)


def test_who_is_behind_the_bound_of_others_enters_all_the_same(process, other):
    first = process.acquire(fair=True)
    bound = int(other.driver.time_of_day().wall * 1000) + 3_600_000
    item = {**process.driver.row("a"), "void_before": {"N": str(bound)}}
    process.driver.store.perform("PutItem", {"TableName": TABLE, "Item": item})
    other.driver.during_sleep = when(other.driver, 0.0, lambda: process.release(first))
    assert other.acquire(fair=True, timeout=5.0).fence == first.fence + 2


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


def test_a_second_ticket_that_arrived_late_leaves_with_the_grant(process, other):
    first, kept = process.acquire(fair=True), []

    def keep(driver, operation, params):
        kept.append((operation, params))
        return lose_request(driver, operation, params)

    def arrive():
        carry_out(other.driver, *kept[0])
        assert len(line(process)) == 2

    other.driver.script = [None, keep]
    other.driver.during_sleep = [lambda: None, arrive, lambda: process.release(first)]
    assert other.acquire(fair=True).fence == first.fence + 2
    assert line(process) == []


def test_a_lease_that_ran_out_while_a_second_ticket_left_is_not_returned(process, other):
    first, kept = process.acquire(fair=True), []

    def keep(driver, operation, params):
        kept.append((operation, params))
        return lose_request(driver, operation, params)

    def arrive():
        carry_out(other.driver, *kept[0])
        other.driver.script = whenever(leaves_the_queue, after(LEASE + 1))

    other.driver.script = [None, keep]
    other.driver.during_sleep = [lambda: None, arrive, lambda: process.release(first)]
    grant = other.acquire(fair=True)
    assert other.driver.now < grant.until


def test_a_lease_that_ran_out_before_a_second_ticket_left_is_not_returned(process, other):
    first, kept = process.acquire(fair=True), []

    def keep(driver, operation, params):
        kept.append((operation, params))
        return lose_request(driver, operation, params)

    def give_back():
        carry_out(other.driver, *kept[0])
        process.release(first)
        other.driver.script = [None, after(LEASE + 1)]

    other.driver.script = [None, keep]
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
    first, kept = process.acquire(fair=True), []

    def keep(_driver, operation, params):
        kept.append((operation, params))
        raise Refused("ThrottlingException", "why", resent=resent)

    other.driver.script = [None, keep]
    other.driver.during_sleep = [lambda: None, lambda: process.release(first)]
    assert other.release(other.acquire(fair=True))
    if resent:  # the first copy may be on its way
        with pytest.raises(Refused):
            carry_out(other.driver, *kept[0])
    assert line(process) == []


def test_a_row_that_is_deleted_is_no_row_to_wait_at(process, other):
    process.acquire(fair=True)
    key = {"TableName": TABLE, "Key": key_of("a")}
    other.driver.during_sleep = [lambda: process.driver.store.perform("DeleteItem", key)]
    assert other.acquire(fair=True, timeout=1.0)


def test_no_waiter_is_passed_over_while_the_lock_is_held(process, other):
    process.acquire(fair=True)
    ticket = enter(process)
    with pytest.raises(LockTimeout):
        other.acquire(**fail(10.0))
    assert line(process)[0] == ticket


def leaves_the_queue(_operation, params):
    return params.get("UpdateExpression", "").startswith("REMOVE #queue[")


# What is left behind.


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


@pytest.mark.parametrize("trouble", [lose_reply, lose_request, send_twice, throttle])
def test_a_release_that_fails_once_names_the_heir_once(process, trouble):
    first = process.acquire(fair=True)
    tickets = [enter(process), enter(process)]
    process.driver.script = [None, trouble]
    assert process.release(first)
    assert process.driver.row("a")["version"] == {"S": tickets[0]}
    assert line(process) == tickets[1:]


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


def test_who_does_not_wait_does_not_queue(process, other):
    process.acquire(fair=True)
    with pytest.raises(LockTimeout):
        other.acquire(**fail(0.0))
    assert line(process) == []
    assert other.driver.operations() == ["UpdateItem"]


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


def test_what_a_commit_gave_back_the_first_takes(process, other):
    first = process.acquire(fair=True)
    action = record.release_action(TABLE, "a", first.fence, time=Time(EPOCH, EPOCH))
    commit = [
        lambda: process.driver.store.perform("TransactWriteItems", {"TransactItems": [action]})
    ]
    other.driver.during_sleep = commit
    assert other.acquire(fair=True).fence == first.fence + 1
    assert line(process) == []


def test_the_first_takes_over_from_a_dead_holder(process, other):
    first = process.acquire(fair=True)
    began = other.driver.now
    assert other.acquire(fair=True).fence == first.fence + 1
    assert LEASE <= other.driver.now - began < LEASE + 1.0
    assert line(process) == []


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
    kept = []

    def keep(_driver, operation, params):
        kept.append((operation, params))
        return lose_request(_driver, operation, params)

    other.driver.script = [None, keep]
    other.driver.during_sleep = [lambda: process.release(first)]
    second = other.acquire(fair=True)
    assert other.release(second)
    with pytest.raises(Exception, match="conditional"):
        carry_out(other.driver, *kept[0])
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


def test_a_full_queue_of_the_dead_is_passed_over(process, other):
    first = process.acquire(fair=True)
    for _ in range(queue.MOST_WAITERS):
        enter(process)
    action = record.release_action(TABLE, "a", first.fence, time=Time(EPOCH, EPOCH))
    process.driver.store.perform("TransactWriteItems", {"TransactItems": [action]})
    assert other.acquire(fair=True).fence == first.fence + 1
    assert line(process) == []
    assert other.driver.operations().count("GetItem") < 150


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


def test_a_ticket_that_no_client_wrote_is_passed_over_as_a_dead_one(process, other):
    first = process.acquire(fair=True)
    item = {**process.driver.row("a"), "queue": {"L": [{"S": "x~y"}]}}
    process.driver.store.perform("PutItem", {"TableName": TABLE, "Item": item})
    process.release(first)
    assert process.driver.row("a")["owner"] == {"S": "a waiter"}
    assert other.acquire(fair=True).fence == first.fence + 2


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


# Both halves.


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


def test_a_heartbeat_keeps_what_a_turn_brought(make):
    locks = make(lease=timedelta(seconds=0.4))
    with locks.acquire("a", fair=True, data={"n": 1}) as lock:
        version = locks.inspect("a").version
        wait_until(lambda: locks.inspect("a").version != version)
        lock.ensure()
        assert locks.inspect("a").data == {"n": 1}


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
