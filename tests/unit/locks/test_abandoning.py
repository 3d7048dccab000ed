"""What an acquisition that fails leaves: nothing, or it says that it is not certain."""

from datetime import timedelta

import pytest

from interlock._protocol.locks.claim import Claim
from interlock._protocol.locks.observed import ObservedVersions
from interlock._protocol.retry import RetryBudget
from interlock.errors import InterlockError
from tests.unit.locks.conftest import agreed
from tests.unit.locks.scripted import (
    after,
    answer,
    carry_out,
    lose_reply,
    lose_request,
    refuse,
    throttle,
    unreachable,
)

TICKET = "w1~1700000000000~0~w"


@pytest.fixture
def failed(process):
    """Return a function that lets an acquisition fail, whose calls meet what a script says."""

    def fail(*script, **options):
        acquisition = process.acquisition(timeout=1.0, **options)
        process.driver.script = [*script, *[throttle] * 1000]
        with pytest.raises(InterlockError):
            process.driver.run(acquisition.run())
        process.driver.script = []
        process.driver.calls.clear()
        process.driver.deadlines.clear()
        return acquisition

    return fail


def abandon(process, acquisition):
    return process.driver.run(acquisition.abandon())


def held(process):
    return "version" in (process.driver.row("a") or {})


def test_what_was_granted_unseen_is_given_back(process, failed):
    acquisition = failed(lose_reply)
    assert acquisition.leftovers
    assert held(process)
    assert abandon(process, acquisition) is True
    assert not held(process)


def test_what_is_under_way_is_void_when_it_comes(process):
    acquisition = process.acquisition(timeout=1.0)
    process.driver.script = [lose_request, *[throttle] * 1000]
    with pytest.raises(InterlockError):
        process.driver.run(acquisition.run())
    kept = process.driver.calls[0]
    process.driver.script = []
    assert abandon(process, acquisition) is True
    with pytest.raises(Exception, match="ConditionalCheckFailed"):
        process.driver.store.perform(*kept)
    assert not held(process)


def test_nothing_is_asked_for_where_nothing_can_be_left(process, failed):
    acquisition = failed()
    assert not acquisition.leftovers
    assert abandon(process, acquisition) is True
    assert process.driver.calls == []


def test_the_lock_of_another_is_left_to_it(process, other, failed):
    acquisition = failed(lose_request)
    grant = other.acquire()
    assert abandon(process, acquisition) is True
    assert process.driver.row("a")["version"] == {"S": grant.version}
    assert process.driver.operations() == ["UpdateItem"]


def bound(process):
    """Let another client void all that is asked for until long after now."""
    process.driver.store.perform(
        "UpdateItem",
        {
            "TableName": "coordination",
            "Key": {"pk": {"S": "lock#a"}},
            "UpdateExpression": "SET void_before = :void",
            "ExpressionAttributeValues": {":void": {"N": str(9 * 10**12)}},
        },
    )


def test_a_later_bound_that_shows_no_grant_of_ours_ends_it(process, failed):
    acquisition = failed(lose_request)
    bound(process)
    assert abandon(process, acquisition) is True
    assert process.driver.operations() == ["UpdateItem"]


def test_a_later_bound_of_another_client_will_do(process, failed):
    acquisition = failed(lose_reply)
    bound(process)
    assert abandon(process, acquisition) is True
    assert not held(process)
    assert process.driver.row("a")["void_before"] == {"N": str(9 * 10**12)}


def test_what_was_granted_unseen_goes_to_the_first_who_waits(process, failed):
    acquisition = failed(lose_reply)
    process.driver.store.perform(
        "UpdateItem",
        {
            "TableName": "coordination",
            "Key": {"pk": {"S": "lock#a"}},
            "UpdateExpression": "SET #q = :tickets",
            "ExpressionAttributeNames": {"#q": "queue"},
            "ExpressionAttributeValues": {":tickets": {"L": [{"S": TICKET}]}},
        },
    )
    assert abandon(process, acquisition) is True
    assert process.driver.row("a")["version"] == {"S": TICKET}


@pytest.mark.parametrize("trouble", [throttle, unreachable, lose_request])
def test_a_call_that_fails_is_repeated(process, failed, trouble):
    acquisition = failed(lose_reply)
    process.driver.script = [trouble, carry_out, trouble]
    assert abandon(process, acquisition) is True
    assert not held(process)


@pytest.mark.parametrize("answered", [False, True])
@pytest.mark.parametrize("trouble", [throttle, unreachable])
def test_what_cannot_be_given_back_in_five_seconds_is_not_certain(
    process, failed, caplog, trouble, answered
):
    acquisition = failed(lose_reply)
    began = process.driver.now
    process.driver.script = [*[carry_out] * answered, *[trouble] * 1000]
    assert abandon(process, acquisition) is False
    assert 2.0 < process.driver.now - began < 7.0
    assert len(process.driver.calls) < 50
    assert set(process.driver.deadlines) <= {began + 5.0, began + 5.01}
    assert ("may still be on their way" in caplog.text) is not answered


@pytest.mark.parametrize("lie", [{}, {"Attributes": {"pk": {"S": "lock#b"}}}])
def test_an_answer_about_another_lock_makes_nothing_certain(process, failed, lie):
    acquisition = failed(lose_reply)
    process.driver.script = [answer(lie)]
    assert abandon(process, acquisition) is True
    assert not held(process)


def test_attempts_that_are_too_many_to_be_remembered_are_void_too(process):
    """A condition takes a hundred operands; so the oldest are forgotten, and still void."""
    settings = process.settings
    options = settings.options("a", owner="somebody")
    claim = Claim(settings, options, ObservedVersions(), RetryBudget(settings.target))
    for number in range(120):
        process.driver.script = [lose_request]
        process.driver.skew = 0.0 if number < 10 else -3600.0  # a wall clock that was set back
        process.driver.run(claim.attempt(None))
    sent = [params for _, params in process.driver.calls]
    operands = [len(params["ExpressionAttributeValues"]) for params in sent]
    assert 50 < max(operands) <= 100
    assert claim.leftovers
    assert abandon(process, claim) is True
    assert len(sent) == 120
    for params in sent:
        with pytest.raises(Exception, match="ConditionalCheckFailed"):
            process.driver.store.perform("UpdateItem", params)


def test_it_is_not_certain_if_it_is_not_of_one_of_several(process):
    acquisition = agreed(process, 3).locks.permit("jobs", 3, timeout=timedelta(seconds=10))
    draws = iter((0.8, 0.8))

    def lose(driver, operation, params):
        driver.draw = next(draws)
        return lose_request(driver, operation, params)

    def one_fails(driver, operation, params):
        driver.script.append(one_fails)
        fails = params["Key"]["pk"]["S"] == "lock#jobs#0"
        return (throttle if fails else carry_out)(driver, operation, params)

    process.driver.draw = 0.0
    process.driver.script = [lose, carry_out, lose, *[throttle] * 1000]
    with pytest.raises(InterlockError):
        process.driver.run(acquisition.run())
    asked = [
        params["Key"]["pk"]["S"][-1] for name, params in process.driver.calls if name[0] == "U"
    ]
    assert asked[:2] == ["0", "2"]
    process.driver.script = [one_fails]
    assert acquisition.leftovers
    assert abandon(process, acquisition) is False


def test_a_store_that_does_not_say_what_refused_makes_nothing_certain(process, failed):
    acquisition = failed(lose_reply)
    process.driver.script = [refuse("ConditionalCheckFailedException")]
    assert held(process)
    assert abandon(process, acquisition) is True
    assert not held(process)


def test_it_is_certain_if_it_is_of_each_of_several(process):
    acquisition = process.locks.acquire_all(["a", "b"], timeout=timedelta(seconds=1))
    process.driver.script = [lose_reply, *[throttle] * 1000]
    with pytest.raises(InterlockError):
        process.driver.run(acquisition.run())
    process.driver.script = []
    assert acquisition.leftovers
    assert abandon(process, acquisition) is True
    assert not held(process)


def test_a_grant_that_came_too_late_and_is_another_s_by_now_leaves_nothing(process, other, failed):
    acquisition = failed(after(21.0))
    grant = other.acquire()
    assert abandon(process, acquisition) is True
    assert process.driver.row("a")["version"] == {"S": grant.version}
