"""The request of a commit, sent again and again: until when, and what is certain at the end."""

import pytest
from boto3.dynamodb.conditions import Attr

from interlock._protocol.faults import CancellationReason, Refused
from interlock._protocol.transactions.settings import TOKEN_WINDOW
from interlock.errors import (
    ConditionFailed,
    OutcomeUnknown,
    RequestRefused,
    ServiceUnavailable,
    Throttled,
)
from tests.unit.locks.scripted import (
    answer,
    lose_reply,
    lose_request,
    refuse,
    send_twice,
    throttle,
    unreachable,
)
from tests.unit.transactions.steps import A, B, World

ALL = "TransactWriteItems"


def two(t):
    t.add(A, n=1)
    t.add(B, n=1)


def refused_by_a_condition(t):
    t.put(A)
    t.add(B, Attr("n").eq(5), n=1)


def throttled_again(_driver, _operation, _params):
    """As botocore's own retry: the first copy was lost, and the second was throttled."""
    raise Refused("ThrottlingException", "why", resent=True)


# Whether an answer is missing.


@pytest.mark.parametrize(
    ("before", "error"),
    [
        ([], ConditionFailed),
        ([throttle], ConditionFailed),
        ([unreachable], ConditionFailed),
        ([lose_request], OutcomeUnknown),
        ([answer({})], OutcomeUnknown),
        ([refuse("TransactionInProgressException")], OutcomeUnknown),
        ([throttled_again], OutcomeUnknown),
        ([lose_request, throttle], OutcomeUnknown),
        ([lose_request, unreachable], OutcomeUnknown),
    ],
    ids=lambda given: None if isinstance(given, type) else "-".join(a.__name__ for a in given),
)
def test_a_refusal_is_believed_only_where_every_request_before_was_answered(world, before, error):
    world.driver.script = list(before)
    with pytest.raises(error):
        world.run(refused_by_a_condition)
    assert len(world.calls) == len(before) + 1


@pytest.mark.parametrize(
    ("act", "error"),
    [(unreachable, ServiceUnavailable), (throttle, Throttled), (lose_request, OutcomeUnknown)],
)
def test_what_is_told_when_the_time_is_over(world, act, error):
    world.driver.script = [act] * 1000
    began = world.driver.now
    with pytest.raises(error):
        world.run(two)
    assert world.driver.now - began < 30.0
    assert len(world.calls) > 2


def test_pauses_between_failed_requests_grow(world):
    world.driver.script = [throttle] * 6
    began = world.driver.now
    world.run(two)
    assert world.driver.now - began > 6 * 0.01 + 5 * world.settings.first_pause


@pytest.mark.parametrize("code", ["ValidationError", "ItemCollectionSizeLimitExceeded"])
def test_what_is_rejected_for_good_is_not_told_as_a_condition(world, code):
    def act(_driver, _operation, _params):
        reasons = (CancellationReason("ConditionalCheckFailed"), CancellationReason(code))
        raise Refused("TransactionCanceledException", "why", reasons=reasons)

    world.driver.script = [act]
    with pytest.raises(RequestRefused):
        world.run(two)
    assert world.calls == [ALL]


# For how long a token is relied on.


def passing(monotonic, wall):
    """Lose a request, after which the clocks have gone on by so many seconds."""

    def act(driver, operation, params):
        try:
            return lose_request(driver, operation, params)
        finally:
            driver.now += monotonic
            driver.skew += wall - monotonic

    return act


@pytest.mark.parametrize(
    ("monotonic", "wall"),
    [(TOKEN_WINDOW, 0.0), (0.0, TOKEN_WINDOW), (TOKEN_WINDOW, TOKEN_WINDOW)],
)
def test_a_token_is_not_relied_on_once_either_clock_says_that_it_is_old(monotonic, wall):
    world = World(timeout=3600.0)
    world.driver.script = [passing(monotonic, wall)]
    with pytest.raises(OutcomeUnknown):
        world.run(two)
    assert world.calls == [ALL]


@pytest.mark.parametrize(
    ("monotonic", "wall"),
    [(TOKEN_WINDOW - 10, 0.0), (0.0, TOKEN_WINDOW - 10), (TOKEN_WINDOW - 10,) * 2, (0.0, -3600.0)],
)
def test_a_token_is_relied_on_while_both_clocks_say_that_it_is_known(monotonic, wall):
    world = World(timeout=3600.0)
    world.driver.script = [passing(monotonic, wall)]
    world.run(two)
    assert world.calls == [ALL, ALL]


def test_a_request_of_which_no_copy_is_under_way_may_be_sent_for_longer():
    def refused_late(driver, operation, params):
        driver.now += TOKEN_WINDOW + 10
        return throttle(driver, operation, params)

    world = World(timeout=3600.0)
    world.driver.script = [refused_late]
    world.run(two)
    assert world.calls == [ALL, ALL]


@pytest.mark.parametrize("act", [lose_reply, send_twice])
def test_a_copy_that_was_carried_out_is_the_commit(world, act):
    world.driver.script = [act]
    world.run(two)
    assert (world.n(A), world.n(B), world.runs) == (1, 1, 1)
