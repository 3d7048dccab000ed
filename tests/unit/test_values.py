"""Values survive the way to the store and back; what would not is refused before."""

from decimal import Decimal
from typing import Any, cast

import pytest
from boto3.dynamodb.types import Binary as BotoBinary
from boto3.dynamodb.types import TypeSerializer
from hypothesis import given
from hypothesis import strategies as st

from interlock._protocol.values import from_attribute, from_item, to_attribute, to_item
from interlock.errors import InvalidValue

NUMBERS = st.integers(-(10**37), 10**37) | st.decimals(
    allow_nan=False, allow_infinity=False, min_value=-(10**18), max_value=10**18, places=19
)
SCALARS = st.none() | st.booleans() | NUMBERS | st.text() | st.binary()
SETS = (
    st.sets(st.text(), min_size=1) | st.sets(NUMBERS, min_size=1) | st.sets(st.binary(), min_size=1)
)
VALUES = st.recursive(
    SCALARS | SETS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(min_size=1), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(VALUES)
def test_a_value_comes_back_equal(value):
    assert from_attribute(to_attribute(value)) == value


@given(st.dictionaries(st.text(min_size=1), VALUES, max_size=4))
def test_an_item_comes_back_equal(item):
    assert from_item(to_item(item)) == item


@given(st.integers(-(10**30), 10**30) | st.text() | st.lists(st.booleans() | st.none()))
def test_the_typed_form_is_the_one_of_boto3(value):
    assert to_attribute(value) == TypeSerializer().serialize(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1"),
        (Decimal("1.0"), "1"),
        (Decimal("1E+3"), "1000"),
        (Decimal("-0.50"), "-0.5"),
        (Decimal("-0"), "0"),
        (10**125, "1" + "0" * 125),
        (Decimal("1E-130"), "1E-130"),
    ],
)
def test_equal_numbers_have_one_text(value, text):
    assert to_attribute(value) == {"N": text}
    assert from_attribute({"N": text}) == value


def test_whole_numbers_come_back_as_ints():
    assert type(from_attribute({"N": "5"})) is int
    assert type(from_attribute({"N": "5.5"})) is Decimal


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (1.5, "Decimal"),
        (10**38 + 1, "38 significant digits"),
        (10**126, r"9.99E\+125"),
        (Decimal("NaN"), "finite"),
        (Decimal("Infinity"), "finite"),
        (Decimal("1E-131"), "1E-130"),
        (set(), "empty set"),
        ({"": 1}, "name is empty"),
        ({1, "a"}, "only strings"),
        ({True}, "only strings"),
        ({1, 2.5}, "only strings"),
        ({b"x", 1}, "only strings"),
        ({"\ud800"}, "surrogate"),
        (object(), "object cannot be stored"),
        ("\ud800", "surrogate"),
        ({"\ud800": 1}, "surrogate"),
    ],
)
def test_what_the_store_would_not_keep_is_refused(value, told):
    with pytest.raises(InvalidValue, match=told):
        to_attribute(value)


def test_a_refusal_names_the_place():
    with pytest.raises(InvalidValue, match=r"item\['a'\]\[1\]\['b'\]: float"):
        to_item({"a": [0, {"b": 0.5}]})


def test_names_of_attributes_are_strings():
    with pytest.raises(InvalidValue, match="1 is not a string"):
        to_item(cast("dict[str, Any]", {1: "a"}))


def nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


def endless() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["itself"] = value
    return value


@pytest.mark.parametrize(
    "value", [nested(40), nested(5000), endless()], ids=["40", "5000", "itself"]
)
def test_what_is_nested_too_deeply_is_refused(value):
    with pytest.raises(InvalidValue, match="nested more than 32"):
        to_attribute(value)


@pytest.mark.parametrize("wrap", [lambda value: [value], lambda value: {"a": value}])
def test_a_value_may_be_nested_as_deeply_as_the_store_takes_it(wrap):
    """https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html"""
    value: Any = "deep"
    for _ in range(32):
        value = wrap(value)
    assert from_attribute(to_attribute(value)) == value
    assert from_item(to_item({"a": value})) == {"a": value}
    with pytest.raises(InvalidValue, match="nested more than 32"):
        to_attribute(wrap(value))
    with pytest.raises(InvalidValue, match="nested more than 32"):
        to_item({"a": wrap(value)})


class Binary(str):
    """A class of the application's, named as one of boto3's."""

    __slots__ = ()


def test_only_the_binary_of_boto3_is_one():
    assert to_attribute(Binary("x")) == {"S": "x"}
    assert to_attribute(BotoBinary(b"x")) == {"B": b"x"}
    with pytest.raises(InvalidValue, match="cannot be stored"):
        to_attribute(TypeSerializer())


@pytest.mark.parametrize("kind", ["X", "s", ""])
def test_an_attribute_of_no_type_is_refused(kind):
    with pytest.raises(InvalidValue, match="no type"):
        from_attribute({kind: "x"})


@pytest.mark.parametrize("values", [None, 5, "a", ["a"], [("a", 1)]])
def test_an_item_is_a_mapping(values):
    with pytest.raises(InvalidValue, match="not a mapping"):
        to_item(values)


@pytest.mark.parametrize("sign", [1, -1])
def test_an_integer_that_python_does_not_write_is_refused(sign):
    with pytest.raises(InvalidValue, match=r"without a text .*outside"):
        to_attribute(sign * 10**5000)
