"""Attempts at a lock, and the waits between them: what is believed, and until when is waited."""

from datetime import timedelta

import pytest

from interlock.errors import LockTimeout
from tests.unit.locks.conftest import Process
from tests.unit.locks.scripted import (
    EPOCH,
    answer,
    carry_out,
    lose_reply,
    lose_request,
    refuse,
    send_twice,
    throttle,
    throttle_second,
    unreachable,
)

LEASE = 20.0


def acquiring(process, **options):
    """Return an acquisition, and what it comes to."""
    acquisition = process.acquisition(**options)
    return acquisition, lambda: process.driver.run(acquisition.run())


def row(process, **attributes):
    """Let the record of the lock be this."""
    item = {"pk": {"S": "lock#a"}, **attributes}
    process.driver.store.perform("PutItem", {"TableName": "coordination", "Item": item})


def bound(process, void_before):
    """Let others void what was asked for before a time."""
    row(process, fence={"N": "7"}, void_before={"N": str(void_before)})


def operands(params):
    names = params["ExpressionAttributeValues"]
    return [name for name in names if name[:2] == ":v" and name[2:].isdecimal()]


# What is sent, and what is believed.


def test_a_request_carries_the_time_at_which_it_was_asked_for_in_milliseconds(process):
    process.driver.skew = 0.25
    process.acquire()
    values = process.driver.calls[0][1]["ExpressionAttributeValues"]
    assert values[":asked"] == {"N": str(int((EPOCH + 1000.25) * 1000))}


def test_a_clock_that_is_behind_costs_an_attempt_and_no_lock(process):
    later = int((EPOCH + process.driver.now + 3600) * 1000)
    bound(process, later)
    began = process.driver.now
    grant = process.acquire()
    assert grant.fence == 8
    assert len(process.driver.calls) == 2
    assert process.driver.now - began < 1.0


def test_a_bound_that_others_keep_ahead_ends_with_the_time_of_the_caller(process):
    def ahead(driver, operation, params):
        asked = int(params["ExpressionAttributeValues"][":asked"]["N"])
        bound(process, asked + 1000)
        return carry_out(driver, operation, params)

    process.driver.script = [ahead] * 10_000
    began = process.driver.now
    with pytest.raises(LockTimeout):
        process.acquire(timeout=3.0)
    assert 3.0 <= process.driver.now - began < 4.0
    assert process.driver.now - began > 0.02 * len(process.driver.calls)  # with pauses


@pytest.mark.parametrize(
    "lie",
    [
        {},
        {"Attributes": {}},
        {"Attributes": {"pk": {"S": "lock#b"}, "version": {"S": "?"}}},
        {"Attributes": {"pk": {"S": "lock#a"}, "version": {"S": "v"}, "fence": {"N": "7"}}},
    ],
)
def test_an_answer_that_does_not_show_the_grant_is_none(process, lie):
    process.driver.script = [answer(lie)]
    grant = process.acquire()
    assert process.driver.row("a")["version"] == {"S": grant.version}
    assert process.driver.row("a")["fence"] == {"N": str(grant.fence)}


def test_an_answer_about_another_lock_is_none_though_it_has_our_version(process):
    def another(_driver, _operation, params):
        version = params["ExpressionAttributeValues"][":version"]
        return {"Attributes": {"pk": {"S": "lock#b"}, "version": version, "fence": {"N": "7"}}}

    process.driver.script = [another]
    grant = process.acquire()
    assert process.driver.row("a")["fence"] == {"N": str(grant.fence)}


@pytest.mark.parametrize("trouble", [throttle, unreachable])
def test_an_attempt_that_was_certainly_not_carried_out_leaves_nothing(process, trouble):
    acquisition, run = acquiring(process)
    process.driver.script = [trouble]
    grant = run()
    assert process.driver.operations() == ["UpdateItem"] * 2
    assert operands(process.driver.calls[-1][1]) == []
    assert "void_before" not in process.driver.row("a")
    assert grant.void_before == 0
    assert not acquisition.contended


def test_a_grant_that_was_refused_when_it_came_again_is_taken_at_once(process):
    acquisition, run = acquiring(process)
    process.driver.script = [throttle_second]
    began = process.driver.now
    grant = run()
    assert process.driver.now - began < 1.0
    assert process.driver.row("a")["version"] == {"S": grant.version}
    assert not acquisition.contended


def test_a_store_that_does_not_say_what_refused_is_asked(process, other):
    held = other.acquire()
    process.driver.script = [refuse("ConditionalCheckFailedException")]
    with pytest.raises(LockTimeout) as late:
        process.acquire(timeout=0.0)
    assert process.driver.operations()[:2] == ["UpdateItem", "GetItem"]
    assert late.value.holder.fencing_token == held.fence


def test_a_grant_that_is_over_the_moment_it_is_known_is_none(process):
    def slow(driver, operation, params):
        reply = carry_out(driver, operation, params)
        driver.now = began + LEASE * 0.999
        return reply

    began = process.driver.now
    process.driver.script = [slow]
    grant = process.acquire()
    assert process.driver.now < grant.until
    assert process.driver.operations()[0::2] != []
    assert grant.until > began + LEASE


@pytest.mark.parametrize("heartbeats", [True, False])
def test_a_grant_is_renewed_from_its_begin_on_or_never(process, heartbeats):
    began = process.driver.now
    grant = process.acquire(heartbeats=heartbeats)
    assert grant.due == (began + LEASE / 4 if heartbeats else grant.until)


def test_what_may_still_be_under_way_is_voided_by_the_grant(process):
    process.driver.script = [lose_request]
    grant = process.acquire()
    kept = process.driver.calls[0]
    assert grant.void_before == 0
    assert process.release(grant)
    with pytest.raises(Exception, match="ConditionalCheckFailed"):
        process.driver.store.perform(*kept)


def test_what_the_grant_could_not_void_its_release_voids(process):
    process.driver.script = [lose_request, carry_out, *[throttle] * 100]
    grant = process.acquire()
    kept = process.driver.calls[0]
    assert grant.void_before > 0
    assert "void_before" not in process.driver.row("a")
    process.driver.script = []
    assert process.release(grant)
    with pytest.raises(Exception, match="ConditionalCheckFailed"):
        process.driver.store.perform(*kept)


# Waits.


def test_a_caller_who_does_not_wait_still_hears_the_answer(process):
    began = process.driver.now
    process.acquire(timeout=0.0)
    (deadline,) = process.driver.deadlines
    assert began + 0.5 < deadline <= began + 1.0


def test_a_caller_who_waits_for_ever_leaves_it_to_the_driver_how_long_a_call_takes(process):
    process.acquire()
    assert process.driver.deadlines == [None]


def test_no_call_is_waited_for_beyond_the_time_of_the_caller_and_a_moment(process, other):
    other.acquire(lease=timedelta(hours=1))
    began = process.driver.now
    with pytest.raises(LockTimeout) as late:
        process.acquire(timeout=5.0)
    assert process.driver.deadlines[0] == began + 5.0
    assert max(process.driver.deadlines) <= began + 5.0 + 1.0
    assert late.value.waited == timedelta(seconds=process.driver.now - began)
    # The last look was at the end, and not a pause before.
    assert began + 5.0 <= process.driver.now < began + 5.1


def lazy(process):
    """Return a process on the same table that looks once a minute."""
    waiter = Process(process.driver.store, poll=60.0)
    waiter.driver.now = 77.0
    return waiter


def test_a_waiter_looks_again_when_the_lease_is_over_and_not_a_pause_later(process):
    process.acquire()
    waiter = lazy(process)
    began = waiter.driver.now
    grant = waiter.acquire()
    assert grant.fence
    assert LEASE <= waiter.driver.now - began < LEASE + 0.1


def test_a_waiter_whose_time_is_up_says_so_then_and_not_a_pause_later(process):
    process.acquire()
    waiter = lazy(process)
    began = waiter.driver.now
    with pytest.raises(LockTimeout):
        waiter.acquire(timeout=7.0)
    assert 7.0 <= waiter.driver.now - began < 7.1


def test_a_look_that_answers_another_question_shows_no_lock_free(process, other):
    other.acquire(lease=timedelta(hours=1))

    def lies(driver, operation, params):
        driver.script.append(lies)
        if operation == "GetItem" and len(driver.calls) % 2:
            return {"Item": {"pk": {"S": "lock#b"}}}
        return carry_out(driver, operation, params)

    process.driver.script = [lies]
    with pytest.raises(LockTimeout) as late:
        process.acquire(timeout=15.0)
    assert late.value.holder.held
    assert process.driver.operations().count("UpdateItem") == 11


def test_looks_that_fail_are_repeated_with_pauses_and_told_in_the_end(process, other):
    other.acquire(lease=timedelta(hours=1))

    def fails(driver, operation, params):
        driver.script.append(fails)
        return (throttle if operation == "GetItem" else carry_out)(driver, operation, params)

    process.driver.script = [fails]
    with pytest.raises(Exception, match="throttled"):
        process.acquire(timeout=15.0)
    assert process.driver.operations().count("GetItem") < 100


def test_who_met_another_holder_was_contended_and_knows_how_long_it_waited(process, other):
    held = other.acquire()
    acquisition, run = acquiring(process)
    began = process.driver.now
    process.driver.during_sleep = [lambda: other.release(held)]
    run()
    assert acquisition.contended
    assert acquisition.waited == process.driver.now - began > 0


def test_a_lost_reply_is_no_holder_in_the_way(process):
    acquisition, run = acquiring(process)
    process.driver.script = [lose_reply]
    run()
    assert not acquisition.contended


def test_a_request_that_was_sent_twice_is_a_grant(process):
    process.driver.script = [send_twice]
    grant = process.acquire()
    assert process.driver.row("a")["version"] == {"S": grant.version}
    assert process.driver.operations()[0] == "UpdateItem"
    assert process.driver.row("a")["fence"] == {"N": str(grant.fence)}


def test_a_lock_of_a_short_lease_takes_one_call(process):
    grant = process.acquire(lease=timedelta(seconds=0.4))
    assert process.driver.operations() == ["UpdateItem"]
    assert grant.until - process.driver.now < 0.4


def test_nothing_was_waited_before_the_begin(process):
    acquisition, _ = acquiring(process)
    assert acquisition.waited == 0.0
