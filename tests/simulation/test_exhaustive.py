"""The search visits every interleaving, and the lock holds in all of them."""

from dataclasses import replace

import pytest

from interlock._protocol.requests import call
from tests.simulation.exhaustive import search_all
from tests.simulation.lockmodel import TABLE, Rules, enter
from tests.simulation.world import Violation

KEY = {"pk": {"S": "n"}}


def write_after_reading(name):
    yield from call("GetItem", TableName=TABLE.name, Key=KEY, ConsistentRead=True)
    yield from call("PutItem", TableName=TABLE.name, Item={**KEY, "by": {"S": name}})


def test_every_order_of_two_writers_is_visited():
    orders = set()

    def build(world):
        order = []
        world.store.on_change(lambda change: order.append(change.after["by"]["S"]))
        for name in "ab":
            world.process(name).start(write_after_reading(name))

        def note():
            if len(order) == 2:
                orders.add("".join(order))

        world.invariant(note)

    search = search_all(build)
    assert search.complete
    assert orders == {"ab", "ba"}


def lock_world(rules):
    return lambda world: enter(world, rules, clients=2, rounds=1)


def test_two_clients_keep_the_lock_in_every_interleaving_to_the_end():
    search = search_all(lock_world(Rules()), tables=(TABLE,), window=0.02)
    assert search.complete
    assert search.bounded == 0
    assert search.states > 10_000


def test_two_clients_keep_the_lock_with_one_lost_message_anywhere_in_20_steps():
    search = search_all(lock_world(Rules()), tables=(TABLE,), faults=1, most_steps=20, window=0.02)
    assert search.complete
    assert search.states > 1_000


@pytest.mark.parametrize("broken", ["heartbeat_own_version", "guard_writes"])
def test_the_search_finds_a_broken_rule_with_one_pause(broken):
    with pytest.raises(Violation, match="PAUSED"):
        search_all(
            lock_world(replace(Rules(), **{broken: False})),
            tables=(TABLE,),
            faults=1,
            fates=(),
            pauses=True,
            window=0.011,
            most_steps=90,
        )
