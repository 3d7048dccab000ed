"""The world replays exactly, interleaves, and loses what it is told to lose."""

import os
import subprocess
import sys

import pytest

from interlock._protocol.faults import NoReply, Refused
from interlock._protocol.requests import call, monotonic, sleep
from tests.simulation.faults import STORM, Faults
from tests.simulation.world import EPOCH, Violation, World

KEY = {"pk": {"S": "n"}}


def add_one():
    yield from call(
        "UpdateItem",
        TableName="coordination",
        Key=KEY,
        UpdateExpression="ADD n :one",
        ExpressionAttributeValues={":one": {"N": "1"}},
    )


def number(world):
    return int(world.store.item("coordination", "n")["n"]["N"])


def read_then_write():
    found = yield from call("GetItem", TableName="coordination", Key=KEY, ConsistentRead=True)
    n = int(found.get("Item", {}).get("n", {"N": "0"})["N"])
    item = {**KEY, "n": {"N": str(n + 1)}}
    yield from call("PutItem", TableName="coordination", Item=item)


def run_storm(seed):
    world = World(seed, faults=STORM)
    for name in "abc":
        world.process(name).start(add_one(), may_raise=(NoReply, Refused, Exception))
    world.run()
    return world.timeline.show("abc")


def test_a_seed_replays_exactly():
    assert [run_storm(seed) for seed in range(50)] == [run_storm(seed) for seed in range(50)]


RUN_EACH = """
from tests.simulation.scenarios import SCENARIOS
for name, scenario in SCENARIOS.items():
    run = scenario(3)
    run.run()
    world = getattr(run, "world", run)
    print(name, world.now, world.steps)
"""


def test_a_seed_replays_in_another_process():
    """Whose hashes of texts, and so the order of its sets, are others."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", RUN_EACH],
            env={**os.environ, "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in ("1", "2")
    ]
    one, other = [process.communicate()[0].splitlines() for process in processes]
    assert one
    assert [ran for ran, again in zip(one, other, strict=True) if ran != again] == []


def test_seeds_interleave_unprotected_processes():
    results = set()
    for seed in range(100):
        world = World(seed)
        for name in "ab":
            world.process(name).start(read_then_write())
        world.run()
        results.add(number(world))
    assert results == {1, 2}


@pytest.mark.parametrize(
    ("faults", "count"),
    [
        (Faults(lost_request=1.0), 0),
        (Faults(lost_reply=1.0), 1),
        (Faults(error_before=1.0), 0),
        (Faults(error_after=1.0), 1),
    ],
)
def test_an_ambiguous_call_was_carried_out_or_not(faults, count):
    world = World(0, faults=faults)
    task = world.process("a").start(add_one(), may_raise=(NoReply,))
    world.run()
    assert isinstance(task.error, NoReply)
    item = world.store.item("coordination", "n")
    assert (item is not None) == bool(count)


def test_a_call_sent_twice_unseen_is_carried_out_twice():
    world = World(0, faults=Faults(twice=1.0))
    world.process("a").start(add_one())
    world.run()
    assert number(world) == 2


def test_single_writes_meet_a_transaction_in_flight():
    def transaction():
        update = {
            "TableName": "coordination",
            "Key": KEY,
            "UpdateExpression": "ADD n :one",
            "ExpressionAttributeValues": {":one": {"N": "1"}},
        }
        yield from call("TransactWriteItems", TransactItems=[{"Update": update}])

    codes = set()
    for seed in range(100):
        world = World(seed)
        tasks = [
            world.process("a").start(transaction(), may_raise=(Refused,)),
            world.process("b").start(add_one(), may_raise=(Refused,)),
            world.process("c").start(transaction(), may_raise=(Refused,)),
        ]
        world.run()
        codes |= {task.error.code for task in tasks if isinstance(task.error, Refused)}
        assert number(world) == sum(task.error is None for task in tasks)
    assert codes == {"TransactionConflictException", "TransactionCanceledException"}


def test_a_paused_process_notices_only_by_its_clock():
    def program():
        before = yield from monotonic()
        yield from sleep(1.0)
        return (yield from monotonic()) - before

    world = World(0)
    process = world.process("a")
    task = process.start(program())
    world.at(0.5, process.pause, 10.0)
    world.run()
    assert task.result == pytest.approx(10.5)


def test_ttl_deletes_what_has_expired_at_some_time_after_and_nothing_else():
    def program():
        for name, attributes in (("n", {"expires": {"N": str(int(EPOCH) + 100)}}), ("kept", {})):
            item = {"pk": {"S": name}, **attributes}
            yield from call("PutItem", TableName="coordination", Item=item)
        yield from sleep(1000.0)

    times = set()

    def note(change):
        if change.after is None:
            times.add(world.now)

    for seed in range(20):
        world = World(seed, faults=Faults(sweeps=30.0))
        world.store.on_change(note)
        world.process("a").start(program())
        world.run()
        assert [item["pk"]["S"] for item in world.store.items("coordination")] == ["kept"]
    assert len(times) == 20
    assert min(times) > 100.0
    assert max(times) > 150.0


def test_clocks_drift_apart_when_told_to():
    def program(process):
        before = process.monotonic()
        yield from sleep(1000.0)
        return (process.world.now, process.monotonic() - before)

    world = World(1, faults=Faults(drift=0.0005))
    processes = [world.process(name) for name in "ab"]
    tasks = [process.start(program(process)) for process in processes]
    world.run()
    (woke_first, by_own_clock), (woke_next, by_its_own) = (task.result for task in tasks)
    assert by_own_clock == pytest.approx(1000.0)
    assert by_its_own == pytest.approx(1000.0)
    assert 0.01 < abs(woke_first - woke_next) < 1.0


def test_what_never_ends_is_reported_with_its_name():
    def forever():
        while True:
            yield from sleep(1.0)

    world = World(3, within=60.0)
    world.process("a").start(forever(), name="polling")
    with pytest.raises(Violation, match=r"seed 3: no progress.*a: polling"):
        world.run()


def test_a_broken_invariant_stops_the_run_with_a_timeline():
    world = World(5)
    world.process("a").start(add_one())

    def never_written():
        assert world.store.item("coordination", "n") is None, "a process wrote"

    world.invariant(never_written)
    with pytest.raises(Violation, match=r"(?s)seed 5: a process wrote.*-> UpdateItem.*ADD n :one"):
        world.run()
