"""Functions that have done nothing when they return are refused, and nothing is written."""

import functools

import pytest

from tests.unit.transactions.wire import A, stored

NOTHING_DONE = r"has done nothing yet|must be a coroutine function"


def generator(t):
    yield t.put("t", A, {"n": 1})


async def generator_of_tasks(t):
    yield t.put("t", A, {"n": 1})


@pytest.mark.parametrize("function", [generator, generator_of_tasks])
def test_a_generator_function_is_refused(tx, wire, function):
    with pytest.raises(TypeError, match=NOTHING_DONE):
        tx.client.run(function)
    with pytest.raises(TypeError, match=NOTHING_DONE):
        tx.client.run(functools.partial(function))
    assert stored(wire, A) is None
