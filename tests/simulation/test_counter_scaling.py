"""Throughput grows with the shards, against a store that gives a key 1,000 writes a second."""

import pytest

from interlock._protocol.counters import adding, configuring
from interlock._protocol.counters.bounds import Bounds
from interlock._protocol.counters.layout import Handle, integer
from interlock.testing._store.throttling import PartitionLimit
from tests.simulation.counting import budget
from tests.simulation.world import World

SECONDS = 2.0  # of simulated time; many shards make more calls in it than a test has time for
WRITERS = 40  # a shard; each has one call in flight, of 10 ms or so


def writer(handle, end, world):
    while world.now < end:
        yield from adding.add(handle, 1, (yield from budget(60.0)))


def prepare(handle, bounds, shards):
    return (yield from configuring.configure(handle, bounds, shards, (yield from budget(60.0))))


@pytest.mark.parametrize("bounds", [Bounds(), Bounds(0, 10**9)], ids=["unbounded", "bounded"])
@pytest.mark.parametrize(
    "shards",
    [
        1,
        3,
        *(pytest.param(n, marks=[pytest.mark.slow, pytest.mark.timeout(1200)]) for n in (8, 64)),
    ],
)
def test_each_shard_brings_nearly_all_of_its_writes(bounds, shards):
    seconds = SECONDS if shards < 64 else SECONDS / 4
    world = World(1, limit=PartitionLimit())
    process = world.process("writers")
    handle = Handle("coordination", "n")
    process.start(prepare(handle, bounds, shards))
    world.run()
    # What the buckets had saved up is used first, and does not count.
    warm, end = world.now + 3.0, world.now + 3.0 + seconds
    for _ in range(WRITERS * shards):
        process.start(writer(handle, end, world))
    marks = []
    world.at(warm, lambda: marks.append(value(world)))
    world.at(end, lambda: marks.append(value(world)))
    world.run()
    rate = (marks[1] - marks[0]) / seconds
    assert 0.9 * shards * 1000 <= rate <= 1.01 * shards * 1000


def value(world):
    return sum(integer(item, "value") for item in world.store.items("coordination"))
