"""A commit, call by call: what is sent, what its answers mean, and what late copies cannot undo."""

import pytest
from boto3.dynamodb.conditions import Attr

from interlock._protocol.values import to_item
from interlock.errors import (
    ConditionFailed,
    GuardFailed,
    LossReason,
    OutcomeUnknown,
    TransactionConflict,
)
from tests.unit.locks.scripted import carry_out, lose_reply, lose_request, throttle
from tests.unit.transactions.steps import A, B, C, Held, World, once

READ, READ_ALL = "GetItem", "TransactGetItems"
PUT, UPDATE, ALL = "PutItem", "UpdateItem", "TransactWriteItems"


def then(act, *before):
    """Let something happen right before a call meets an act."""

    def together(driver, operation, params):
        for happens in before:
            happens()
        return act(driver, operation, params)

    return together


# What is sent.


def test_reads_of_one_item_are_committed_by_nothing(world):
    world.write(A, n=1)
    world.run(lambda t: t.get(A))
    assert world.calls == [READ]


def test_reads_alone_under_a_key_leave_their_record(world):
    world.write(A, n=1)
    assert world.run(lambda t: t.get(A)["n"], once()).value == 1
    world.write(A, n=2)
    again = world.run(lambda t: t.get(A)["n"], once())
    assert (again.value, again.replayed) == (1, True)


def test_reads_at_two_instants_are_looked_at_again_at_one(world):
    world.write(A, n=1)
    world.write(B, n=1)
    world.run(lambda t: (t.get(A), t.get(B)))
    assert world.calls == [READ, READ, READ_ALL]
    world.run(lambda t: t.get_many(A, B))
    assert world.calls == [READ_ALL]


def test_reads_that_were_torn_are_made_again(world):
    world.write(A, n=1)
    world.write(B, n=1)

    def body(t):
        first = t.get(A)["n"]
        if world.runs == 1:
            world.write(A, n=2)
            world.write(B, n=2)
        return first, t.get(B)["n"]

    assert world.run(body).value == (2, 2)
    assert world.runs == 2


@pytest.mark.parametrize(
    ("body", "calls"),
    [
        (lambda t: (t.get(A), t.put(A, n=2)), [READ, PUT]),
        (lambda t: (t.get(A), t.add(A, n=1)), [READ, UPDATE]),
        (lambda t: (t.get(A), t.delete(A)), [READ, ALL]),
        (lambda t: (t.get(A), t.check(A, Attr("n").eq(1))), [READ, ALL]),
        (lambda t: t.put(A, n=2), [ALL]),
        (lambda t: t.add(A, n=1), [ALL]),
        (lambda t: (t.get(C), t.put(C, n=2)), [READ, ALL]),
        (lambda t: (t.get(B), t.add(B, n=2)), [READ, ALL]),
        (lambda t: (t.get(A), t.add(A, n=1), t.put(C)), [READ, ALL]),
    ],
)
def test_one_write_is_one_conditional_write_only_where_its_version_tells_it_from_others(
    world, body, calls
):
    world.write(A, n=1)
    world.outsider(B, n=1)
    world.run(body)
    assert world.calls == calls


def test_each_write_carries_a_version_that_names_those_before_it(world):
    world.write(A, n=1)
    first = world.item(A)["_version"]["S"]
    world.run(lambda t: (t.get(A), t.add(A, n=1)))
    assert world.item(A)["_version"]["S"].split(" ")[1:] == [first]


@pytest.mark.parametrize("read", [False, True])
def test_an_update_sets_adds_and_removes_and_leaves_the_rest_as_it_is(world, read):
    world.write(A, n=1, m=2, gone=3, gone_too=4, left=5)

    def body(t):
        if read:
            t.get(A)
        t.update(A, {"new": 6, "m": 7}, add={"n": 8}, remove=["gone", "gone_too"])

    world.run(body)
    left = {name: value["N"] for name, value in world.item(A).items() if "N" in value}
    assert left == {"n": "9", "m": "7", "new": "6", "left": "5"}


# One conditional write.


def change(t):
    t.get(A)
    t.add(A, n=1)


@pytest.mark.parametrize("write", [change, lambda t: t.put(A, n=t.get(A)["n"] + 1)])
def test_a_lost_reply_is_known_by_the_version_that_it_left(world, write):
    world.write(A, n=1)
    world.driver.script = [carry_out, lose_reply]
    world.run(write)
    assert (world.n(A), world.runs) == (2, 1)


def test_a_lost_reply_is_known_behind_a_successor(world):
    world.write(A, n=1)

    def succeed():
        world.driver.script = []
        twin = World()
        twin.driver.store = world.driver.store
        twin.run(change)

    world.driver.script = [carry_out, lose_reply, then(carry_out, succeed)]
    world.run(change)
    assert (world.n(A), world.runs) == (3, 1)


def test_a_rival_that_was_first_lets_the_function_run_again_without_a_read(world):
    world.write(A, n=1)

    def body(t):
        seen = t.get(A)["n"]
        if world.runs == 1:
            twin = World()
            twin.driver.store = world.driver.store
            twin.run(change)
        t.put(A, n=seen + 10)

    world.run(body)
    assert (world.n(A), world.runs) == (12, 2)
    assert world.calls == [READ, PUT, PUT]


def test_a_request_that_was_lost_before_a_rival_came_can_do_no_harm_later(world):
    world.write(A, n=1)

    def succeed():
        twin = World()
        twin.driver.store = world.driver.store
        twin.run(change)

    world.driver.script = [carry_out, lose_request, then(carry_out, succeed)]
    world.run(change)
    assert (world.n(A), world.runs) == (3, 2)
    world.late(1)
    assert world.n(A) == 3


@pytest.mark.parametrize(("doubt", "error"), [(False, ConditionFailed), (True, OutcomeUnknown)])
def test_a_condition_of_the_callers_is_believed_only_without_a_copy_under_way(world, doubt, error):
    world.write(A, n=1)

    def body(t):
        t.get(A)
        t.add(A, Attr("n").eq(5), n=1)

    world.driver.script = [carry_out, *([lose_request] if doubt else [])]
    with pytest.raises(error) as failed:
        world.run(body)
    if not doubt:
        assert (failed.value.index, failed.value.key) == (0, A)
        assert failed.value.item == {"pk": "a", "n": 1}


def test_an_item_that_is_gone_is_no_condition_of_the_callers(world):
    world.write(A, n=1)

    def body(t):
        seen = t.get(A)
        if world.runs == 1:
            key = {"pk": {"S": "a"}}
            world.driver.store.perform("DeleteItem", {"TableName": "t", "Key": key})
        t.put(A, n=7 if seen is None else 1)

    world.run(body)
    assert (world.n(A), world.runs) == (7, 2)


# A transaction.


def two(t):
    t.add(A, n=1)
    t.add(B, n=1)


@pytest.mark.parametrize("loss", [lose_reply, lose_request, throttle])
def test_a_transaction_is_sent_again_unchanged_and_counts_once(world, loss):
    world.driver.script = [loss, loss]
    world.run(two)
    assert (world.n(A), world.n(B), world.runs) == (1, 1, 1)
    sent = [params for _, params in world.driver.calls]
    assert sent[0]["ClientRequestToken"]
    assert sent == [sent[0]] * 3


def test_a_stale_read_lets_the_function_run_again_and_what_was_shown_is_not_read_again(world):
    world.write(A, n=1)
    world.write(B, n=1)
    seen = []

    def body(t):
        seen.append((t.get(A)["n"], t.get(B)["n"]))
        if world.runs == 1:
            world.write(A, n=10)
        t.add(A, n=1)
        t.add(B, n=1)

    world.run(body)
    assert seen == [(1, 1), (10, 1)]
    assert world.calls == [READ, READ, ALL, ALL]


def test_an_item_that_a_refusal_does_not_show_is_read_again(world):
    world.write(A, n=1)
    seen = []

    def body(t):
        seen.append(t.get(A))
        if world.runs == 1:
            key = {"pk": {"S": "a"}}
            world.driver.store.perform("DeleteItem", {"TableName": "t", "Key": key})
        t.put(B, n=1)

    world.run(body)
    assert seen[1] is None
    assert world.calls == [READ, ALL, READ, ALL]


def test_the_failed_condition_is_told_by_its_place(world):
    world.write(B, n=1)
    with pytest.raises(ConditionFailed) as failed:
        world.run(lambda t: (t.put(A), t.add(B, Attr("n").eq(5), n=1), t.put(C)))
    assert (failed.value.index, failed.value.table, failed.value.key) == (1, "t", B)
    assert failed.value.item == {"pk": "b", "n": 1}
    assert world.calls == [ALL]


def test_a_condition_of_a_transaction_is_believed_only_without_a_copy_under_way(world):
    world.write(B, n=1)
    world.driver.script = [lose_request]
    with pytest.raises(OutcomeUnknown):
        world.run(lambda t: (t.put(A), t.add(B, Attr("n").eq(5), n=1)))


def test_a_condition_on_an_item_that_is_as_it_was_read_is_the_callers(world):
    world.write(A, n=1)
    with pytest.raises(ConditionFailed) as failed:
        world.run(lambda t: (t.get(A), t.put(B), t.add(A, Attr("n").eq(5), n=1)))
    assert (failed.value.index, failed.value.key, world.runs) == (0, A, 1)
    assert world.calls == [READ, ALL]


def meddling(world, key, meddle):
    """Return a function that reads an item which is written by another before the commit lands."""

    def body(t):
        t.get(key)
        t.put(B, n=world.runs)
        if world.runs == 1:
            world.driver.script = [lose_request, then(carry_out, meddle)]

    return body


def test_a_version_that_is_gone_for_good_lets_the_function_run_again_though_a_copy_is_lost(world):
    world.write(A, n=1)
    world.run(meddling(world, A, lambda: world.write(A, n=2)))
    assert (world.n(B), world.runs) == (2, 2)
    world.late(1)
    assert world.n(B) == 2


def test_absence_may_come_back_so_that_a_lost_copy_leaves_the_outcome_open(world):
    with pytest.raises(OutcomeUnknown):
        world.run(meddling(world, C, lambda: world.write(C, n=2)))


def test_absence_that_is_gone_without_a_copy_under_way_lets_the_function_run_again(world):
    def body(t):
        t.get(C)
        t.put(B, n=world.runs)
        if world.runs == 1:
            world.write(C, n=2)

    world.run(body)
    assert (world.n(B), world.runs) == (2, 2)


def test_under_a_key_no_two_attempts_commit_so_that_the_function_may_run_again(world):
    body = meddling(world, C, lambda: world.write(C, n=2))
    world.run(body, once())
    assert (world.n(B), world.runs) == (2, 2)
    for number, operation in enumerate(list(world.calls)):
        if operation == ALL:
            world.late(number)
    assert world.n(B) == 2


def test_readers_that_are_always_outpaced_are_told_in_the_end():
    world = World(attempts=5)
    world.write(A, n=1)

    def body(t):
        t.get(A)
        world.write(A, n=world.runs)
        t.put(B)

    with pytest.raises(TransactionConflict):
        world.run(body)
    assert world.runs == 5


# Locks.


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"fence": {"N": "8"}, "version": {"S": "v"}}, LossReason.TAKEN_OVER),
        ({"fence": {"N": "7"}}, LossReason.RELEASED),
        (None, LossReason.DELETED),
    ],
)
@pytest.mark.parametrize("doubt", [False, True])
def test_a_lock_that_is_lost_is_told_for_certain(world, row, reason, doubt):
    if row is not None:
        world.put_row({"pk": {"S": "lock#a"}, **row})
    world.driver.script = [lose_request] if doubt else []
    with pytest.raises(GuardFailed) as failed:
        world.run(lambda t: (t.put(A, n=1), t.guard(Held())))
    assert (failed.value.index, failed.value.name, failed.value.fencing_token) == (1, "a", 7)
    assert failed.value.reason is reason
    assert world.item(A) is None


def test_a_lock_that_is_held_lets_its_holder_commit(world):
    lock = world.hold(Held())
    world.run(lambda t: (t.put(A, n=1), t.guard(lock)))
    assert world.calls == [ALL]
    assert world.n(A) == 1


def test_a_lost_lock_is_told_before_a_stale_read(world):
    world.write(A, n=1)

    def body(t):
        t.get(A)
        world.write(A, n=2)
        t.put(B)
        t.guard(Held())

    with pytest.raises(GuardFailed):
        world.run(body)
    assert world.runs == 1


def test_a_guard_of_a_thing_that_is_no_lock_fails_as_a_condition(world):
    class Other:
        def guard(self):
            check = {
                "TableName": "t",
                "Key": to_item(C, ""),
                "ConditionExpression": "attribute_exists(n)",
            }
            return {"ConditionCheck": check}

    with pytest.raises(ConditionFailed) as failed:
        world.run(lambda t: (t.put(A), t.guard(Other())))
    assert not isinstance(failed.value, GuardFailed)
