"""The items of a counter as they are laid out, and what a handle remembers of them."""

import pytest

from interlock._protocol.counters.adding import add
from interlock._protocol.counters.bounds import LARGEST, Bounds
from interlock._protocol.counters.keyed import add_once
from interlock._protocol.counters.layout import (
    Handle,
    Snapshot,
    belongs,
    bounds_of,
    era_of,
    integer,
    new_items,
    new_revision,
    number,
    shares,
    total,
)
from interlock._protocol.counters.ledger import Once
from interlock.errors import CounterMismatch, TableUnfit
from interlock.testing._store.store import Store
from interlock.testing._store.tables import Table
from tests.unit.test_counter_adding import World, budget, handle


def laid_out(shards=3, value=50, bounds=None, era="3.e"):
    given = Bounds(0, 99) if bounds is None else bounds
    return new_items(Handle("t", "c"), given, shards, value, revision=7, era=era)


@pytest.mark.parametrize("shards", [1, 3, 64])
@pytest.mark.parametrize("bounds", [Bounds(0, 99), Bounds(-9, 50), Bounds(50), Bounds()], ids=str)
def test_a_new_counter_has_its_value_and_room_up_to_its_bounds(shards, bounds):
    items = laid_out(shards, bounds=bounds)
    assert len(items) == shards
    assert total(items, "value") == 50
    assert total(items, "up") == bounds.most - 50
    assert total(items, "down") == 50 - bounds.least
    for side in ("up", "down"):
        numbers = [integer(item, side) for item in items]
        assert max(numbers) - min(numbers) <= 1
    assert bounds_of(items[0]) == bounds


def test_each_shard_has_its_own_key_and_the_same_era_and_no_entries():
    items = laid_out()
    keys = ["counter#c", "counter#c#1", "counter#c#2"]
    assert [item["pk"] for item in items] == [{"S": key} for key in keys]
    assert [era_of(item) for item in items] == ["3.e"] * 3
    assert [item["kept"] for item in items] == [number(0)] * 3
    assert [integer(item, "value") for item in items] == [50, 0, 0]


def test_only_the_header_says_what_the_counter_is():
    header, *others = laid_out()
    said = {
        "shards": number(3),
        "span": number(3),
        "revision": number(7),
        "listing": {"S": "counter"},
        "format": number(2),
        "floor": number(0),
        "ceiling": number(99),
    }
    assert said.items() <= header.items()
    assert not any(said.keys() & other.keys() for other in others)


@pytest.mark.parametrize(
    ("amount", "parts", "each"), [(5, 3, [2, 2, 1]), (6, 3, [2, 2, 2]), (0, 2, [0, 0])]
)
def test_an_amount_is_split_evenly_and_the_first_have_the_rest(amount, parts, each):
    assert shares(amount, parts) == each


def test_records_and_tickets_are_items_beside_the_counter():
    assert handle().record_key("k")["pk"] == {"S": "counter#c#once#k"}
    assert handle().ticket_key("i")["pk"] == {"S": "counter#c#new#i"}


@pytest.mark.parametrize(
    ("era", "shards", "so"),
    [("3.e", 3, True), ("3.e", 1, False), ("13.e", 3, False), ("3.3", 33, False), (None, 3, False)],
)
def test_an_era_is_one_of_so_many_shards(era, shards, so):
    assert belongs(era, shards) is so


def test_a_revision_is_a_number_that_a_counter_can_have_and_another_each_time():
    world = World()
    revisions = {world.run(new_revision()) for _ in range(20)}
    assert len(revisions) == 20
    assert all(0 <= revision <= LARGEST for revision in revisions)


# What is declared.


@pytest.mark.parametrize(
    ("bounds", "shards"), [(Bounds(), None), (Bounds(0), None), (Bounds(0, 99), 3), (Bounds(), 3)]
)
def test_what_is_not_declared_may_be_anything(bounds, shards):
    Handle("t", "c", bounds, shards).check(laid_out()[0])


@pytest.mark.parametrize(
    ("bounds", "shards", "told"),
    [
        (Bounds(1), None, ("floor", 1, 0)),
        (Bounds(0, 98), None, ("ceiling", 98, 99)),
        (Bounds(), 4, ("shards", 4, 3)),
    ],
)
def test_what_is_declared_otherwise_is_a_mismatch(bounds, shards, told):
    with pytest.raises(CounterMismatch) as mismatch:
        Handle("t", "c", bounds, shards).check(laid_out()[0])
    assert all(str(part) in str(mismatch.value) for part in told)


def test_a_bound_that_is_declared_where_there_is_none_is_a_mismatch():
    with pytest.raises(CounterMismatch):
        Handle("t", "c", Bounds(0)).check(laid_out(bounds=Bounds())[0])


# What is remembered.


def test_a_header_tells_how_many_shards_there_are_and_each_item_its_era():
    used = handle()
    for index, item in enumerate(laid_out()):
        used.remember(index, item)
    assert (used.shards, used.eras) == (3, {0: "3.e", 1: "3.e", 2: "3.e"})
    used.remember(1, {**laid_out()[1], "era": {"S": "3.f"}})
    assert (used.shards, used.eras) == (3, {0: "3.e", 1: "3.f", 2: "3.e"})


def test_eras_of_another_number_of_shards_are_forgotten():
    used = handle(shards=2)
    used.eras = {0: "2.e", 1: "2.e"}
    used.remember(0, laid_out()[0])
    assert (used.shards, used.eras) == (3, {0: "3.e"})


def test_an_era_that_was_taken_away_is_forgotten():
    used = handle(shards=3)
    used.eras = {0: "3.e", 1: "3.e"}
    item = laid_out()[1]
    del item["era"]
    used.remember(1, item)
    assert used.eras == {0: "3.e"}
    used.remember(2, item)
    assert used.eras == {0: "3.e"}


def test_a_counter_that_is_forgotten_is_learned_anew():
    used = handle(shards=3)
    used.eras = {0: "3.e"}
    used.forget()
    assert (used.shards, used.eras) == (None, {})


# What was seen at one instant.


def test_what_was_seen_says_what_the_counter_is():
    seen = Snapshot(laid_out())
    assert seen.header["pk"] == {"S": "counter#c"}
    assert (seen.value, seen.shards, seen.revision, seen.bounds) == (50, 3, 7, Bounds(0, 99))
    assert seen.headroom("up") == [17, 16, 16]


@pytest.mark.parametrize(
    ("change", "settled"),
    [
        (lambda _: None, True),
        (lambda items: items[1].pop("era"), False),
        (lambda items: items[2].update(era={"S": "2.e"}), False),
        (lambda items: items.append({**items[2], "pk": {"S": "counter#c#3"}}), False),
    ],
)
def test_a_counter_is_settled_with_an_era_in_each_shard_and_none_closed(change, settled):
    items = laid_out()
    change(items)
    assert Snapshot(items).settled is settled


@pytest.mark.parametrize(
    "change",
    [
        lambda: add(handle(), 1, budget()),
        lambda: add_once(handle(), 1, Once("k", 60.0), budget()),
    ],
)
def test_a_table_without_the_key_of_a_counters_items_is_told_as_unfit(change):
    world = World()
    world.store = Store(Table("t", partition_key="id"))
    with pytest.raises(TableUnfit):
        world.run(change())
