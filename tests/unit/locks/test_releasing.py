"""Releases and handoffs, step by step: what is believed, what is asked for again, what is left."""

import json
from datetime import timedelta
from typing import Any

import pytest

from interlock._protocol.locks import lease
from interlock.errors import AccessDenied, InvalidValue, ServiceUnavailable, Throttled
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


@pytest.fixture
def grant(process):
    grant = process.acquire(heartbeats=True)
    process.driver.calls.clear()
    process.driver.deadlines.clear()
    return grant


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


@pytest.mark.parametrize("queue_is_known", [True, False])
def test_a_refusal_from_before_the_release_says_nothing_of_it(process, grant, queue_is_known):
    ticket = "w1~1700000000000~0~w"
    queue_up(process, ticket)
    grant.heir = ticket if queue_is_known else None
    before = {
        "pk": {"S": "lock#a"},
        "fence": {"N": str(grant.fence - 1)},
        "version": {"S": "of who held it before"},
    }
    old = refuse("ConditionalCheckFailedException", before)
    real = [] if queue_is_known else [carry_out]
    process.driver.script = [*real, lose_request, old, old]
    began = process.driver.now
    assert process.release(grant) is True
    assert process.driver.row("a")["version"] == {"S": ticket}
    assert process.driver.now > began + 2.0 + 0.01 * len(process.driver.calls)


def test_what_is_being_adopted_is_known_before_the_first_call(process, other):
    text = lease.export(process.acquire())
    begun: list[Any] = []

    def seen(driver, operation, params):
        assert [grant.name for grant in begun] == ["a"]
        return carry_out(driver, operation, params)

    other.driver.script = [seen]
    assert [other.driver.run(other.locks.adopt(text, begun))] == begun


def test_an_adoption_that_is_denied_says_so_at_once(process, other):
    text = lease.export(process.acquire())
    other.driver.script = [denied] * 1000
    with pytest.raises(AccessDenied):
        other.adopt(text)
    assert len(other.driver.calls) == 1


def test_an_adoption_is_tried_for_a_lease_with_pauses(process, other):
    text = lease.export(process.acquire())
    began = other.driver.now
    other.driver.script = [throttle] * 1000
    with pytest.raises(Throttled):
        other.adopt(text)
    assert LEASE * 0.9 < other.driver.now - began < LEASE * 1.1
    assert len(other.driver.calls) < 90


@pytest.mark.parametrize("form", ["1", None, 2])
def test_only_a_form_that_is_known_is_read(process, form):
    grant = process.acquire()
    told = json.loads(lease.export(grant))
    assert told[0] == 1
    with pytest.raises(InvalidValue):
        process.adopt(json.dumps([form, *told[1:]]))


def test_a_handoff_keeps_the_lease_and_its_heartbeats(process, other):
    grant = process.acquire(lease=timedelta(seconds=2.5))
    heir = other.adopt(lease.export(grant))
    assert (heir.lease, heir.heartbeat_interval) == (2.5, 2.5 / 4)
    assert process.driver.row("a")["lease_ms"] == {"N": "2500"}


def test_a_lock_whose_row_was_made_anew_after_its_release_counts_as_given_back(process, grant):
    def release_and_make_anew(driver, operation, params):
        carry_out(driver, operation, params)
        item = {"pk": {"S": "lock#a"}, "fence": {"N": "7"}, "version": {"S": "of another"}}
        driver.store.perform("PutItem", {"TableName": "coordination", "Item": item})
        return lose_request(driver, operation, params)

    process.driver.script = [release_and_make_anew]
    assert process.release(grant) is True
    assert len(process.driver.calls) == 2
