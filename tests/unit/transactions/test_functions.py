"""Functions that have done nothing when they return are refused, and nothing is written."""

import functools

import pytest

from interlock.errors import InvalidValue
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


async def coroutine(t):
    t.put("t", A, {"n": 1})


class Unbegun:
    def __call__(self, t):
        yield t.put("t", A, {"n": 1})


@pytest.mark.parametrize(
    "function", [generator, generator_of_tasks, functools.partial(generator), Unbegun()]
)
def test_a_generator_function_is_refused_where_it_is_decorated(tx, function):
    with pytest.raises(TypeError, match="of a generator return a list"):
        tx.client.transactional(function)


def test_a_coroutine_function_is_refused_where_it_is_decorated_for_the_blocking_half(half, tx):
    if half.awaitable:
        tx.client.transactional(coroutine)
        return
    with pytest.raises(TypeError, match=r"interlock\.aio"):
        tx.client.transactional(coroutine)


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (lambda: None, "takes no argument by its place"),
        (lambda *, tx: tx, "takes no argument by its place"),
        (dict, "does not say what it takes"),
    ],
)
def test_a_function_that_takes_no_transaction_is_refused_where_it_is_decorated(tx, function, told):
    with pytest.raises(InvalidValue, match=rf"function: .* {told}; pass .*def ship\(tx\)"):
        tx.client.transactional(function)


def test_a_retention_is_checked_where_a_function_is_decorated(tx):
    decorate = tx.client.transactional(idempotency_key="key", retention=3)
    with pytest.raises(InvalidValue, match=r"retention: 3.*timedelta"):
        decorate(lambda tx, key: (tx, key))
