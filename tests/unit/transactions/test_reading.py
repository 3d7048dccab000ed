"""Reads of a transaction, call by call: what is asked, what is believed, and how it is repeated."""

import itertools

import pytest

from interlock.errors import RequestRefused, TransactionTooLarge
from interlock.testing._store.store import Store
from interlock.testing._store.tables import Table
from tests.unit.locks.scripted import after, answer, carry_out, conflict, unreachable
from tests.unit.transactions.steps import A, B

READ, READ_ALL = "GetItem", "TransactGetItems"


def test_a_read_is_strongly_consistent(world):
    world.run(lambda t: t.get(A))
    ((operation, params),) = world.driver.calls
    assert (operation, params["ConsistentRead"]) == (READ, True)


@pytest.mark.parametrize("more", [0, 1])
def test_a_hundred_items_are_read_at_once_and_one_more_is_not_asked_for(world, more):
    def body(t):
        return t.get_many(*({"pk": str(number)} for number in range(100 + more)))

    if more:
        with pytest.raises(TransactionTooLarge):
            world.run(body)
    else:
        assert world.run(body).value == [None] * 100
    assert world.calls == [READ_ALL] * (1 - more)


@pytest.mark.parametrize(
    ("body", "lie"),
    [
        (lambda t: t.get(A), {}),
        (lambda t: t.get(A), {"Item": {"pk": {"S": "b"}}}),
        (lambda t: t.get_many(A, A)[0], {"Responses": []}),
    ],
)
def test_an_answer_to_another_question_is_asked_for_again(world, body, lie):
    world.write(A, n=1)
    world.driver.script = [answer(lie)]
    assert world.run(body).value == {"pk": "a", "n": 1}
    assert len(world.calls) == 2


@pytest.mark.parametrize("body", [lambda t: t.get(A), lambda t: t.get_many(A)])
def test_a_table_of_the_callers_may_have_any_key(world, body):
    """What the store says of it is told as that, not as a table of the library's that is unfit."""
    world.driver.store = Store(Table("t", partition_key="id"), Table("coordination"))
    with pytest.raises(RequestRefused):
        world.run(body)


# Pauses before what failed is tried again.


@pytest.mark.parametrize("body", [lambda t: t.get(A), lambda t: t.put(A)])
def test_a_rival_is_waited_for_up_to_as_long_as_the_call_took_that_met_it(world, body):
    world.driver.draw = 1.0
    world.driver.script = [after(0.2, conflict)]
    began = world.driver.now
    world.run(body)
    taken, again = 0.21, 0.01
    assert world.driver.now - began == pytest.approx(taken + taken + again)


def reading_two(_world):
    return lambda t: (t.get(A), t.get(B))


def committing_twice(world):
    def body(t):
        t.get(A)
        if world.runs == 1:
            world.write(A, n=2)
        t.put(B)

    return body


@pytest.mark.parametrize(("making", "before"), [(reading_two, []), (committing_twice, [carry_out])])
def test_what_fails_after_an_answer_is_waited_for_as_the_first_failure_is(world, making, before):
    world.driver.draw = 1.0
    world.write(A, n=1)
    times = []

    def noted(act):
        def at(driver, operation, params):
            times.append(driver.now)
            return act(driver, operation, params)

        return at

    fails = [unreachable] * 5
    acts = [*before, *fails, carry_out, unreachable, carry_out]
    world.driver.script = [noted(act) for act in acts]
    world.run(making(world))
    between = [later - time for time, later in itertools.pairwise(times)]
    assert len(times) == len(acts)
    assert between[-1] == pytest.approx(between[len(before)])
