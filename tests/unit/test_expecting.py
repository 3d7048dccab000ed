"""A counter is made only if there is none, and changed only while it is as it was read."""

import itertools

import pytest

from interlock import CounterClient
from interlock.errors import CounterChanged, CounterLimitExceeded, IdempotencyMismatch
from interlock.testing._store.store import Store
from interlock.testing._store.tables import Table
from tests.halves import Half


@pytest.fixture
def store():
    return Store(Table("t"))


@pytest.fixture
def before():
    """What happens just before a write arrives; a test may set `[0]`."""
    return [lambda: None]


@pytest.fixture
def counters(half, store, before):
    def answer(operation, params):
        if "Write" in operation or "Update" in operation:
            act, before[0] = before[0], lambda: None
            act()
        return store.perform(operation, params)

    return half.wrap(half.counters.CounterClient("t", client=half.client(answer)))


@pytest.fixture
def others(store):
    """Another client of the same table; a blocking one, as it writes within a call of the first."""
    return CounterClient("t", client=Half().client(store.perform))


def test_a_counter_is_made_as_declared_and_once(counters):
    assert counters.counter("a", ceiling=5, shards=2).create()
    assert not counters.counter("a", ceiling=9).create()
    state = counters.counter("a").inspect()
    assert (state.value, state.floor, state.ceiling, state.shards) == (0, None, 5, 2)


def made(counters, shards=1):
    counter = counters.counter("a", floor=0, ceiling=20, shards=shards)
    counter.create()
    counter.increment(9)
    return counters.counter("a")


CHANGES = {
    "increment": lambda counter, state: counter.increment(2, expected=state),
    "with a key": lambda counter, state: counter.increment(2, idempotency_key="k", expected=state),
    "decrement": lambda counter, state: counter.decrement(2, expected=state),
    "configure": lambda counter, state: counter.configure(ceiling=30, expected=state),
    "shards": lambda counter, state: counter.configure(shards=5, expected=state),
    "reset": lambda counter, state: counter.reset(1, expected=state),
    "delete": lambda counter, state: counter.delete(expected=state),
}
MEANWHILE = {
    "an increment": lambda counter: counter.increment(),
    "a configuration": lambda counter: counter.configure(floor=-1),
    "more shards": lambda counter: counter.configure(shards=6),
    "a deletion": lambda counter: counter.delete(),
}


PAIRS = list(itertools.product(CHANGES, MEANWHILE))


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("change", CHANGES)
def test_it_is_changed_while_it_is_as_it_was_read(counters, change, shards):
    counter = made(counters, shards)
    before = counter.inspect()
    CHANGES[change](counter, before)
    assert counter.inspect() != before


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize(("change", "meanwhile"), PAIRS)
def test_nothing_is_written_once_it_is_another(counters, others, change, meanwhile, shards):
    counter = made(counters, shards)
    state = counter.inspect()
    MEANWHILE[meanwhile](others.counter("a"))
    after = others.counter("a").inspect()
    with pytest.raises(CounterChanged):
        CHANGES[change](counter, state)
    assert others.counter("a").inspect() == after


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize(("change", "meanwhile"), PAIRS)
def test_the_store_itself_compares(  # noqa: PLR0917 - pytest passes them by name
    counters, others, before, change, meanwhile, shards
):
    """Another's write arrives between the reading and the writing of this one."""
    counter = made(counters, shards)
    state = counter.inspect()
    before[0] = lambda: MEANWHILE[meanwhile](others.counter("a"))
    with pytest.raises(CounterChanged):
        CHANGES[change](counter, state)


def test_a_repetition_under_the_key_is_answered_although_the_counter_is_another(counters):
    counter = made(counters)
    state = counter.inspect()
    first = counter.increment(2, idempotency_key="k", expected=state)
    again = counter.increment(2, idempotency_key="k", expected=state)
    assert (first.value, again.value, first.replayed, again.replayed) == (11, 11, False, True)
    with pytest.raises(IdempotencyMismatch):
        counter.increment(3, idempotency_key="k", expected=state)


@pytest.mark.parametrize("shards", [1, 3])
def test_a_bound_holds_as_ever(counters, shards):
    counter = made(counters, shards)
    assert counter.increment(11, expected=counter.inspect())
    with pytest.raises(CounterLimitExceeded):
        counter.increment(1, expected=counter.inspect())
    assert counter.get() == 20


def test_a_reset_that_a_bound_refuses_tells_where_the_counter_is(counters):
    counter = made(counters)
    with pytest.raises(CounterLimitExceeded) as caught:
        counter.reset(-5)
    assert (caught.value.value, caught.value.floor) == (9, 0)
