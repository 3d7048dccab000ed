"""The awaitable counters offer what the blocking ones do, and give the same answers."""

import inspect
from typing import Any

import pytest

from interlock import counters as blocking
from interlock.aio import counters as awaitable
from interlock.errors import CounterLimitExceeded
from interlock.testing._store.store import Store
from interlock.testing._store.tables import Table


class Client:
    """An aiobotocore client's calls, over the simulated store."""

    def __init__(self):
        self.store = Store(Table("t"))

    def __getattr__(self, name: str) -> Any:
        if name == "meta":  # it has no events
            raise AttributeError(name)
        operation = "".join(word.title() for word in name.split("_"))

        async def call(**params: Any) -> Any:
            return self.store.perform(operation, params)

        return call


@pytest.mark.parametrize("name", ["Counter", "CounterClient"])
def test_both_have_the_same_methods_with_the_same_parameters(name):
    def surface(module):
        members = inspect.getmembers(getattr(module, name), inspect.isfunction)
        return {
            n: [(p.name, p.kind, p.default) for p in inspect.signature(f).parameters.values()]
            for n, f in members
            if not n.startswith("_")
        }

    assert surface(awaitable) == surface(blocking)
    assert awaitable.__all__ == blocking.__all__


async def test_every_method_can_be_awaited():
    counters = awaitable.CounterClient("t", client=Client())
    counter = counters.counter("a", floor=0, ceiling=5, shards=2)
    assert await counter.configure() is True
    first = await counter.increment(5, idempotency_key="k")
    assert (await counter.increment(5, idempotency_key="k")).value == first.value
    with pytest.raises(CounterLimitExceeded):
        await counter.increment()
    await counter.decrement()
    assert await counter.get() == await counter.get(consistent=False) == 4
    await counters.counter("b").increment()
    assert (await counters.transfer("a", "b", 2)).source.amount == -2
    assert await counter.reset(1) == 1
    state = await counter.inspect()
    assert state is not None
    assert (state.value, state.shards) == (1, 2)
    assert await counter.delete() is True
