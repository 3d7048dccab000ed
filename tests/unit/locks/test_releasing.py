"""Releases and handoffs, step by step: what is believed, what is asked for again, what is left."""

import pytest

from interlock._protocol.locks import lease
from interlock.errors import AccessDenied, LossReason, ServiceUnavailable, Throttled
from tests.unit.locks.scripted import (
    answer,
    carry_out,
    lose_reply,
    lose_request,
    refuse,
    throttle,
    throttle_second,
    unreachable,
)

LEASE = 20.0
denied = refuse("AccessDeniedException")


def queue_up(process, *tickets):
    """Let waiters of other processes enter the queue."""
    entries = {"L": [{"S": ticket} for ticket in tickets]}
    process.driver.store.perform(
        "UpdateItem",
        {
            "TableName": "coordination",
            "Key": {"pk": {"S": "lock#a"}},
            "UpdateExpression": "SET #q = list_append(if_not_exists(#q, :none), :entries)",
            "ExpressionAttributeNames": {"#q": "queue"},
            "ExpressionAttributeValues": {":none": {"L": []}, ":entries": entries},
        },
    )


def bound(process, void_before):
    """Let another client void what was asked for before a time."""
    process.driver.store.perform(
        "UpdateItem",
        {
            "TableName": "coordination",
            "Key": {"pk": {"S": "lock#a"}},
            "UpdateExpression": "SET void_before = :void",
            "ExpressionAttributeValues": {":void": {"N": str(void_before)}},
        },
    )


@pytest.mark.parametrize(
    ("trouble", "error"), [(unreachable, ServiceUnavailable), (throttle, Throttled)]
)
def test_a_release_is_tried_for_five_seconds_with_pauses(process, grant, trouble, error):
    process.driver.script = [trouble] * 1000
    began = process.driver.now
    with pytest.raises(error):
        process.driver.run(lease.release(process.settings, grant))
    assert 3.0 < process.driver.now - began < 7.0
    assert len(process.driver.calls) < 40
    assert set(process.driver.deadlines) == {began + 5.0}


def test_a_lock_that_was_taken_before_a_queue_goes_to_its_first_by_one_call(process, grant):
    process.release(grant)
    queue_up(process, TICKET)
    taken = process.acquire()
    process.driver.calls.clear()
    assert process.release(taken) is True
    assert process.driver.operations() == ["UpdateItem"]
    assert process.driver.row("a")["version"] == {"S": TICKET}


def test_a_release_that_is_denied_says_so_at_once(process, grant):
    process.driver.script = [denied] * 1000
    with pytest.raises(AccessDenied):
        process.release(grant)
    assert len(process.driver.calls) == 1


@pytest.mark.parametrize("later", [unreachable, throttle])
def test_a_release_whose_reply_was_lost_counts_whatever_comes_after_it(process, grant, later):
    process.driver.script = [lose_reply, later]
    assert process.release(grant) is True


@pytest.mark.parametrize("later", [unreachable, throttle])
def test_a_release_that_was_sent_twice_counts_whatever_comes_after_it(process, grant, later):
    process.driver.script = [throttle_second, later]
    assert process.release(grant) is True


@pytest.mark.parametrize(
    "lie",
    [
        {},
        {"pk": {"S": "lock#b"}},
        {"fence": {"N": "7"}},
        {"version": {"S": "v"}},
    ],
)
def test_an_answer_that_shows_no_release_is_not_believed(process, grant, lie):
    free = {"pk": {"S": "lock#a"}, "fence": {"N": str(grant.fence)}}
    process.driver.script = [answer({"Attributes": {**free, **lie}} if lie else {})]
    assert process.release(grant) is True
    assert "version" not in process.driver.row("a")


def test_an_answer_that_shows_another_heir_is_not_believed(process):
    queue = ("w1~1700000000000~0~w", "w2~1700000000000~0~w")
    grant = process.acquire()
    queue_up(process, *queue)
    grant.heir = queue[0]
    named = {"fence": {"N": str(grant.fence + 1)}, "version": {"S": queue[1]}}
    process.driver.script = [answer({"Attributes": {"pk": {"S": "lock#a"}, **named}})]
    assert process.release(grant) is True
    assert process.driver.row("a")["version"] == {"S": queue[0]}


def test_a_release_voids_what_its_client_could_not_void_before(process, grant):
    grant.void_before = 5
    assert process.release(grant) is True
    assert process.driver.row("a")["void_before"] == {"N": "5"}


def test_a_release_leaves_a_later_bound_of_another_client(process, grant):
    bound(process, 9)
    grant.void_before = 5
    assert process.release(grant) is True
    assert process.driver.row("a")["void_before"] == {"N": "9"}
    assert "version" not in process.driver.row("a")


def test_a_release_that_meets_a_queue_names_the_first_and_still_voids(process, grant):
    ticket = "w1~1700000000000~0~w"
    queue_up(process, ticket)
    grant.void_before = 5
    assert process.release(grant) is True
    row = process.driver.row("a")
    assert (row["version"], row["void_before"]) == ({"S": ticket}, {"N": "5"})
    assert len(process.driver.calls) == 2


def test_a_release_of_what_another_holds_is_one_call(process, other, grant):
    other.acquire()
    grant.void_before = 5
    assert process.release(grant) is False
    assert len(process.driver.calls) == 1


def test_a_release_that_is_refused_for_no_reason_is_not_asked_for_again(process, grant):
    process.driver.script = [
        refuse("ConditionalCheckFailedException", process.driver.row("a"))
    ] * 1000
    assert process.release(grant) is False
    assert len(process.driver.calls) == 1


TICKET = "w1~1700000000000~0~w"
FREE = None
QUEUES = ("none", "known", "unknown")


def shown(grant, above, version):
    """Return the record of the lock under a fence that is so much above the grant's."""
    item = {"pk": {"S": "lock#a"}, "fence": {"N": str(grant.fence + above)}}
    return item if version is FREE else {**item, "version": {"S": version}}


@pytest.mark.parametrize(
    ("queue", "above", "version"),
    [
        *((queue, -1, version) for queue in QUEUES for version in ("of another", FREE)),
        *((queue, 0, "of another") for queue in QUEUES[1:]),
    ],
)
def test_a_refusal_from_before_the_release_says_nothing_of_it(
    process, grant, queue, above, version
):
    if queue != "none":
        queue_up(process, TICKET)
    grant.heir = TICKET if queue == "known" else None
    old = refuse("ConditionalCheckFailedException", shown(grant, above, version))
    real = [carry_out] if queue == "unknown" else []
    process.driver.script = [*real, lose_request, old, old]
    assert process.release(grant) is True
    assert process.driver.row("a").get("version") == (None if queue == "none" else {"S": TICKET})


@pytest.mark.parametrize("heir", [None, TICKET])
def test_refusals_from_before_the_release_are_borne_in_time_and_with_pauses(process, grant, heir):
    grant.heir = heir
    old = refuse("ConditionalCheckFailedException", shown(grant, -1, "of another"))
    process.driver.script = [lose_request, *[old] * 1000]
    began = process.driver.now
    with pytest.raises(ServiceUnavailable):
        process.release(grant)
    assert process.driver.now - began < 7.0
    assert len(process.driver.calls) < 50


@pytest.mark.parametrize(("above", "version"), [(0, FREE), (1, TICKET), (1, FREE)])
def test_a_refusal_from_after_the_release_says_that_it_was_carried_out(
    process, grant, above, version
):
    grant.heir = TICKET
    new = refuse("ConditionalCheckFailedException", shown(grant, above, version))
    process.driver.script = [lose_request, new]
    assert process.release(grant) is True
    assert len(process.driver.calls) == 2


def test_a_release_in_doubt_of_a_lock_that_a_copy_of_its_process_renews_is_settled(process, grant):
    copy = refuse("ConditionalCheckFailedException", shown(grant, 0, "of a copy"))
    process.driver.script = [lose_request, copy]
    assert process.release(grant) is True
    assert len(process.driver.calls) == 2


def test_a_refusal_by_a_record_that_is_not_sound_ends_a_release_in_doubt(process, grant):
    grant.heir = TICKET
    odd = {**shown(grant, 0, "of another"), "fence": {"S": "x"}}
    process.driver.script = [lose_request, refuse("ConditionalCheckFailedException", odd)]
    assert process.release(grant) is True
    assert len(process.driver.calls) == 2


def test_a_lock_that_another_had_before_the_release_was_not_given_back(process, grant):
    grant.heir = TICKET
    old = refuse("ConditionalCheckFailedException", shown(grant, -1, "of another"))
    process.driver.script = [old]
    assert process.release(grant) is False
    assert grant.loss is LossReason.TAKEN_OVER
    assert len(process.driver.calls) == 1


def test_a_record_that_is_gone_in_doubt_is_no_release(process, grant):
    process.driver.script = [lose_request, refuse("ConditionalCheckFailedException")]
    assert process.release(grant) is False
    assert grant.loss is LossReason.DELETED


@pytest.mark.parametrize("lost", [lose_reply, lose_request])
def test_a_lock_that_was_broken_was_not_given_back_whatever_is_in_doubt(process, grant, lost):
    item = shown(grant, 1, FREE) | {"broken": {"M": {"grant": {"N": str(grant.fence)}}}}
    process.driver.store.perform("PutItem", {"TableName": "coordination", "Item": item})
    process.driver.script = [lost]
    assert process.release(grant) is False
    assert grant.loss is LossReason.BROKEN


def test_a_lock_whose_row_was_made_anew_after_its_release_counts_as_given_back(process, grant):
    def release_and_make_anew(driver, operation, params):
        carry_out(driver, operation, params)
        item = shown(grant, 1, "of another")
        driver.store.perform("PutItem", {"TableName": "coordination", "Item": item})
        return lose_request(driver, operation, params)

    process.driver.script = [release_and_make_anew]
    assert process.release(grant) is True
    assert len(process.driver.calls) == 2
