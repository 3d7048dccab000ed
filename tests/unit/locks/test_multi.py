"""Several locks at once: all of them or none, however the transaction fares."""

from datetime import timedelta
from typing import Any

import pytest

from interlock._protocol.faults import CancellationReason, Refused
from interlock.errors import AccessDenied, InvalidValue, LockTimeout, ServiceUnavailable, Throttled
from tests.unit.locks.conftest import Process
from tests.unit.locks.scripted import answer, lose_reply, lose_request, refuse, unreachable

LEASE = 20.0


def joint(process, names, timeout=None):
    wait = None if timeout is None else timedelta(seconds=timeout)
    return process.locks.acquire_all(list(names), timeout=wait)


def acquire_all(process, names, timeout=None):
    return process.driver.run(joint(process, names, timeout).run())


def held(process, name):
    return "version" in (process.driver.row(name) or {})


def send_twice(driver, operation, params):
    """botocore's retry after a lost reply, at a store that has forgotten the token."""
    driver.store.perform(operation, params)
    forgotten = {key: value for key, value in params.items() if key != "ClientRequestToken"}
    try:
        return driver.store.perform(operation, forgotten)
    except Refused as refusal:
        refusal.resent = True
        raise


def throttle(_driver, _operation, _params):
    reasons = (CancellationReason("ThrottlingError"), CancellationReason("None"))
    raise Refused("TransactionCanceledException", "why", reasons=reasons)


def test_free_locks_take_one_transaction_and_one_read(process):
    sent, acquisition = process.driver.now, joint(process, "ab")
    grants = process.driver.run(acquisition.run())
    assert acquisition.granted == grants
    assert process.driver.operations() == ["TransactWriteItems", "TransactGetItems"]
    assert [grant.name for grant in grants] == ["a", "b"]
    for grant in grants:
        row = process.driver.row(grant.name)
        assert (row["version"]["S"], int(row["fence"]["N"])) == (grant.version, grant.fence)
        assert sent < grant.until <= sent + LEASE


def test_one_that_is_held_keeps_all_from_being_taken(process, other):
    process.acquire("b")
    with pytest.raises(LockTimeout) as caught:
        acquire_all(other, "abc", timeout=3.0)
    assert caught.value.name == "b"
    assert [held(process, name) for name in "abc"] == [False, True, False]


def test_it_goes_on_when_the_last_one_is_released(process, other):
    grant = process.acquire("b")
    other.driver.during_sleep = [
        lambda: None,
        lambda: process.release(grant),
    ]
    began = other.driver.now
    assert len(acquire_all(other, "abc")) == 3
    assert other.driver.now - began < LEASE / 2


def test_dead_holders_are_taken_over_after_their_leases(process, other):
    dead = [process.acquire(name) for name in "ab"]
    began = other.driver.now
    grants = acquire_all(other, "abc")
    assert LEASE <= other.driver.now - began < LEASE + 3
    assert [grant.fence for grant in grants[:2]] == [grant.fence + 1 for grant in dead]


@pytest.mark.parametrize("loss", [lose_reply, lose_request, send_twice, throttle, unreachable])
def test_a_reply_that_was_lost_is_not_waited_out(process, loss):
    process.driver.script = [loss]
    began = process.driver.now
    grants = acquire_all(process, "ab")
    assert process.driver.now - began < LEASE / 2
    assert [process.driver.row(g.name)["version"]["S"] for g in grants] == [
        g.version for g in grants
    ]


def test_a_copy_of_the_transaction_is_answered_as_the_first_was(process):
    answers: list[Any] = []

    def twice(driver, operation, params):
        answers.extend(driver.store.perform(operation, params) for _ in range(2))
        return answers[0]

    process.driver.script = [twice]
    assert len(acquire_all(process, "ab")) == 2
    assert len(answers) == 2


def test_a_copy_that_is_refused_by_one_lock_alone_is_known_by_it(process, other):
    def copied(driver, operation, params):
        driver.store.perform(operation, params)
        other.driver.run(other.locks.break_lock("b", because="a test"))
        forgotten = {key: value for key, value in params.items() if key != "ClientRequestToken"}
        return driver.store.perform(operation, forgotten)

    process.driver.script = [copied]
    began = process.driver.now
    assert len(acquire_all(process, "ab")) == 2
    assert process.driver.now - began < LEASE / 2


@pytest.mark.parametrize(
    "act", [answer({}), answer({"Responses": [{}]}), lose_reply, throttle, unreachable]
)
def test_fences_are_read_again_until_they_are_told(process, act):
    process.driver.script = [None, act]
    grants = acquire_all(process, "ab")
    assert [grant.fence for grant in grants] == [
        int(process.driver.row(name)["fence"]["N"]) for name in "ab"
    ]
    assert process.driver.operations().count("TransactWriteItems") == 1


def test_fences_that_are_told_of_other_locks_are_not_believed(process):
    def swapped(driver, operation, params):
        return {"Responses": driver.store.perform(operation, params)["Responses"][::-1]}

    process.release(process.acquire("b"))
    process.driver.script = [None, swapped]
    grants = acquire_all(process, "ab")
    assert [one.fence for one in grants] == [
        int(process.driver.row(name)["fence"]["N"]) for name in "ab"
    ]


def test_fences_that_cannot_be_read_are_given_up_in_time(process):
    process.driver.script = [None, *[unreachable] * 10_000]
    with pytest.raises(ServiceUnavailable):
        acquire_all(process, "ab")


def test_who_is_told_of_is_the_holder_that_was_seen_last(process, other):
    grant, successor = process.acquire("b"), Process(process.driver.store, owner="successor")

    def succeed():
        process.release(grant)
        successor.acquire("b")

    other.driver.during_sleep = [succeed]
    with pytest.raises(LockTimeout) as caught:
        acquire_all(other, "ab", timeout=5.0)
    assert caught.value.holder.owner == "successor"


@pytest.mark.parametrize("silence", [0, 7])
def test_what_was_taken_and_lost_before_its_fence_was_read_is_taken_again(process, other, silence):
    def broken(driver, operation, params):
        other.driver.run(other.locks.break_lock("b", because="a test"))
        return driver.store.perform(operation, params)

    process.driver.script = [None, *[lose_request] * silence, broken, lose_request]
    grants = acquire_all(process, "ab")
    assert all(process.driver.row(one.name)["version"]["S"] == one.version for one in grants)


def test_a_holder_that_lives_is_looked_at_and_not_written_to(process, other):
    grant = process.acquire("b")
    other.driver.during_sleep = [lambda: process.renew(grant)] * 200
    with pytest.raises(LockTimeout):
        acquire_all(other, "ab", timeout=2.5 * LEASE)
    assert other.driver.operations().count("TransactWriteItems") == 1


@pytest.mark.parametrize(
    ("act", "error"), [(refuse("AccessDeniedException"), AccessDenied), (throttle, Throttled)]
)
def test_a_refusal_that_no_lock_is_the_reason_of_is_told_as_it_is(process, act, error):
    process.driver.script = [act] * 10_000
    with pytest.raises(error):
        acquire_all(process, "ab", timeout=3.0)


def test_a_store_that_has_answered_is_silent_from_then_on_alone(process):
    process.driver.script = [*[lose_request] * 7, None, lose_request]
    assert len(acquire_all(process, "ab")) == 2
    assert process.driver.now > 1016.0


def refused_again(driver, operation, params):
    """Have a client below send it twice, and show the second refusal."""
    try:
        return driver.store.perform(operation, params)
    except Refused as refusal:
        refusal.resent = True
        raise


@pytest.mark.parametrize(
    ("act", "left"),
    [(None, False), (unreachable, False), (refused_again, True), (lose_request, True)],
)
def test_only_what_may_have_been_carried_out_is_left_over(process, other, act, left):
    process.acquire("b")
    acquisition = joint(other, "ab", timeout=2.5)
    other.driver.script = [act]
    with pytest.raises(LockTimeout):
        other.driver.run(acquisition.run())
    assert acquisition.leftovers is left


def test_what_failed_is_given_back(process):
    acquisition = joint(process, "ab")
    process.driver.script = [lose_reply, *[unreachable] * 1000]
    with pytest.raises((ServiceUnavailable, Throttled)):
        process.driver.run(acquisition.run())
    process.driver.script = []
    process.driver.run(acquisition.abandon())
    assert not held(process, "a")
    assert not held(process, "b")


@pytest.mark.parametrize("names", [[], ["a", "a"], [str(i) for i in range(101)]])
def test_names_are_different_and_at_most_a_hundred(process, names):
    with pytest.raises(InvalidValue):
        joint(process, names)
    assert len(acquire_all(process, [f"n{i}" for i in range(100)])) == 100


def test_two_who_want_the_same_in_other_orders_do_not_lock_each_other_out(process, other):
    first = acquire_all(process, "ab")
    other.driver.during_sleep = [lambda: [process.release(grant) for grant in first]]
    assert len(acquire_all(other, "ba")) == 2


def test_it_tells_whether_any_of_the_locks_was_held_by_another(process, other):
    free, blocked = joint(other, "cd"), joint(other, "ab")
    grant = process.acquire("b")
    other.driver.run(free.run())
    other.driver.during_sleep = [lambda: process.release(grant)]
    other.driver.run(blocked.run())
    assert (free.contended, blocked.contended) == (False, True)


@pytest.mark.parametrize("names", ["a", "ab"])
def test_it_tells_how_long_it_waited(process, other, names):
    grant = process.acquire("a")
    acquisition = joint(other, names)
    other.driver.during_sleep = [lambda: process.release(grant)]
    began = other.driver.now
    other.driver.run(acquisition.run())
    assert 0.0 < acquisition.waited <= other.driver.now - began


@pytest.mark.parametrize("fault", [throttle, unreachable])
def test_who_would_not_wait_for_a_holder_waits_for_the_store(process, fault):
    process.driver.script = [fault]
    assert len(acquire_all(process, "ab", timeout=0.0)) == 2


def lose_races(driver, operation, params):
    """Have the second lock taken and given back again before each transaction."""
    if operation != "TransactWriteItems":
        return driver.store.perform(operation, params)
    reasons = (CancellationReason("None"), CancellationReason("ConditionalCheckFailed"))
    raise Refused("TransactionCanceledException", reasons=reasons)


def test_who_loses_race_after_race_is_told_in_time(process, other):
    process.acquire("a")  # by a holder that dies
    other.driver.script = [None, *[lose_races] * 5000]
    with pytest.raises(LockTimeout) as caught:
        acquire_all(other, "ab", timeout=30.0)
    assert caught.value.name == "b"
    assert other.driver.operations().count("TransactWriteItems") < 1000
