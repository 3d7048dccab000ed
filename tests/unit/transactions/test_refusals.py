"""Refusals of a commit, and answers that are none: what each means, and what it does not."""

import pytest
from boto3.dynamodb.conditions import Attr

from interlock._protocol.faults import CancellationReason, Refused
from interlock._protocol.transactions.settings import MAX_ITEM_BYTES, MAX_TRANSACTION_BYTES
from interlock._protocol.transactions.writes import size
from interlock.errors import (
    AccessDenied,
    ConditionFailed,
    ItemTooLarge,
    OutcomeUnknown,
    RequestRefused,
    TransactionTooLarge,
)
from tests.unit.locks.scripted import EPOCH, answer, carry_out, lose_request, refuse
from tests.unit.transactions.steps import A, B, C, Held, World

READ, READ_ALL = "GetItem", "TransactGetItems"
UPDATE, ALL = "UpdateItem", "TransactWriteItems"


def change(t):
    t.get(A)
    t.add(A, n=1)


def two(t):
    t.add(A, n=1)
    t.add(B, n=1)


def twin(world):
    other = World()
    other.driver.store = world.driver.store
    return other


def cancel(*codes):
    reasons = tuple(CancellationReason(code) for code in codes)

    def act(_driver, _operation, _params):
        raise Refused("TransactionCanceledException", "why", reasons=reasons)

    return act


# Limits, to the byte and to the item.


def filler(t, key, room):
    """Return a text that makes an item so many bytes large, its version included."""
    empty = {"pk": {"S": key["pk"]}, "text": {"S": ""}, "_version": {"S": t.attempt.id}}
    return "x" * (room - size(empty))


@pytest.mark.parametrize(
    "write",
    [
        lambda t, text: t.put(A, text=text),
        lambda t, text: t.update(A, {"text": text}, add={}, remove=[]),
    ],
)
@pytest.mark.parametrize("more", [0, 1])
def test_an_item_of_the_most_bytes_is_committed_and_none_of_one_more(world, write, more):
    def body(t):
        write(t, filler(t, A, MAX_ITEM_BYTES + more))

    if more:
        with pytest.raises(ItemTooLarge):
            world.run(body)
    else:
        world.run(body)
    assert world.calls == [ALL] * (1 - more)


def test_a_hundred_items_are_committed_and_one_more_is_not_sent(world):
    def body(t):
        for number in range(count):
            t.put({"pk": str(number)})

    count = 100
    world.run(body)
    assert world.calls == [ALL]
    count = 101
    with pytest.raises(TransactionTooLarge):
        world.run(body)
    assert world.calls == []


class Absence:
    """What guards a commit as long as an item is not there, which weighs nothing."""

    def guard(self):
        condition = {"ConditionExpression": "attribute_not_exists(pk)"}
        return {"ConditionCheck": {"TableName": "t", "Key": {"pk": {"S": "guard"}}, **condition}}


@pytest.mark.parametrize("more", [0, 1])
def test_a_transaction_of_the_most_bytes_is_committed_and_none_of_one_more(world, more):
    def body(t):
        left = MAX_TRANSACTION_BYTES + more
        while left:
            key, room = {"pk": str(left)}, min(left, MAX_ITEM_BYTES)
            t.put(key, text=filler(t, key, room))
            left -= room
        t.check({"pk": "none"}, Attr("n").not_exists())
        t.delete({"pk": "gone"})
        t.guard(Absence())

    if more:
        with pytest.raises(TransactionTooLarge):
            world.run(body)
    else:
        world.run(body)
    assert world.calls == [ALL] * (1 - more)


# Answers that are none.


@pytest.mark.parametrize("lie", [{}, {"Attributes": {}}, {"Attributes": {"_version": {"S": "x"}}}])
@pytest.mark.parametrize("write", [change, lambda t: t.put(A, n=t.get(A)["n"] + 1), two])
def test_an_answer_that_does_not_show_the_commit_is_none(world, lie, write):
    world.write(A, n=1)
    reads = [] if write is two else [carry_out]
    world.driver.script = [*reads, answer(lie)]
    world.run(write)
    assert world.n(A) == 2
    assert world.runs == 1


@pytest.mark.parametrize("write", [change, two])
@pytest.mark.parametrize(("doubt", "error"), [(False, AccessDenied), (True, OutcomeUnknown)])
def test_what_is_refused_for_good_says_so_unless_a_copy_is_under_way(world, write, doubt, error):
    world.write(A, n=1)
    reads = [] if write is two else [carry_out]
    lost = [lose_request] if doubt else []
    world.driver.script = [*reads, *lost, refuse("AccessDeniedException")]
    with pytest.raises(error):
        world.run(write)
    assert world.n(A) == 1


def test_a_refusal_of_the_whole_names_no_action(world):
    world.driver.script = [refuse("ValidationException")]
    with pytest.raises(RequestRefused):
        world.run(two)


@pytest.mark.parametrize(
    "codes", [("ValidationError", "None"), ("ConditionalCheckFailed", "ValidationError")]
)
def test_what_can_never_succeed_is_no_condition_of_the_callers(world, codes):
    world.driver.script = [cancel(*codes)]
    with pytest.raises(RequestRefused):
        world.run(two)


def test_a_condition_of_an_item_that_is_not_there_is_told_without_one(world):
    with pytest.raises(ConditionFailed) as failed:
        world.run(lambda t: (t.put(B), t.add(A, Attr("n").eq(5), n=1)))
    assert (failed.value.index, failed.value.item) == (1, None)


# What is known of a commit by the versions that it left.


def test_a_commit_whose_token_is_forgotten_is_known_by_one_of_its_items(world):
    """Another item that it had read has been written since, which means nothing then."""
    world.write(A, n=1)
    world.write(C, n=1)

    def lose_and_forget(driver, operation, params):
        carry_out(driver, operation, params)
        driver.store.clock = lambda: EPOCH
        world.write(C, n=2)
        return lose_request(driver, operation, params)

    def body(t):
        t.get(C)
        t.get(A)
        t.add(A, n=1)

    world.driver.script = [carry_out, carry_out, lose_and_forget]
    world.run(body)
    assert (world.n(A), world.runs) == (2, 1)


@pytest.mark.parametrize("rivals", [1, 4, 5, 7])
@pytest.mark.parametrize("doubt", [False, True])
def test_a_write_behind_too_many_others_leaves_open_only_what_was_not_answered(
    world, rivals, doubt
):
    world.write(A, n=1)

    def outpace(driver, operation, params):
        for _ in range(rivals):
            twin(world).run(change)
        return carry_out(driver, operation, params)

    world.driver.script = [carry_out, *([lose_request] if doubt else []), outpace]
    if doubt and rivals >= 5:
        with pytest.raises(OutcomeUnknown):
            world.run(change)
        assert world.n(A) == 1 + rivals
    else:
        world.run(change)
        assert (world.n(A), world.runs) == (2 + rivals, 2)


def test_of_two_that_changed_one_that_never_comes_back_is_enough(world):
    world.write(A, n=1)

    def meddle(driver, operation, params):
        world.write(A, n=5)
        world.write(C, n=5)
        return carry_out(driver, operation, params)

    def body(t):
        t.get(C)
        t.get(A)
        t.put(B, n=world.runs)

    world.driver.script = [carry_out, carry_out, lose_request, meddle]
    world.run(body)
    assert (world.n(B), world.runs) == (2, 2)
    world.late(2)
    assert world.n(B) == 2


# What need not be read again.


def test_what_was_shown_beside_a_guard_is_not_read_again(world):
    world.hold(Held())
    world.write(A, n=1)
    world.write(C, n=1)
    seen = []

    def body(t):
        seen.append((t.get(C)["n"], t.get(A)["n"]))
        t.guard(Held())
        t.put(B)
        if world.runs == 1:
            world.write(A, n=5)

    world.run(body)
    assert seen == [(1, 1), (1, 5)]
    assert world.calls == [READ, READ, ALL, ALL]


def test_an_item_that_a_refusal_shows_in_the_place_of_another_is_read(world):
    world.write(A, n=1)
    other = {"pk": {"S": "c"}, "n": {"N": "9"}}
    reasons = (
        CancellationReason("ConditionalCheckFailed", item=other),
        CancellationReason("None"),
    )

    def act(_driver, _operation, _params):
        raise Refused("TransactionCanceledException", "why", reasons=reasons)

    seen = []

    def body(t):
        seen.append(t.get(A))
        t.put(B)

    world.driver.script = [carry_out, act]
    world.run(body)
    assert seen == [{"pk": "a", "n": 1}] * 2
    assert world.calls == [READ, ALL, READ, ALL]


def test_torn_reads_are_made_again_of_what_was_seen_at_one_instant(world):
    world.write(A, n=1)
    world.write(B, n=1)

    def body(t):
        first = t.get(A)["n"]
        if world.runs == 1:
            world.write(A, n=2)
            world.write(B, n=2)
        return first, t.get(B)["n"]

    assert world.run(body).value == (2, 2)
    assert world.calls == [READ, READ, READ_ALL]
