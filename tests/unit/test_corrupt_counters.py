"""A counter's record that another program has written: each call says so, and none relies on it."""

import pytest

from interlock._drivers.environment import Environment
from interlock._protocol.counters.ledger import SWEPT_AT, Once
from interlock.errors import CorruptRecord, OutcomeUnknown
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


KEY = "k"
DIGEST = Once(KEY, 0.0).digest
ENTRY = {
    f"done#{DIGEST}": {"N": "41"},
    f"call#{DIGEST}": {"S": f"1 4000000000 - {KEY}"},
}


def counter_on(half, store, answer=None):
    """Return a counter of this half on a store, whose answers a function may change.

    Its pauses take the time of its clock alone.
    """
    now = 0.0

    def pause(seconds):
        nonlocal now
        now += seconds

    client = half.client(answer or store.perform, Environment(monotonic=lambda: now), sleep=pause)
    return half.wrap(half.counters.CounterClient("t", client=client)).counter("visits")


def stored(store, key):
    """Return an item as the store has it, to be changed."""
    return {**store.item("t", key)}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("missing", ["value", "up", "down", "span", "shards"])
def test_a_record_that_lacks_an_attribute_of_a_counter_is_corrupt(half, call, missing):
    store = Store(Table("t"))
    item = {"pk": {"S": "counter#visits"}, **{name: {"N": n} for name, n in SOUND.items()}}
    del item[missing]
    store.perform("PutItem", {"TableName": "t", "Item": item})
    with pytest.raises(CorruptRecord) as error:
        CALLS[call](counter_on(half, store))
    assert error.value.key == "counter#visits"
    assert store.item("t", "counter#visits") == item


CHANGES = {
    "configure": lambda counter: counter.configure(floor=0, ceiling=9),
    "shards": lambda counter: counter.configure(shards=2),
    "reset": lambda counter: counter.reset(),
    "delete": lambda counter: counter.delete(),
}


@pytest.mark.parametrize("call", CHANGES)
def test_what_demands_a_revision_says_at_once_that_there_is_none(half, call):
    store = Store(Table("t"))
    item = {"pk": {"S": "counter#visits"}, **{name: {"N": n} for name, n in SOUND.items()}}
    del item["revision"]
    store.perform("PutItem", {"TableName": "t", "Item": item})
    with pytest.raises(CorruptRecord) as error:
        CHANGES[call](counter_on(half, store))
    assert (error.value.key, error.value.attribute) == ("counter#visits", "revision")
    assert store.item("t", "counter#visits") == item


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("entry", [{}, ENTRY], ids=["bare", "with an entry of the key"])
def test_a_foreign_record_in_a_counters_place_is_no_counter(half, call, entry):
    store = Store(Table("t"))
    item = {"pk": {"S": "counter#visits"}, "note": {"S": "mine"}, **entry}
    store.perform("PutItem", {"TableName": "t", "Item": item})
    with pytest.raises(CorruptRecord):
        CALLS[call](counter_on(half, store))
    assert store.item("t", "counter#visits") == item


@pytest.mark.parametrize("poison", [{"N": "1.5"}, {"N": "1E-100"}, {"S": "x"}, {"NULL": True}])
@pytest.mark.parametrize(
    "attribute", ["amount", "source_value", "target_value", "source_shard", "target_shard"]
)
def test_a_corrupt_record_of_a_transfer_is_said_to_be_one(half, attribute, poison):
    store = Store(Table("t"))
    counters = half.wrap(half.counters.CounterClient("t", client=half.client(store.perform)))
    for name in ("visits", "other"):
        counters.counter(name, floor=0, shards=2).increment(5)

    def transfer():
        return counters.transfer("visits", "other", 1, idempotency_key=KEY)

    done = transfer()
    record = next(item for item in store.items("t") if "target_value" in item)
    assert transfer().target.value == done.target.value
    store.perform("PutItem", {"TableName": "t", "Item": {**record, attribute: poison}})
    with pytest.raises(CorruptRecord) as error:
        transfer()
    assert (error.value.key, error.value.attribute) == (record["pk"]["S"], attribute)


@pytest.mark.parametrize("missing", ["amount", "target", "source_value", "target_value", "expires"])
@pytest.mark.parametrize("poison", [None, {"N": "1.5"}], ids=["lacking", "a fraction"])
def test_a_transfers_record_that_lacks_something_is_no_other_change(half, missing, poison):
    store = Store(Table("t"))
    counters = half.wrap(half.counters.CounterClient("t", client=half.client(store.perform)))
    for name in ("visits", "other"):
        counters.counter(name, floor=0).increment(5)
    counters.transfer("visits", "other", 1, idempotency_key=KEY)
    record = next(item for item in store.items("t") if "target_value" in item)
    spoiled = {**record, missing: poison}
    if poison is None:
        del spoiled[missing]
    store.perform("PutItem", {"TableName": "t", "Item": spoiled})
    with pytest.raises(CorruptRecord) as error:
        counters.transfer("visits", "other", 1, idempotency_key=KEY)
    # Without a target it is the record of an increment, which has a value.
    lacking = "value" if (missing, poison) == ("target", None) else missing
    assert (error.value.key, error.value.attribute) == (record["pk"]["S"], lacking)


@pytest.mark.parametrize("missing", ["amount", "value", "expires"])
def test_a_record_that_lacks_what_was_done_is_not_replayed(half, missing):
    store = Store(Table("t"))
    counter = counter_on(half, store)
    for number in range(SWEPT_AT):
        counter.increment(idempotency_key=f"k{number}")
    record = stored(store, "counter#visits#once#k0")
    del record[missing]
    store.perform("PutItem", {"TableName": "t", "Item": record})
    with pytest.raises(CorruptRecord) as error:
        counter.increment(idempotency_key="k0")
    assert (error.value.key, error.value.attribute) == (record["pk"]["S"], missing)


@pytest.mark.parametrize("poison", [None, {"N": "9" * 38}, {"S": "6"}], ids=["lacking", "38", "S"])
def test_a_ledger_that_nobody_can_have_counted_so_is_not_swept_again_and_again(half, poison):
    store = Store(Table("t"))
    counter_on(half, store).increment(idempotency_key="first")
    item = {**stored(store, "counter#visits"), "kept": poison}
    if poison is None:
        del item["kept"]
    store.perform("PutItem", {"TableName": "t", "Item": item})
    with pytest.raises(CorruptRecord) as error:
        counter_on(half, store).increment(idempotency_key=KEY)
    assert error.value.attribute == "kept"
    assert store.item("t", "counter#visits") == item


BEYOND = {
    "increment": ("value", lambda counters: counters.counter("visits").increment(3)),
    "decrement": ("up", lambda counters: counters.counter("visits").decrement(3)),
    "by a key": ("value", lambda c: c.counter("visits").increment(3, idempotency_key=KEY)),
    "transfer": ("up", lambda counters: counters.transfer("visits", "other", 3)),
    "configure": ("down", lambda c: c.counter("visits").configure(floor=-9, ceiling=20)),
}


@pytest.mark.parametrize("call", BEYOND)
def test_a_number_with_which_the_store_can_make_no_sum_is_said_to_be_corrupt(half, call):
    attribute, change = BEYOND[call]
    store = Store(Table("t"))
    counters = half.wrap(half.counters.CounterClient("t", client=half.client(store.perform)))
    for name in ("visits", "other"):
        counters.counter(name).configure(floor=0, ceiling=9)
        counters.counter(name).reset(5)
    item = {**stored(store, "counter#visits"), attribute: {"N": "9" * 38}}
    store.perform("PutItem", {"TableName": "t", "Item": item})
    with pytest.raises(CorruptRecord) as error:
        change(counters)
    assert (error.value.key, error.value.attribute) == ("counter#visits", attribute)
    assert store.item("t", "counter#visits") == item


LIES = {
    "nothing but the key": {},
    "the entry alone": ENTRY,
    "another entry": {
        **{name: {"N": n} for name, n in SOUND.items()},
        "call#other": {"S": "1 4000000000 - other"},
        "done#other": {"N": "1"},
    },
}


@pytest.mark.parametrize("lie", LIES)
def test_a_reply_of_the_own_key_without_the_counter_is_no_change(half, lie):
    store = Store(Table("t"))
    counter_on(half, store).increment()

    def answer(operation, params):
        if operation != "UpdateItem":
            return store.perform(operation, params)
        return {"Attributes": {"pk": params["Key"]["pk"], **LIES[lie]}}

    with pytest.raises((CorruptRecord, OutcomeUnknown)):
        counter_on(half, store, answer).increment(idempotency_key=KEY)
    if "value" not in LIES[lie]:  # else nothing tells it from the counter
        with pytest.raises((CorruptRecord, OutcomeUnknown)):
            counter_on(half, store, answer).increment()


@pytest.mark.parametrize("keyed", [{}, {"idempotency_key": KEY}], ids=["plain", "keyed"])
def test_a_reply_of_another_key_is_no_change(half, keyed):
    store = Store(Table("t"))
    counter_on(half, store).increment()
    false: list[object] = []

    def answer(operation, params):
        reply = store.perform(operation, params)
        if operation == "UpdateItem" and not false:
            false.append(reply)
            return {"Attributes": {**reply["Attributes"], "pk": {"S": "counter#other"}}}
        return reply

    counter = counter_on(half, store, answer)
    if keyed:
        assert counter.increment(**keyed).value == 2
    else:
        with pytest.raises(OutcomeUnknown):
            counter.increment()
    assert counter_on(half, store).get() == 2
