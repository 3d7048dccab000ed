"""A held lock goes from one process to another under the same fence."""

import json
from datetime import timedelta
from typing import Any

import pytest

from interlock._protocol.faults import Refused
from interlock._protocol.locks.lease import export
from interlock.errors import (
    AccessDenied,
    InvalidLockName,
    InvalidValue,
    LockLost,
    LossReason,
    ServiceUnavailable,
    Throttled,
)
from tests.unit.locks.scripted import (
    Keep,
    carry_out,
    lose_reply,
    lose_request,
    refuse,
    send_twice,
    throttle,
    unreachable,
)

LEASE = 20.0


def test_the_fence_goes_with_the_lock(process, other):
    grant = process.acquire()
    began = other.driver.now
    heir = other.adopt(export(grant))
    assert (heir.name, heir.fence, heir.lease, heir.owner) == ("a", grant.fence, LEASE, "somebody")
    assert began < heir.until <= began + LEASE
    assert process.driver.row("a")["version"]["S"] == heir.version
    assert other.driver.operations() == ["UpdateItem"]
    assert other.release(heir) is True


def test_a_release_by_who_adopted_it_leaves_no_more_than_any_other(process, other):
    other.release(other.adopt(export(process.acquire())))
    assert set(process.driver.row("a")) == {"pk", "fence", "expires"}


def test_a_request_that_could_not_be_voided_before_the_handoff_is_by_who_releases(process, other):
    late = Keep()
    process.driver.script = [late, carry_out, lose_request]  # the first try, the grant, the bound
    text = export(process.acquire())
    assert other.release(other.adopt(text)) is True
    with pytest.raises(Refused):
        process.driver.store.perform(*late.calls[0])
    assert "version" not in process.driver.row("a")


def test_who_exported_it_renews_and_releases_no_more(process):
    grant = process.acquire()
    export(grant)
    calls = len(process.driver.calls)
    process.renew(grant)
    assert len(process.driver.calls) == calls


def test_only_the_first_to_adopt_holds_it(process, other):
    text = export(process.acquire())
    heir = other.adopt(text)
    with pytest.raises(LockLost) as caught:
        process.adopt(text)
    assert caught.value.reason is LossReason.TAKEN_OVER
    assert process.driver.row("a")["version"]["S"] == heir.version


def test_a_lock_whose_record_was_deleted_is_not_adopted(process, other):
    text = export(process.acquire())
    process.driver.store.contents.items.clear()
    with pytest.raises(LockLost) as lost:
        other.adopt(text)
    assert lost.value.reason is LossReason.DELETED


def test_a_heartbeat_under_way_does_not_keep_it_from_being_adopted(process, other):
    grant = process.acquire()
    texts = []

    def export_meanwhile(driver, operation, params):
        texts.append(export(grant))
        return carry_out(driver, operation, params)

    process.driver.script = [export_meanwhile]
    process.renew(grant)
    assert other.adopt(texts[0]).fence == grant.fence


def test_an_adoption_whose_answer_comes_after_its_lease_is_none(process, other):
    def stopped_meanwhile(driver, operation, params):
        reply = carry_out(driver, operation, params)
        driver.now += LEASE
        return reply

    text = export(process.acquire())
    other.driver.script = [stopped_meanwhile]
    with pytest.raises(LockLost) as lost:
        other.adopt(text)
    assert lost.value.reason is LossReason.LEASE_RAN_OUT


@pytest.mark.parametrize("loss", [lose_reply, send_twice, unreachable])
def test_an_adoption_is_tried_again(process, other, loss):
    text = export(process.acquire())
    other.driver.script = [loss]
    heir = other.adopt(text)
    assert process.driver.row("a")["version"]["S"] == heir.version


@pytest.mark.parametrize(
    ("trouble", "error"),
    [(unreachable, ServiceUnavailable), (refuse("AccessDeniedException"), AccessDenied)],
)
def test_an_adoption_that_cannot_be_made_says_why(process, other, trouble, error):
    text = export(process.acquire())
    other.driver.script = [trouble] * 1000
    with pytest.raises(error):
        other.adopt(text)


@pytest.mark.parametrize("text", ["", "null", "{}", "[1]", '[2,"a",1,1000,"o",["v"]]'])
def test_another_text_is_refused(process, text):
    with pytest.raises(InvalidValue):
        process.adopt(text)
    assert process.driver.calls == []


def test_another_name_is_refused(process):
    with pytest.raises(InvalidLockName):
        process.adopt(json.dumps([1, "a#b", 1, 20000, "o", ["v"]]))


def test_what_is_being_adopted_is_known_before_the_first_call(process, other):
    text = export(process.acquire())
    begun: list[Any] = []

    def seen(driver, operation, params):
        assert [grant.name for grant in begun] == ["a"]
        return carry_out(driver, operation, params)

    other.driver.script = [seen]
    assert [other.driver.run(other.locks.adopt(text, begun))] == begun


def test_an_adoption_that_is_denied_says_so_at_once(process, other):
    text = export(process.acquire())
    other.driver.script = [refuse("AccessDeniedException")] * 1000
    with pytest.raises(AccessDenied):
        other.adopt(text)
    assert len(other.driver.calls) == 1


def test_an_adoption_is_tried_for_a_lease_with_pauses(process, other):
    text = export(process.acquire())
    began = other.driver.now
    other.driver.script = [throttle] * 1000
    with pytest.raises(Throttled):
        other.adopt(text)
    assert LEASE * 0.9 < other.driver.now - began < LEASE * 1.1
    assert len(other.driver.calls) < 90


@pytest.mark.parametrize("form", ["1", None, 2])
def test_only_a_form_that_is_known_is_read(process, form):
    grant = process.acquire()
    told = json.loads(export(grant))
    assert told[0] == 1
    with pytest.raises(InvalidValue):
        process.adopt(json.dumps([form, *told[1:]]))


def test_a_handoff_keeps_the_lease_and_its_heartbeats(process, other):
    grant = process.acquire(lease=timedelta(seconds=2.5))
    heir = other.adopt(export(grant))
    assert (heir.lease, heir.heartbeat_interval) == (2.5, 2.5 / 4)
    assert process.driver.row("a")["lease_ms"] == {"N": "2500"}


@pytest.mark.parametrize(
    "text",
    [
        '[1,"a",1,Infinity,"o",["v"]]',
        '[1,"a",1,NaN,"o",["v"]]',
        '[1,"a",null,1000,"o",["v"]]',
        '[1,"a",1,1000,"o",[]]',
        '["the way to the lock"',
        "[" * 100_000,
        '[1,"a",0,1000,"o",["v"]]',
        '[1,"a",-7,1000,"o",["v"]]',
        '[1,"a",1.5,1000,"o",["v"]]',
        '[1,"a",true,1000,"o",["v"]]',
        '[1,"a",1000000000000000001,1000,"o",["v"]]',
        '[1,"a",1,0,"o",["v"]]',
        '[1,"a",1,"1000","o",["v"]]',
        '[1,"a",1,2592000001,"o",["v"]]',
        '[1,"a",1,1000,null,["v"]]',
        '[1,"a",1,1000,"",["v"]]',
        '[1,"a",1,1000,"o",[""]]',
        '[1,"a",1,1000,"o",[7]]',
        '[1,"a",1,1000,"o",["v","\\ud800"]]',
        json.dumps([1, "a", 1, 1000, "o", ["v"] * 92]),
        '[1,"a",1,1000,"o",["v"],0]',
        '[1,"a",1,1000,"o",["v"],"1"]',
        '[1,"a",1,1000,"o",["v"],253402300800000]',
        '[1,"a",1,1000,"o",["v"],7,7]',
    ],
    ids=lambda text: text[:60],
)
def test_a_text_that_is_none_of_ours_is_refused_and_not_repeated(process, text):
    with pytest.raises(InvalidValue) as refused:
        process.adopt(text)
    assert text not in str(refused.value)
    assert "the way" not in str(refused.value)


@pytest.mark.parametrize("value", [7, None, b"[]"])
def test_what_is_no_text_is_shown(process, value):
    with pytest.raises(InvalidValue, match=str(value).replace("[", ".").replace("]", ".")):
        process.adopt(value)


def test_a_short_lease_is_adopted_though_a_call_is_throttled(process, other):
    grant = process.acquire(lease=timedelta(seconds=0.4))
    other.driver.script = [throttle]
    heir = other.adopt(export(grant))
    assert heir.until > other.driver.now
