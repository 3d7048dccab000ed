"""Bounds at their edges: 38 digits, names and keys by bytes, and what is within."""

import pytest

from interlock import CounterClient
from interlock._protocol.counters.bounds import LARGEST, Bounds, checked_integer, checked_name
from interlock.errors import InvalidCounterName, InvalidValue
from interlock.testing import MemoryStore

HALF = LARGEST // 2


@pytest.mark.parametrize(
    ("floor", "ceiling", "least", "most", "start"),
    [
        (None, None, -HALF, HALF, 0),
        (None, 5, 5 - LARGEST, 5, 0),
        (None, -5, -LARGEST, -5, -5),
        (5, None, 5, LARGEST, 5),
        (-5, None, -5, LARGEST - 5, 0),
        (3, 9, 3, 9, 3),
        (-9, -3, -9, -3, -3),
        (-9, 9, -9, 9, 0),
        (7, 7, 7, 7, 7),
    ],
)
def test_a_counter_begins_at_the_value_within_its_bounds_that_is_nearest_to_0(
    floor, ceiling, least, most, start
):
    bounds = Bounds(floor, ceiling)
    assert (bounds.least, bounds.most, bounds.start) == (least, most, start)
    assert [bounds.contains(value) for value in (least, start, most)] == [True, True, True]
    assert [bounds.contains(value) for value in (least - 1, most + 1)] == [False, False]


@pytest.mark.parametrize(
    ("floor", "ceiling", "wrong"),
    [
        (6, 5, "floor"),
        (-1, LARGEST, "ceiling"),  # 39 digits of escrow
        (-LARGEST - 1, None, "floor"),
        (None, LARGEST + 1, "ceiling"),
        (True, None, "floor"),
        (None, 1.0, "ceiling"),
    ],
)
def test_bounds_that_cannot_be_kept_are_refused(floor, ceiling, wrong):
    with pytest.raises(InvalidValue) as refused:
        Bounds(floor, ceiling)
    assert refused.value.path == wrong


def test_the_escrow_of_a_counter_may_have_38_digits():
    assert Bounds(0, LARGEST).most == LARGEST
    assert Bounds(-LARGEST, 0).least == -LARGEST
    assert Bounds(-LARGEST, -LARGEST).start == -LARGEST


def test_an_integer_has_38_digits_at_most_and_no_less_than_is_asked_for():
    assert checked_integer(LARGEST, "amount") == LARGEST
    assert checked_integer(-LARGEST, "amount") == -LARGEST
    assert checked_integer(1, "amount", least=1) == 1
    for value in (LARGEST + 1, -LARGEST - 1):
        with pytest.raises(InvalidValue):
            checked_integer(value, "amount")
    with pytest.raises(InvalidValue):
        checked_integer(0, "amount", least=1)


@pytest.mark.parametrize(
    ("most", "value", "told"), [(LARGEST, LARGEST + 1, r"10\^38 - 1"), (7, 8, r"\b7\b")]
)
def test_an_integer_that_is_too_large_is_told_the_limit_as_it_is_read(most, value, told):
    with pytest.raises(InvalidValue, match=told):
        checked_integer(value, "amount", most=most)


@pytest.mark.parametrize("name", ["x", "x" * 512, "é" * 256])
def test_a_name_has_up_to_512_bytes(name):
    assert checked_name(name) == name
    with pytest.raises(InvalidCounterName):
        checked_name(name + "é" * 256)


def test_a_name_has_one_spelling_and_may_join_letters():
    assert checked_name("e\u0301") == "\u00e9"
    for name in ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\U0001f469\u200d\U0001f467"):
        assert checked_name(name) == name


@pytest.mark.parametrize("name", ["a\n", "\ud800", "a#1", "", None, 7])
def test_a_name_that_cannot_be_is_refused(name):
    with pytest.raises(InvalidCounterName):
        checked_name(name)


@pytest.mark.parametrize("character", ["x", "é"])
def test_a_key_has_up_to_512_bytes(character):
    store = MemoryStore("t")
    counter = CounterClient("t", client=store.client()).counter("c")
    longest = character * (512 // len(character.encode()))
    assert counter.increment(idempotency_key=longest).value == 1
    with pytest.raises(InvalidValue):
        counter.increment(idempotency_key=longest + "x")
