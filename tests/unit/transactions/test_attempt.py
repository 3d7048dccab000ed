"""An attempt, call by call: what it reads, what it wants, and what a function may not ask for."""

import pytest
from boto3.dynamodb.conditions import Attr

from interlock.errors import ConditionFailed, InvalidValue, TransactionClosed
from tests.unit.transactions.steps import A, B, Bound, C, Held

READ, READ_ALL = "GetItem", "TransactGetItems"
PUT, ALL = "PutItem", "TransactWriteItems"


@pytest.fixture
def world(world):
    world.write(A, n=1)
    world.write(B, n=1)
    return world


# What is read.


@pytest.mark.parametrize(
    ("body", "calls"),
    [
        (lambda t: (t.get(A), t.get(A), t.get_many(A)), [READ]),
        (lambda t: (t.get_many(A, B), t.get(B), t.get_many(B, A)), [READ_ALL]),
        (lambda t: (t.put(A, n=5), t.get(A)), [ALL]),
        (lambda t: (t.delete(A), t.get(A)), [ALL]),
        (lambda t: (t.put(A, n=5), t.delete(B), t.get_many(A, B)), [ALL]),
        (lambda t: (t.add(A, n=5), t.get(A)), [READ, "UpdateItem"]),
        (lambda t: (t.put(C, n=5), t.add(A, n=5), t.get_many(A, C)), [READ_ALL, ALL]),
    ],
)
def test_an_item_is_read_once_and_not_at_all_where_its_content_is_the_attempts_own(
    world, body, calls
):
    world.run(body)
    assert world.calls == calls


def test_an_attempt_sees_its_own_writes_and_leaves_what_it_read_as_it_is(world):
    def body(t):
        read = t.get(A)
        t.add(A, n=5)
        t.put(B, n=7)
        t.delete(C)
        return read, t.get(A), t.get_many(A, B, C)

    read, updated, several = world.run(body).value
    assert (read, updated) == ({"pk": "a", "n": 1}, {"pk": "a", "n": 6})
    assert several == [updated, {"pk": "b", "n": 7}, None]


@pytest.mark.parametrize(
    ("body", "calls"),
    [
        (lambda t: (t.get_many(A, B), t.get(C)), [READ_ALL, READ, READ_ALL]),
        (lambda t: (t.get(C), t.get_many(A, B)), [READ, READ_ALL, READ_ALL]),
    ],
)
def test_reads_together_and_one_alone_are_of_two_instants(world, body, calls):
    world.run(body)
    assert world.calls == calls


def torn(world, then):
    """Return a function that reads two items while another writes both, and then does more."""

    def body(t):
        seen = [t.get(A)["n"]]
        if world.runs == 1:
            world.write(A, n=2)
            world.write(B, n=2)
        return [*seen, t.get(B)["n"], then(t)]

    return body


def test_what_a_look_at_one_instant_has_shown_counts_as_one_in_the_next_run(world):
    done = world.run(torn(world, lambda _: None))
    assert (done.value[:2], world.runs) == ([2, 2], 2)
    assert world.calls == [READ, READ, READ_ALL]


def test_what_is_read_besides_is_of_another_instant(world):
    def other(t):
        return t.get(C) if world.runs == 2 else None

    world.run(torn(world, other))
    assert world.calls == [READ, READ, READ_ALL, READ, READ_ALL]


def test_what_a_refusal_has_shown_is_of_no_one_instant(world):
    def body(t):
        seen = t.get(A)["n"], t.get(B)["n"]
        if world.runs == 1:
            world.write(A, n=2)
            t.put(C)
        return seen

    assert world.run(body).value == (2, 1)
    assert world.calls == [READ, READ, ALL, READ_ALL]


# What is wanted.


def test_a_check_alone_is_sent(world):
    world.run(lambda t: t.check(A, Attr("n").eq(1)))
    assert world.calls == [ALL]


@pytest.mark.parametrize("numbers", [(1, 2), (2, 1)])
def test_of_several_conditions_on_an_item_each_has_to_hold(world, numbers):
    def body(t):
        for number in numbers:
            t.check(A, Attr("n").eq(number))

    with pytest.raises(ConditionFailed):
        world.run(body)


def test_a_condition_of_a_write_and_one_of_a_check_have_both_to_hold(world):
    with pytest.raises(ConditionFailed):
        world.run(lambda t: (t.check(A, Attr("n").eq(2)), t.add(A, Attr("n").eq(1), n=1)))
    world.run(lambda t: (t.check(A, Attr("n").eq(1)), t.add(A, Attr("n").gt(0), n=1)))
    assert world.n(A) == 2


def sent(world):
    (_, params) = world.driver.calls[-1]
    return [next(iter(action)) for action in params["TransactItems"]]


@pytest.mark.parametrize(
    ("body", "actions"),
    [
        (lambda t, a, _b: t.guard(a), ["ConditionCheck"]),
        (lambda t, a, _b: t.release(a), ["Update"]),
        (lambda t, a, b: (t.guard(a), t.guard(b), t.guard(a)), ["ConditionCheck"] * 2),
        (lambda t, a, b: (t.release(a), t.release(b), t.release(a)), ["Update"] * 2),
        (lambda t, a, _b: (t.guard(a), t.release(a)), ["Update"]),
        (lambda t, a, b: (t.release(a), t.guard(b)), ["Update", "ConditionCheck"]),
        (lambda t, a, b: (t.release(a), t.release(b), t.guard(b)), ["Update", "Update"]),
    ],
)
def test_each_lock_has_one_action_however_often_it_is_named(world, body, actions):
    first, second = world.hold(Held("a")), world.hold(Held("b"))
    world.run(lambda t: body(t, first, second))
    assert sent(world) == actions


class Renewed(Held):
    renewing = True


class AtRest(Held):
    renewing = False


@pytest.mark.parametrize(
    ("locks", "stands_back"),
    [
        ([Held()], False),
        ([AtRest()], False),
        ([Renewed()], True),
        ([AtRest(), Renewed()], True),
        ([Renewed(), Held()], True),
    ],
)
def test_a_commit_stands_back_if_one_of_its_locks_is_being_renewed(world, locks, stands_back):
    asked = []

    def body(t):
        for lock in locks:
            t.guard(lock)
        asked.append(t.attempt.stands_back())
        t.attempt.guards.clear()
        for lock in locks:
            t.release(lock)
        asked.append(t.attempt.stands_back())
        t.attempt.releases.clear()

    world.run(body)
    assert asked == [stands_back] * 2


# What is refused.


class HalfALock:
    def guard(self):
        return Held().guard()


@pytest.mark.parametrize(
    ("ask", "told"),
    [
        (lambda t: t.add(A, pk=1), "neither a key nor the version"),
        (lambda t: t.add(A, _version=1), "neither a key nor the version"),
        (lambda t: t.put(A, _version="x"), "the library's own"),
        (lambda t: t.check(A, "n = 1"), "condition"),
        (lambda t: t.check(A, None), "condition"),
        (lambda t: t.put(A, "n = 1"), "condition"),
        (lambda t: t.delete(A, "n = 1"), "condition"),
        (lambda t: t.guard(object()), "lock"),
        (lambda t: t.release(object()), "lock"),
        (lambda t: t.release(HalfALock()), "lock"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_changes_nothing(world, ask, told):
    def body(t):
        with pytest.raises(InvalidValue, match=told):
            ask(t)
        return t.get(A)

    assert world.run(body).value == {"pk": "a", "n": 1}
    assert world.calls == [READ]


@pytest.mark.parametrize(
    "ask",
    [
        lambda t: t.get(A),
        lambda t: t.get_many(A),
        lambda t: t.put(C),
        lambda t: t.add(A, n=1),
        lambda t: t.delete(A),
        lambda t: t.check(A, Attr("n").eq(1)),
        lambda t: t.guard(Held()),
        lambda t: t.release(Held()),
    ],
)
def test_an_attempt_that_is_over_takes_nothing_more(world, ask):
    kept: list[Bound] = []
    world.run(kept.append)
    with pytest.raises(TransactionClosed):
        ask(kept[0])
