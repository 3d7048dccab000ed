"""A counter's record that another program has written: each call says so, and none relies on it."""

import pytest

from interlock.errors import CorruptRecord
from interlock.testing._store.store import Store
from interlock.testing._store.tables import Table

SOUND = {"value": "1", "up": "5", "down": "5", "span": "1", "shards": "1", "revision": "0"}
POISON = {
    "a fraction": {"value": {"N": "1.5"}},
    "a text": {"value": {"S": "x"}},
    "a span of no shards": {"span": {"N": "0"}},
    "more shards than can be": {"span": {"N": "1000"}},
    "fewer shards than its span": {"span": {"N": "1"}, "shards": {"N": "2"}},
    "room that is negative": {"up": {"N": "-5"}},
    "a newer format": {"format": {"N": "9"}},
}
CALLS = {
    "increment": lambda counter: counter.increment(),
    "decrement": lambda counter: counter.decrement(),
    "increment by a key": lambda counter: counter.increment(idempotency_key="k"),
    "get": lambda counter: counter.get(),
    "inspect": lambda counter: counter.inspect(),
    "configure": lambda counter: counter.configure(floor=0, ceiling=9),
    "reset": lambda counter: counter.reset(),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("poison", POISON)
def test_a_corrupt_record_is_said_to_be_one(half, poison, call):
    store = Store(Table("t"))
    item = {"pk": {"S": "counter#visits"}, **{name: {"N": n} for name, n in SOUND.items()}}
    store.perform("PutItem", {"TableName": "t", "Item": item | POISON[poison]})
    counters = half.wrap(half.counters.CounterClient("t", client=half.client(store.perform)))
    with pytest.raises(CorruptRecord) as error:
        CALLS[call](counters.counter("visits"))
    assert (error.value.table, error.value.key) == ("t", "counter#visits")
    assert error.value.attribute in {*POISON[poison], "span"}
