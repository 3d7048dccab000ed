"""A payload is only hashed: any plain value has a hash that every process agrees on."""

import datetime as dt
import enum
import subprocess
import sys
import uuid
from dataclasses import dataclass
from decimal import Decimal
from functools import partial, wraps
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import pytest
from boto3.dynamodb.types import Binary

from interlock._protocol.transactions.fingerprint import (
    MAX_OPERATION_BYTES,
    arguments_of,
    checked_operation,
    code_of,
    fingerprint,
    operation_of,
    unscoped_fingerprint,
)
from interlock.errors import InvalidValue

UTC = dt.UTC
EAST = dt.timezone(dt.timedelta(hours=2))
ID = uuid.UUID(int=7)
NAIVE = dt.datetime(2026, 1, 1)  # noqa: DTZ001 - on purpose


class Color(enum.StrEnum):
    RED = "red"


class Level(enum.Enum):
    HIGH = 3


@dataclass
class Order:
    number: int
    price: float


ALIKE = [
    (1, 1.0, Decimal("1.0"), Decimal("1E0"), Decimal(1)),
    (30.40, Decimal("30.4"), Decimal("30.400")),
    (0, 0.0, -0.0, Decimal("0E5")),
    (10**50, Decimal(10**50), 1e50),
    (b"x", bytearray(b"x"), memoryview(b"x"), Binary(b"x")),
    ([1, 2], (1, 2)),
    ({1, 2}, frozenset({2, 1.0})),
    ({"a": 1, "b": [None]}, {"b": [None], "a": 1.0}),
    (dt.datetime(2026, 1, 1, 10, tzinfo=EAST), dt.datetime(2026, 1, 1, 8, tzinfo=UTC)),
    ("red", Color.RED),
    (3, Level.HIGH),
    ({"number": 1, "price": 2.5}, Order(1, 2.5)),
]
DIFFERENT = [
    None, True, False, 0, 1, 2, -1, 0.1, float("inf"), float("nan"), "", "1", "\ud800", b"", b"1",
    [], [1], [[1]], [1, 1], set(), {1}, {}, {"a": 1}, {"a": None}, {1: "a"}, {"1": "a"},
    NAIVE, NAIVE.replace(tzinfo=UTC), dt.date(2026, 1, 1),
    dt.time(1), dt.timedelta(1), ID, str(ID), ID.hex,
    {frozenset({1}): (ID, dt.date(2026, 1, 1))},
]  # fmt: skip


@pytest.mark.parametrize("values", ALIKE, ids=lambda values: type(values[-1]).__name__)
def test_equal_values_are_alike(values):
    assert len({fingerprint(value) for value in values}) == 1


def test_different_values_differ():
    assert len({fingerprint(value) for value in DIFFERENT}) == len(DIFFERENT)


def test_another_process_agrees():
    """Though it hashes strings otherwise, and so orders sets otherwise."""
    value = "{'a': {'x', 'y', 'z', 1.5}, 'b': {frozenset({'p', 'q'})}}"
    program = (
        "from interlock._protocol.transactions.fingerprint import fingerprint\n"
        f"print(fingerprint({value}))"
    )
    ours = fingerprint({"a": {"x", "y", "z", 1.5}, "b": {frozenset({"p", "q"})}})
    for seed in ("1", "2"):
        told = subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert told.stdout.strip() == ours


@pytest.mark.parametrize(
    "value",
    [object(), {"a": [object()]}, {"a": Order}, {object(): 1}],
    ids=["object", "inside", "class", "key"],
)
def test_what_has_no_such_hash_is_refused(value):
    with pytest.raises(InvalidValue, match="payload"):
        fingerprint(value)


def test_what_contains_itself_is_refused():
    value: list[Any] = []
    value.append(value)
    with pytest.raises(InvalidValue, match="contains itself"):
        fingerprint(value)


def test_what_no_earlier_record_can_have_is_hashed_as_it_is_now():
    for value in (dt.date(2026, 1, 1), {"price": 0.5}):
        assert unscoped_fingerprint(value) == fingerprint(value)
    itself: dict[str, Any] = {}
    itself["itself"] = [itself]
    with pytest.raises(InvalidValue, match="contains itself"):
        unscoped_fingerprint(itself)


def test_an_operation_is_the_module_and_the_qualified_name():
    assert operation_of(fingerprint) == "interlock._protocol.transactions.fingerprint.fingerprint"
    assert operation_of(partial(partial(fingerprint), 1)) == operation_of(fingerprint)


def test_the_code_of_a_lambda_is_what_it_does():
    first, same = (lambda t: t.get("a"), lambda t: t.get("a"))
    assert code_of(first) == code_of(same) != code_of(lambda t: t.get("b"))
    assert code_of(lambda t: [x + 2 for x in t]) != code_of(lambda t: [x + 1 for x in t])
    assert code_of(fingerprint) is None


def test_what_is_only_named_like_a_lambda_has_no_code():
    class Other:
        __name__ = "<lambda>"

        def __call__(self):
            pass

    assert code_of(Other()) is None


def test_a_callable_object_is_named_by_its_class():
    class Shipping:
        def __call__(self):
            pass

    assert operation_of(Shipping()).endswith(
        "a_callable_object_is_named_by_its_class.<locals>.Shipping"
    )


@pytest.mark.parametrize(
    ("spec", "named"), [(ModuleSpec("shop.main", None), "shop.main"), (None, "__main__")]
)
def test_a_function_of_the_program_is_of_its_module_however_it_was_started(
    monkeypatch, spec, named
):
    program = ModuleType("__main__")
    program.__spec__ = spec
    monkeypatch.setitem(sys.modules, "__main__", program)

    def ship():
        pass

    ship.__module__, ship.__qualname__ = "__main__", "ship"
    assert operation_of(ship) == f"{named}.ship"
    assert operation_of(fingerprint) == "interlock._protocol.transactions.fingerprint.fingerprint"


def test_the_arguments_of_a_partial_are_those_that_it_has_bound():
    def move(*_args, **_more):
        pass

    bound = partial(partial(move, 1), 2, to="x")
    assert arguments_of(bound) == [None, [1, 2], {"to": "x"}]
    assert arguments_of(wraps(bound)(lambda: None)) == arguments_of(bound)
    assert arguments_of(move) is None


def test_a_hash_is_the_one_that_the_records_of_earlier_releases_have():
    """Keys live on over a deployment: by another hash, their repetitions would be refused."""
    payload = {
        "map": {"b": [1, -2.5, Decimal("1E+3"), 0, float("inf")], "a": (None, True, "é")},
        7: {"x", b"\x00\xff"},
        "at": dt.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=EAST),
        "day": dt.date(2026, 1, 2),
        "for": dt.timedelta(seconds=1.5),
        "id": ID,
    }
    assert fingerprint(payload) == (
        "a147e866bd673d4814b216bcaa032cddde0ed043af95294be83356de221638fa"
    )
    assert fingerprint(payload, "more") == (
        "85fc929f17adb69ab9ecf1a8e7a7c672202392d4474256b79f387e279e0d413d"
    )
    assert unscoped_fingerprint({"b": [1, "x"], "a": b"\x00"}) == (
        "e5acf43ab00df92800dc623c9e675c1486664d7c63e23830c6c5b67d7e429350"
    )


@pytest.mark.parametrize("character", ["x", "é"])
def test_the_name_of_an_operation_has_up_to_512_bytes(character):
    longest = character * (512 // len(character.encode()))
    assert checked_operation(longest) == longest
    with pytest.raises(InvalidValue, match=str(MAX_OPERATION_BYTES)):
        checked_operation(longest + "x")


@pytest.mark.parametrize("name", ["", "a#b", "#", "\ud800", 7, None])
def test_what_cannot_scope_a_key_is_no_name_of_an_operation(name):
    with pytest.raises(InvalidValue, match="operation"):
        checked_operation(name)
