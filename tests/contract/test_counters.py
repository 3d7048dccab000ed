"""Counters on real engines: eight processes at once, every layout, nothing lost or passed."""

from concurrent.futures import ProcessPoolExecutor

import pytest

from interlock import CounterClient
from interlock.errors import CounterLimitExceeded
from tests.contract.conftest import counting
from tests.contract.processes import APART

PROCESSES = 8
CALLS = 25


def work(endpoint, table, shards, keys):
    """Increment as often as the ceiling lets; return how much was acknowledged as new."""
    counter = counting(endpoint, table).counter("n", shards=shards)
    done = 0
    for key in keys:
        try:
            done += not counter.increment(idempotency_key=key).replayed
        except CounterLimitExceeded:
            continue
    return done


def spread(endpoint, table, shards, keys_of):
    with ProcessPoolExecutor(PROCESSES, mp_context=APART) as pool:
        tasks = [
            pool.submit(work, endpoint, table, shards, keys_of(number))
            for number in range(PROCESSES)
        ]
        return sum(task.result() for task in tasks)


@pytest.mark.parametrize("shards", [1, 5])
@pytest.mark.parametrize("ceiling", [None, 100])
def test_eight_processes_lose_nothing_and_stop_at_the_ceiling(endpoint, table, shards, ceiling):
    counter = counting(endpoint, table).counter("n")
    counter.configure(ceiling=ceiling, shards=shards)
    done = spread(endpoint, table, shards, lambda _: [None] * CALLS)
    assert done == counter.get() == min(ceiling or PROCESSES * CALLS, PROCESSES * CALLS)


@pytest.mark.parametrize("shards", [1, 3])
def test_eight_processes_with_the_same_keys_count_each_once(endpoint, table, shards):
    counter = counting(endpoint, table).counter("n")
    counter.configure(shards=shards)
    done = spread(endpoint, table, shards, lambda _: [f"key-{i}" for i in range(5)])
    assert done == counter.get() == 5


def test_the_most_shards_there_can_be_are_read_and_configured_at_once(client, table):
    counter = CounterClient(table, client=client).counter("n", floor=0, ceiling=100)
    counter.increment(50)
    counter.configure(shards=64)
    counter.increment(50)
    with pytest.raises(CounterLimitExceeded):
        counter.increment()
    counter.configure(shards=1)
    assert counter.get() == 100


def test_all_38_digits_count(request, client, table):
    if "ministack" in request.node.callspec.id:
        pytest.skip("ministack adds binary fractions, and rounds what AWS keeps")
    counter = CounterClient(table, client=client).counter("n", floor=0, ceiling=10**38 - 1)
    assert counter.increment(10**38 - 1).value == 10**38 - 1
    counter.decrement(10**38 - 1)
    assert counter.get() == 0


def test_counters_are_listed_by_page_with_their_values(client, table):
    counters = CounterClient(table, client=client)
    for amount in range(1, 8):
        counters.counter(f"n{amount}", shards=1 + amount % 3).increment(amount, idempotency_key="k")
    pages, after = [], None
    while True:
        states, after = counters.states(limit=3, after=after)
        pages.append([(state.name, state.value) for state in states])
        if after is None:
            break
    assert [entry for page in pages for entry in page] == [(f"n{i}", i) for i in range(1, 8)]
    assert max(len(page) for page in pages) == 3
    assert counters.page(prefix="n5", after="a") == (["n5"], None)
    assert counters.page(prefix="n5", after="n6") == ([], None)
