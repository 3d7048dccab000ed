"""A run of a transaction, step by step: what outlives an attempt, and what it comes to."""

from dataclasses import replace

import pytest
from boto3.dynamodb.conditions import Attr

from interlock._protocol.transactions.idempotency import Committed
from interlock._protocol.transactions.reporting import TransactionReport
from interlock._protocol.transactions.run import TransactionRun
from interlock.errors import (
    ConditionFailed,
    InvalidValue,
    OutcomeUnknown,
    TransactionClosed,
    TransactionConflict,
    TransactionTooLarge,
)
from tests.unit.locks.scripted import (
    carry_out,
    conflict,
    lose_request,
    refuse,
    throttle,
)
from tests.unit.transactions.steps import A, B, Bound, C, Held, World, once

READ, READ_ALL = "GetItem", "TransactGetItems"
ALL = "TransactWriteItems"


@pytest.fixture
def world(world):
    world.write(A, n=1)
    world.write(B, n=1)
    return world


class Steps:
    """A run of which each step is taken by the test."""

    def __init__(self, world, once=None):
        self.world = world
        self.run = TransactionRun(world.settings, once)
        world.driver.calls.clear()

    def begin(self):
        begun = self.world.driver.run(self.run.begin())
        return begun if isinstance(begun, Committed) else Bound(self.world.driver, begun)

    def commit(self, t, result=None):
        return self.world.driver.run(self.run.commit(t.attempt, result))

    def failed(self, t):
        return self.world.driver.run(self.run.failed(t.attempt, ValueError("the body")))

    def report(self):
        return self.world.driver.run(self.run.report())


# A function that raises.


def test_a_failure_after_reads_of_one_instant_is_the_functions_own(world):
    steps = Steps(world)
    t = steps.begin()
    t.get_many(A, B)
    assert steps.failed(t) is False
    assert world.calls == [READ_ALL]


def test_a_failure_after_reads_that_were_true_together_is_the_functions_own(world):
    steps = Steps(world)
    t = steps.begin()
    t.get(A), t.get(B)
    assert steps.failed(t) is False
    assert world.calls == [READ, READ, READ_ALL]


def tear(world, t):
    t.get(A)
    world.write(A, n=2)
    world.write(B, n=2)
    t.get(B)


def test_a_failure_after_reads_that_were_torn_means_nothing(world):
    steps = Steps(world)
    t = steps.begin()
    tear(world, t)
    assert steps.failed(t) is True
    with pytest.raises(TransactionClosed):
        t.get(C)
    again = steps.begin()
    assert (again.get(A)["n"], again.get(B)["n"]) == (2, 2)
    assert steps.commit(again, "done").value == "done"
    assert world.calls == [READ, READ, READ_ALL]
    assert steps.report().attempts == 2


def test_where_reads_cannot_be_looked_into_the_failure_is_the_functions_own(world):
    steps = Steps(world)
    t = steps.begin()
    tear(world, t)
    world.driver.script = [refuse("AccessDeniedException")]
    assert steps.failed(t) is False


def test_a_function_that_met_torn_reads_too_often_is_not_run_again():
    world = World(attempts=1)
    world.write(A, n=1)
    world.write(B, n=1)
    steps = Steps(world)
    t = steps.begin()
    tear(world, t)
    assert steps.failed(t) is False


# What is told of it.


def test_a_report_says_what_it_took(world):
    steps = Steps(world)
    world.driver.script = [carry_out, throttle, conflict]
    began = world.driver.now
    t = steps.begin()
    t.get(A)
    t.put(B, n=2)
    steps.commit(t)
    took = world.driver.now - began
    told = steps.report()
    assert told.seconds == pytest.approx(took)
    assert replace(told, seconds=0.0) == TransactionReport(
        attempts=1, conflicts=1, throttles=1, seconds=0.0, committed=True, replayed=False
    )


def test_a_report_counts_runs_of_the_function(world):
    steps = Steps(world)
    t = steps.begin()
    t.get(A)
    world.write(A, n=2)
    t.put(B)
    assert steps.commit(t) is None
    told = steps.report()
    assert (told.attempts, told.committed, told.replayed) == (1, False, False)
    t = steps.begin()
    t.get(A)
    t.put(B)
    steps.commit(t)
    told = steps.report()
    assert (told.attempts, told.conflicts, told.committed) == (2, 1, True)


def test_a_report_of_a_replay_says_so(world):
    first = Steps(world, once())
    first.commit(first.begin(), 5)
    steps = Steps(world, once())
    assert steps.begin().value == 5
    told = steps.report()
    assert (told.attempts, told.committed, told.replayed) == (0, True, True)


@pytest.mark.parametrize("refused", [False, True])
def test_a_report_says_whether_a_condition_of_the_callers_was_refused(world, refused):
    steps = Steps(world)
    t = steps.begin()
    t.check(A, Attr("n").eq(2 if refused else 1))
    if refused:
        with pytest.raises(ConditionFailed):
            steps.commit(t)
    else:
        steps.commit(t)
    told = steps.report()
    assert (told.condition_refused, told.committed) == (refused, not refused)


# An attempt is over, for its time too.


def test_an_attempt_that_was_committed_takes_nothing_more(world):
    steps = Steps(world)
    t = steps.begin()
    t.get(A)
    steps.commit(t)
    with pytest.raises(TransactionClosed):
        t.get(A)


def test_all_attempts_have_one_time_together():
    world = World(timeout=10.0)
    world.write(A, n=1)
    began = world.driver.now

    def body(t):
        t.get(A)
        world.driver.now += 4.0
        world.write(A, n=world.runs)
        t.put(B)

    with pytest.raises(TransactionConflict):
        world.run(body)
    assert 10.0 <= world.driver.now - began < 20.0
    assert {round(deadline - began, 6) for deadline in world.driver.deadlines} == {10.0}


def test_a_stale_read_is_no_reason_to_look_for_the_keys_record(world):
    def body(t):
        t.get(A)
        if world.runs == 1:
            world.write(A, n=2)
        t.put(B)

    world.run(body, once())
    assert world.calls == [READ, READ, ALL, ALL]


# Locks that are given back with it.


def giving_back(lock):
    def body(t):
        t.release(lock)
        t.put(A, n=5)

    return body


def test_a_lock_is_given_back_with_the_commit(world):
    lock = world.hold(Held())
    world.run(giving_back(lock))
    assert lock.told == ["released"]


def test_a_lock_of_a_commit_that_was_refused_is_kept(world):
    lock = world.hold(Held())
    with pytest.raises(ConditionFailed):
        world.run(lambda t: (t.release(lock), t.put(A, Attr("n").eq(7))))
    assert lock.told == ["kept"]


def test_a_lock_of_a_commit_that_was_never_sent_is_kept(world):
    lock = world.hold(Held())

    def body(t):
        t.release(lock)
        for number in range(100):
            t.put({"pk": str(number)})

    with pytest.raises(TransactionTooLarge):
        world.run(body)
    assert lock.told == ["kept"]


def test_a_lock_is_kept_where_the_result_cannot_be_recorded(world):
    lock = world.hold(Held())
    with pytest.raises(InvalidValue):
        world.run(lambda t: (t.release(lock), object())[1], once())
    assert lock.told == ["kept"]


def test_a_lock_of_a_commit_whose_outcome_is_open_may_be_free(world):
    lock = world.hold(Held())
    world.driver.script = [lose_request] * 1000
    with pytest.raises(OutcomeUnknown):
        world.run(giving_back(lock))
    assert lock.told == ["released"]


def test_a_lock_of_a_commit_that_was_interrupted_may_be_free(world):
    def interrupt(_driver, _operation, _params):
        raise KeyboardInterrupt

    lock = world.hold(Held())
    world.driver.script = [interrupt]
    with pytest.raises(KeyboardInterrupt):
        world.run(giving_back(lock))
    assert lock.told == ["released"]


def test_a_lock_is_kept_by_an_attempt_that_has_to_be_made_again(world):
    lock = world.hold(Held())

    def body(t):
        t.get(A)
        if world.runs == 1:
            world.write(A, n=2)
        giving_back(lock)(t)

    world.run(body)
    assert lock.told == ["kept", "released"]


def test_a_lock_that_a_twin_of_the_key_did_not_give_back_is_kept(world):
    def first(driver, operation, params):
        twin = World()
        twin.driver.store, twin.driver.now = driver.store, driver.now
        twin.run(lambda _: "twin", once())
        return carry_out(driver, operation, params)

    lock = world.hold(Held())
    world.driver.script = [carry_out, first]
    assert world.run(giving_back(lock), once()).replayed
    assert lock.told == ["kept"]


def test_a_lock_that_an_earlier_attempt_of_the_key_gave_back_unseen_is_free(world):
    """Its copy lands after a stale read has led to the next attempt, which finds its record."""
    lock = world.hold(Held())

    def body(t):
        t.get(C)
        giving_back(lock)(t)
        return world.runs

    def outpaced(driver, operation, params):
        world.write(C, n=1)
        return carry_out(driver, operation, params)

    def overtaken(driver, operation, params):
        driver.store.perform("DeleteItem", {"TableName": "t", "Key": {"pk": {"S": "c"}}})
        world.late(2)
        return carry_out(driver, operation, params)

    world.driver.script = [carry_out, carry_out, lose_request, outpaced, overtaken]
    done = world.run(body, once())
    assert (done.value, done.replayed) == (1, True)
    assert world.calls == [READ, READ, ALL, ALL, ALL]
    assert lock.told == ["kept", "released"]
