"""A held lock goes from one process to another under the same fence."""

import json

import pytest

from interlock._protocol.locks.lease import export
from interlock.errors import (
    AccessDenied,
    InvalidLockName,
    InvalidValue,
    LockLost,
    LossReason,
    ServiceUnavailable,
)
from tests.unit.locks.scripted import carry_out, lose_reply, refuse, send_twice, unreachable

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
