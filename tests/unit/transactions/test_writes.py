"""Writes to one item: what they make of it, how two of them become one, and what they weigh."""

import itertools
from decimal import Decimal
from functools import reduce

import pytest

from interlock._protocol.transactions.items import Address
from interlock._protocol.transactions.writes import (
    Delete,
    Put,
    Update,
    Write,
    merged,
    size,
    total,
    typed,
    update_of,
)
from interlock._protocol.values import to_item
from interlock.errors import InvalidValue

ADDRESS = Address.of("t", {"pk": "a"})
FIXED = frozenset({"pk", "_version"})


def update(assign=(), add=(), remove=()):
    return Update(to_item(dict(assign), ""), to_item(dict(add), ""), frozenset(remove))


def put(**attributes):
    return typed(ADDRESS, attributes, "_version")


WRITES: list[Write] = [
    put(n=1, s={"x"}),
    put(),
    Delete(),
    update(assign={"n": 5}),
    update(assign={"n": 5, "other": "x"}),
    update(add={"n": 2}),
    update(add={"n": 2, "s": {"y"}}),
    update(remove={"n"}),
    update(remove={"n", "other"}),
    update(assign={"other": "y"}, add={"n": -1}, remove={"s"}),
    update(assign={"s": {"z"}}, remove={"n"}),
]
ITEMS = [None, put(n=10).item, put(s={"a", "b"}, other="before").item, put(n=1, s={"y"}).item]


@pytest.mark.parametrize("item", ITEMS)
def test_two_writes_that_became_one_have_the_effect_of_both(item):
    for first, second in itertools.product(WRITES, WRITES):
        both = second.apply(first.apply(item, ADDRESS), ADDRESS)
        assert merged(first, second, ADDRESS).apply(item, ADDRESS) == both, (first, second)


@pytest.mark.parametrize("item", ITEMS)
def test_three_writes_that_became_one_have_the_effect_of_all(item):
    for writes in itertools.product(WRITES[3:], repeat=3):
        one = reduce(lambda earlier, later: merged(earlier, later, ADDRESS), writes)
        wanted = item
        for write in writes:
            wanted = write.apply(wanted, ADDRESS)
        assert one.apply(item, ADDRESS) == wanted, writes


def test_one_that_is_merged_names_no_attribute_twice():
    """DynamoDB refuses an update in which two clauses change the same attribute."""
    for first, second in itertools.product(WRITES[3:], WRITES[3:]):
        one = merged(first, second, ADDRESS)
        assert isinstance(one, Update)
        names = [*one.assign, *one.add, *one.remove]
        assert len(names) == len(set(names)), (first, second)


def test_an_update_says_what_it_makes_of_an_item():
    made = update(assign={"other": "y"}, add={"n": 2}, remove={"s"}).apply(ITEMS[3], ADDRESS)
    assert made == put(other="y", n=3).item
    assert update(add={"n": 2}).apply(None, ADDRESS) == put(n=2).item


@pytest.mark.parametrize(
    ("assign", "add", "remove", "told"),
    [
        ({"pk": "b"}, {}, (), "neither a key nor the version"),
        ({}, {"_version": 1}, (), "neither a key nor the version"),
        ({}, {}, ["pk"], "neither a key nor the version"),
        ({"n": 1}, {"n": 1}, (), "more than one way"),
        ({"n": 1}, {}, ["n"], "more than one way"),
        ({}, {"n": 1}, ["n"], "more than one way"),
        ({}, {"n": "x"}, (), "only numbers and sets"),
        ({}, {"n": ["x"]}, (), "only numbers and sets"),
    ],
)
def test_an_update_that_the_store_would_not_take_is_refused(assign, add, remove, told):
    with pytest.raises(InvalidValue, match=told):
        update_of(assign, add, remove, FIXED)


def test_numbers_and_sets_can_be_added():
    made = update_of({"a": 1}, {"n": 1, "s": {"x"}, "b": {b"x"}, "m": {1}}, ["gone"], FIXED)
    assert made == update({"a": 1}, {"n": 1, "s": {"x"}, "b": {b"x"}, "m": {1}}, ["gone"])


@pytest.mark.parametrize(
    ("base", "addend", "sum_"),
    [
        (1, 2, 3),
        (Decimal("0.5"), Decimal("-0.5"), 0),
        ({"x"}, {"y", "x"}, {"x", "y"}),
        ({1}, {2}, {1, 2}),
        ({b"x"}, {b"y"}, {b"x", b"y"}),
    ],
)
def test_a_total_is_the_sum_or_the_union(base, addend, sum_):
    typed_ones = to_item({"base": base, "addend": addend, "sum": sum_}, "")
    assert total(typed_ones["base"], typed_ones["addend"], "n") == typed_ones["sum"]
    assert total(None, typed_ones["addend"], "n") == typed_ones["addend"]


@pytest.mark.parametrize(
    ("base", "addend", "told"),
    [
        ({"S": "x"}, {"N": "1"}, "holds S; N cannot be added"),
        ({"SS": ["x"]}, {"NS": ["1"]}, "holds SS; NS cannot be added"),
        ({"N": "1E+40"}, {"N": "1"}, "more digits than the store keeps"),
    ],
)
def test_what_cannot_be_added_is_refused(base, addend, told):
    with pytest.raises(InvalidValue, match=told):
        total(base, addend, "n")


@pytest.mark.parametrize(
    ("value", "weight"),
    [
        ("", 0),
        ("é", 2),
        (b"abc", 3),
        (None, 1),
        (True, 1),
        (1234, 3),
        (-1234, 3),
        (Decimal("12.34"), 3),
        (1200, 2),
        ({"x", "yz"}, 3),
        ({b"x", b"yz"}, 3),
        ({1234, 56}, 5),
        ([], 3),
        (["abc", "de"], 3 + 2 + 5),
        ({}, 3),
        ({"ab": "cde", "f": "g"}, 3 + 2 + 7),
    ],
)
def test_an_item_weighs_what_the_store_counts(value, weight):
    """By the developer guide: a name and its value; 3 for a list or map, and 1 for each member."""
    assert size(to_item({"name": value}, "")) == len("name") + weight


def test_a_put_has_its_key_and_no_version_of_the_callers():
    assert put(n=1) == Put(to_item({"pk": "a", "n": 1}, ""))
    assert typed(ADDRESS, {"pk": "a", "n": 1}, "_version") == put(n=1)
    with pytest.raises(InvalidValue, match="its key otherwise"):
        typed(ADDRESS, {"pk": "b"}, "_version")
    with pytest.raises(InvalidValue, match="the library's own"):
        typed(ADDRESS, {"_version": "x"}, "_version")
