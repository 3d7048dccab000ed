"""Lists of counters, call by call: names by the index, and values by as few reads as may be."""

import pytest

from interlock._protocol.counters.layout import Handle, number
from interlock._protocol.counters.listing import page, states
from tests.unit.test_counter_adding import READ_ALL, budget
from tests.unit.test_counter_transferring import World as Given

QUERY, BATCH = "Query", "BatchGetItem"


class World(Given):
    """A world with counters of any names."""

    def page(self, prefix="", limit=100, after=None):
        return self.run(page("t", prefix, limit, after, budget()))

    def states(self, prefix="", limit=100, after=None):
        return self.run(states("t", prefix, limit, after, budget()))

    def gone(self, name, shards=1):
        def delete():
            for index in range(shards):
                key = Handle("t", name).key(index)
                self.store.perform("DeleteItem", {"TableName": "t", "Key": key})

        return delete


@pytest.fixture
def world():
    return World()


@pytest.fixture
def named(world):
    for name in ("b", "a", "c/2", "c/1"):
        world.made(name, 2)
    return world


# Names.


def test_names_are_listed_in_order_without_shards(named):
    assert named.page() == (["a", "b", "c/1", "c/2"], None)
    assert named.calls == [QUERY]


def test_what_is_no_counter_is_not_listed(named):
    for other in ({"pk": {"S": "counter#z"}}, {"pk": {"S": "y"}, "listing": {"S": "counter"}}):
        named.store.perform("PutItem", {"TableName": "t", "Item": other})
    other = {"pk": {"S": "counter#x"}, "listing": {"S": "another"}}
    named.store.perform("PutItem", {"TableName": "t", "Item": other})
    assert named.page()[0] == ["a", "b", "c/1", "c/2"]


def test_a_page_says_where_the_next_one_begins(named):
    assert named.page(limit=3) == (["a", "b", "c/1"], "c/1")
    assert named.page(limit=3, after="c/1") == (["c/2"], None)


def test_a_prefix_is_that_of_all_names(named):
    assert named.page("c/") == (["c/1", "c/2"], None)
    assert named.page("c/", after="c/1") == (["c/2"], None)


@pytest.mark.parametrize(
    ("after", "names", "calls"),
    [("a", ["c/1", "c/2"], [QUERY]), ("d", [], []), ("é", [], [])],
)
def test_a_page_may_go_on_from_outside_its_prefix_where_the_store_does_not(
    named, after, names, calls
):
    assert named.page("c/", after=after) == (names, None)
    assert named.calls == calls
    assert all("ExclusiveStartKey" not in params for _, params in named.requests)


# Values.


def test_values_are_read_at_once_and_those_of_several_shards_each_at_one_instant(world):
    world.made("a", value=2)
    world.made("b", 3, value=5)
    world.made("c", value=7)
    found, last = world.states(limit=2)
    assert [(one.name, one.value, one.shards) for one in found] == [("a", 2, 1), ("b", 5, 3)]
    assert (found[0].floor, found[0].ceiling, last) == (0, 99, "b")
    assert world.calls == [QUERY, BATCH, READ_ALL]
    (_, asked) = world.requests[1]
    assert asked["RequestItems"]["t"]["ConsistentRead"] is True
    (rest,), end = world.states(limit=2, after=last)
    assert (rest.name, rest.value, end) == ("c", 7, None)


def test_values_of_a_prefix_are_those_of_its_counters(named):
    assert [one.name for one in named.states("c/")[0]] == ["c/1", "c/2"]


def test_what_shards_hold_that_are_being_folded_away_counts(world):
    world.made("a", 2, value=5)
    world.set("a", shards=number(1))
    shard = {**world.part("a", 1), "value": number(3)}
    world.store.perform("PutItem", {"TableName": "t", "Item": shard})
    (found,), _ = world.states()
    assert (found.value, found.shards) == (8, 1)


def test_where_there_are_none_nothing_more_is_read(world):
    assert world.states() == ([], None)
    assert world.calls == [QUERY]


@pytest.mark.parametrize("position", [1, 2])
def test_a_counter_that_goes_meanwhile_is_left_out(world, position):
    world.made("a", 2)
    world.made("b")
    world.before = {position: world.gone("a", 2)}
    assert [one.name for one in world.states()[0]] == ["b"]
