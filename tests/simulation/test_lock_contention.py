"""Contended locks, in virtual time: as quick as a client that puts until it succeeds, and cheaper.

The figures come from the protocol alone, whatever the machine is busy with.
"""

import random
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median
from typing import Any

import pytest

from interlock._protocol.faults import Refused
from interlock._protocol.locks.client import LockOperations
from interlock._protocol.requests import call, sleep
from tests.simulation.faults import Faults
from tests.simulation.locking import SETTINGS
from tests.simulation.world import World

TABLE, KEY = "coordination", {"pk": {"S": "put"}}
POLL, WORK, REST, SECONDS = 0.05, 0.002, 0.05, 20.0


class Ours:
    """The operations of this library."""

    def __init__(self):
        self.locks = LockOperations(replace(SETTINGS, poll=POLL), lambda: "o")

    def acquire(self):
        self.grant = yield from self.locks.acquire("l").run()

    def release(self):
        yield from self.locks.release(self.grant)


class Putting:
    """What dynalock and dynamo-dlm do: put if there is no item, sleep, put again; delete."""

    def acquire(self):
        put = {"Item": KEY, "ConditionExpression": "attribute_not_exists(pk)"}
        while True:
            try:
                yield from call("PutItem", TableName=TABLE, **put)
            except Refused:
                yield from sleep(POLL)
            else:
                return

    def release(self):
        yield from call("DeleteItem", TableName=TABLE, Key=KEY)


class Looking(Putting):
    """What python-dynamodb-lock does, as the Java client before it: get, then put."""

    def acquire(self):
        while True:
            found = yield from call("GetItem", TableName=TABLE, Key=KEY, ConsistentRead=True)
            if "Item" not in found:
                put = {"Item": KEY, "ConditionExpression": "attribute_not_exists(pk)"}
                try:
                    yield from call("PutItem", TableName=TABLE, **put)
                except Refused:
                    pass
                else:
                    return
            yield from sleep(POLL)


class CountingWorld(World):
    """A world that counts what is sent."""

    calls = 0

    def send(self, task: Any, request: Any) -> None:
        self.calls += 1
        super().send(task, request)


@dataclass
class Outcome:
    sections: int
    handover: float
    calls: float


def crowd(make, processes):
    """Let processes enter a section over and over; each rests a little in between."""
    world = CountingWorld(1, faults=Faults(latency=0.002))
    sections = []

    def life(lock, number):
        dice = random.Random(number)  # noqa: S311 - repeatable on purpose
        while world.now < SECONDS:
            yield from lock.acquire()
            entered = world.now
            yield from sleep(WORK)
            sections.append((entered, world.now, number))
            yield from lock.release()
            yield from sleep(REST * dice.random())

    for number in range(processes):
        world.process(f"p{number}").start(life(make(), number))
    world.run()
    gaps = [b[0] - a[1] for a, b in pairwise(sorted(sections)) if a[2] != b[2]]
    assert min(gaps) > 0.0
    return Outcome(len(sections), median(gaps), world.calls / len(sections))


@pytest.mark.parametrize("processes", [4, 16])
@pytest.mark.parametrize("other", [Putting, Looking])
def test_a_crowd_gets_more_done_with_fewer_calls_than_with_other_clients(processes, other):
    ours, theirs = crowd(Ours, processes), crowd(other, processes)
    assert ours.sections > theirs.sections
    assert ours.handover < theirs.handover
    assert ours.calls < theirs.calls


def test_who_waits_for_long_reads_instead_of_writing():
    world = CountingWorld(1)
    lock = Ours()

    def hold():
        yield from lock.acquire()
        yield from sleep(0.9 * SETTINGS.lease)
        yield from lock.release()

    def wait():
        yield from sleep(0.1)
        yield from Ours().acquire()

    world.process("a").start(hold())
    world.process("b").start(wait())
    world.run()
    sent = [row.event for row in world.timeline.rows if row.process == "b"]
    assert sent.count("-> GetItem") > 5 * sent.count("-> UpdateItem")
