"""The search visits every interleaving, and all that can become of a call."""

from interlock._protocol.faults import NoReply
from interlock._protocol.requests import call
from tests.simulation.exhaustive import search_all
from tests.simulation.faults import Fate

TABLE = "coordination"
KEY = {"pk": {"S": "n"}}


def write_after_reading(name):
    yield from call("GetItem", TableName=TABLE, Key=KEY, ConsistentRead=True)
    yield from call("PutItem", TableName=TABLE, Item={**KEY, "by": {"S": name}})


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


def test_everything_that_can_become_of_a_call_is_visited():
    outcomes = set()

    def program():
        try:
            yield from call("PutItem", TableName=TABLE, Item=KEY)
        except NoReply:
            return "no reply"
        return "reply"

    def build(world):
        task = world.process("a").start(program())

        def note():
            if task.ended:
                outcomes.add((task.result, world.store.item(TABLE, "n") is not None))

        world.invariant(note)

    search = search_all(build, faults=1, fates=(Fate.LOST_REQUEST, Fate.LOST_REPLY))
    assert search.complete
    assert outcomes == {("reply", True), ("no reply", True), ("no reply", False)}
