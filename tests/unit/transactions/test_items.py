"""Where an item is, what was read there, and what proves that it still is so."""

from decimal import Decimal
from typing import Any

import pytest

from interlock._protocol.transactions.items import (
    HISTORY,
    UNVERSIONED,
    Address,
    ItemSnapshot,
    addresses,
)
from interlock._protocol.transactions.replies import answers_get, answers_get_many, answers_write
from interlock._protocol.values import to_item
from interlock.errors import InvalidValue

A = Address.of("t", {"pk": "a", "n": 1})
ITEM = {"pk": {"S": "a"}, "n": {"N": "1"}, "x": {"S": "y"}}


# Addresses.


@pytest.mark.parametrize("value", ["a" * 2048, "\u00e9" * 1024, b"a" * 2048])
def test_a_key_of_2048_bytes_is_one(value):
    assert Address.of("t", {"pk": value}).native_key == {"pk": value}


@pytest.mark.parametrize("value", ["a" * 2049, "\u00e9" * 1025, b"a" * 2049])
def test_a_longer_key_is_refused_with_the_limit(value):
    with pytest.raises(InvalidValue, match="exceeds 2048 bytes"):
        Address.of("t", {"pk": value})


@pytest.mark.parametrize("value", ["", b""])
def test_an_empty_key_is_refused(value):
    with pytest.raises(InvalidValue, match="is empty"):
        Address.of("t", {"pk": value})


def test_a_key_of_more_than_two_attributes_is_refused_by_the_first_three():
    with pytest.raises(InvalidValue, match="names 'a', 'b', 'c'; a key"):
        Address.of("t", {"d": 1, "c": 1, "b": 1, "a": 1})


@pytest.mark.parametrize("key", [{"pk": "a"}, {"pk": 5}, {"pk": b"a"}, {"a": "x", "b": 2}])
def test_an_address_is_a_table_and_a_key(key):
    address = Address.of("t", key)
    assert address.key == to_item(key, "")
    assert address.native_key == key
    assert address.key_name in key
    assert str(address) == f"t {key}"


def test_equal_keys_are_the_same_address():
    assert Address.of("t", {"n": 1, "pk": "a"}) == A
    assert Address.of("t", {"pk": "a", "n": Decimal("1.0")}) == A
    assert Address.of("u", {"pk": "a", "n": 1}) != A


@pytest.mark.parametrize(
    ("table", "key", "told"),
    [
        (None, {"pk": "a"}, "None is not a table's name"),
        (5, {"pk": "a"}, "is not a table's name"),
        ("t", "a", r"name the key's attributes: \{\"pk\": 'a'\}"),
        ("t", 7, r"\{\"pk\": 7\}"),
        ("t", b"a", r"\{\"pk\": b'a'\}"),
        ("t", None, r"\{\"pk\": \.\.\.\}"),
        ("t", ["a"], r"\{\"pk\": \.\.\.\}"),
        ("t", {}, "names no attribute"),
        ("t", {"pk": True}, r"key\['pk'\]: a key is a string"),
        ("t", {"pk": None}, "a key is a string"),
        ("t", {"pk": ["a"]}, "a key is a string"),
        ("t", {"pk": {"a"}}, "a key is a string"),
    ],
)
def test_what_is_no_place_of_an_item_is_refused_with_what_to_write(table, key, told):
    with pytest.raises(InvalidValue, match=told):
        Address.of(table, key)


@pytest.mark.parametrize(
    ("item", "so"),
    [
        (ITEM, True),
        ({**ITEM, "n": {"N": "1.0"}}, True),
        ({**ITEM, "n": {"N": "2"}}, False),
        ({**ITEM, "pk": {"S": "b"}}, False),
        ({**ITEM, "pk": {"B": b"a"}}, False),
        ({**ITEM, "pk": "a"}, False),
        ({"pk": {"S": "a"}}, False),
        ({}, False),
        (None, False),
        ("<html>", False),
        ([], False),
    ],
    ids=str,
)
def test_an_item_is_at_an_address_by_its_whole_key(item, so):
    assert A.is_of(item) is so


@pytest.mark.parametrize("kind", [list, tuple, iter])
def test_targets_are_pairs_of_a_table_and_a_key(kind):
    pairs = [("t", {"pk": "a", "n": 1}), ["u", {"pk": "b"}]]
    assert addresses(kind(pairs)) == [A, Address.of("u", {"pk": "b"})]


@pytest.mark.parametrize(
    ("targets", "told"),
    [
        (5, "no list of"),
        (None, "no list of"),
        ("ab", "no list of"),
        (b"ab", "no list of"),
        ({"t": {"pk": "a"}}, "no list of"),
        ([5], "is no \\(table, key\\)"),
        (["ab"], "is no \\(table, key\\)"),
        ([b"ab"], "is no \\(table, key\\)"),
        ([{"t": 1, "u": 2}], "is no \\(table, key\\)"),
        pytest.param([{"t", "u"}], "is no \\(table, key\\)", id="a set"),
        ([("t",)], "is no \\(table, key\\)"),
        ([("t", {"pk": "a"}, 1)], "is no \\(table, key\\)"),
    ],
    ids=str,
)
def test_what_is_no_list_of_targets_is_refused(targets, told):
    with pytest.raises(InvalidValue, match=told):
        addresses(targets)


# What was read.


def read(version: Any = None, item=ITEM):
    """Return an item as it was read, with a version as the store has it."""
    with_it = item if version is None else {**item, "_version": version}
    return ItemSnapshot(with_it, "_version")


ABSENT = ItemSnapshot(None, "_version")


@pytest.mark.parametrize(
    ("snapshot", "writers", "unique"),
    [
        (ABSENT, (), False),
        (read(), (UNVERSIONED,), False),
        (read({"S": "v1"}), ("v1",), True),
        (read({"S": "v"}), ("v",), True),
        (read({"S": "v5 v4 v3 v2 v1"}), ("v5", "v4", "v3", "v2", "v1"), True),
        (read({"S": "v6 v5 v4 v3 v2 v1"}), (UNVERSIONED,), False),
        (read({"S": "v2 - "}), (UNVERSIONED,), False),
        (read({"S": "v2 -"}), ("v2", "-"), True),
        (read({"S": ""}), (UNVERSIONED,), False),
        (read({"S": " v1"}), (UNVERSIONED,), False),
        (read({"S": "x" * 128}), ("x" * 128,), True),
        (read({"S": "x" * 129}), (UNVERSIONED,), False),
        (read({"S": f"v {'x' * 129}"}), (UNVERSIONED,), False),
        (read({"N": "1"}), (UNVERSIONED,), False),
        (read("v1"), (UNVERSIONED,), False),
    ],
    ids=lambda given: str(given.version)[:30] if isinstance(given, ItemSnapshot) else None,
)
def test_a_version_names_its_writers_and_never_comes_back(snapshot, writers, unique):
    assert snapshot.writers == writers
    assert snapshot.unique is unique


def test_a_successor_names_itself_and_the_last_before_it():
    assert ABSENT.successor("v1") == "v1"
    assert read().successor("v1") == f"v1 {UNVERSIONED}"
    version = "v1"
    for number in range(2, 10):
        version = read({"S": version}).successor(f"v{number}")
    assert version == "v9 v8 v7 v6 v5"
    assert len(version.split(" ")) == HISTORY


@pytest.mark.parametrize(
    ("snapshot", "other", "same"),
    [
        (ABSENT, None, True),
        (ABSENT, ITEM, False),
        (read(), None, False),
        (read(), ITEM, True),
        (read(), {**ITEM, "x": {"S": "another"}}, True),
        (read({"S": "v1"}), {**ITEM, "_version": {"S": "v1"}}, True),
        (read({"S": "v1"}), {**ITEM, "_version": {"S": "v2 v1"}}, False),
        (read({"S": "v1"}), ITEM, False),
        (read(), {**ITEM, "_version": {"S": "v1"}}, False),
        (read({"S": "v1"}), None, False),
    ],
)
def test_an_item_is_as_it_was_read_as_far_as_versions_say(snapshot, other, same):
    assert snapshot.same_as(other) is same


def test_a_caller_sees_an_item_without_its_version_and_fresh_each_time():
    snapshot = read({"S": "v1"})
    assert snapshot.native == {"pk": "a", "n": 1, "x": "y"}
    assert snapshot.native is not snapshot.native
    assert ABSENT.native is None


# Whether a reply answers what was asked.


def of(table):
    return {"TableName": table, "CapacityUnits": 1.0}


@pytest.mark.parametrize(
    ("reply", "answers"),
    [
        ({"Item": ITEM}, True),
        ({"Item": {**ITEM, "pk": {"S": "b"}}, "ConsumedCapacity": of("t")}, False),
        ({"ConsumedCapacity": of("t")}, True),
        ({"ConsumedCapacity": of("u")}, False),
        ({}, False),
        ("<html>", False),
        (None, False),
    ],
    ids=str,
)
def test_a_read_is_answered_by_the_item_or_by_what_it_cost(reply, answers):
    assert answers_get(reply, A) is answers


@pytest.mark.parametrize(
    ("responses", "answers"),
    [
        ([{"Item": ITEM}, {}], True),
        ([{}, {}], True),
        ([{}, {"Item": ITEM}], False),
        ([{"Item": {**ITEM, "pk": {"S": "c"}}}, {}], False),
        ([{"Item": ITEM}], False),
        ([{"Item": ITEM}, {}, {}], False),
        ([None, {}], False),
        (["Item", {}], False),
        ({"a": 1, "b": 2}, False),
        (None, False),
    ],
    ids=str,
)
def test_reads_are_answered_by_as_many_items_of_those_places(responses, answers):
    wanted = [A, Address.of("t", {"pk": "b", "n": 1})]
    assert answers_get_many({"Responses": responses}, wanted) is answers
    assert not answers_get_many({}, wanted)
    assert not answers_get_many("<html>", wanted)


@pytest.mark.parametrize(
    ("reply", "answers"),
    [
        ({"Attributes": {"_version": {"S": "v1"}}}, True),
        ({"Attributes": {"_version": {"S": "v2"}}}, False),
        ({"Attributes": {"n": {"N": "1"}}}, False),
        ({"Attributes": {}}, False),
        ({"Attributes": "v1"}, False),
        ({}, False),
        ("<html>", False),
        (None, False),
    ],
    ids=str,
)
def test_a_write_is_answered_by_its_version(reply, answers):
    assert answers_write(reply, "_version", {"S": "v1"}) is answers
