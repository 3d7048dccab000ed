"""What a caller gave, at the door: the right kind passes as it is, a wrong one is refused by name.

Whole clients are given every wrong kind in test_wrong_kinds; here is what each check tells apart.
"""

from collections.abc import Callable
from typing import Any

import pytest

from interlock._protocol import kinds
from interlock._protocol.texts import texts
from interlock.errors import InvalidValue


class Both:
    """An object with two methods."""

    def record(self):
        pass

    def flush(self):
        pass


class One:
    """An object with one of two methods, whose other is no method."""

    flush = None

    def record(self):
        pass


class Unwritable:
    def __init__(self, error):
        self.error = error

    def __repr__(self):
        raise self.error


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (None, "None"),
        (7, "7 (int)"),
        ("x" * 118, f"'{'x' * 118}' (str)"),
        ("x" * 119, f"'{'x' * 119}... (str)"),
        (Unwritable(RecursionError()), "a value without a text (Unwritable)"),
        (Unwritable(ValueError()), "a value without a text (Unwritable)"),
    ],
)
def test_an_error_shows_what_was_given_in_120_characters_and_its_type(given, text):
    assert kinds.shown(given) == text


CHECKS: dict[str, Callable[[Any], Any]] = {
    "text": lambda given: kinds.checked_text("p", given),
    "optional text": lambda given: kinds.optional_text("p", given),
    "table": kinds.checked_table,
    "key": lambda given: kinds.checked_key(given, 4),
    "bytes": lambda given: kinds.checked_bytes("p", given),
    "mapping": lambda given: kinds.checked_mapping("p", given),
    "function": lambda given: kinds.checked_function("p", given, "one"),
    "optional function": lambda given: kinds.optional_function("p", given, "one"),
    "object": lambda given: kinds.checked_object("p", given, ("record", "flush"), "one"),
    "optional object": lambda given: kinds.optional_object("p", given, ("record",), "one"),
    "metrics": kinds.checked_metrics,
    "instance": lambda given: kinds.checked_instance("p", given, (int, str), "one"),
    "choice": lambda given: kinds.checked_choice("p", given, ["a", "b"]),
    "texts": lambda given: texts("p", given),
}
RIGHT: list[tuple[str, Any]] = [
    ("text", "a"),
    ("optional text", "a"),
    ("optional text", ""),
    ("optional text", None),
    ("table", "orders"),
    ("key", "abcd"),
    ("key", "éé"),
    ("bytes", b""),
    ("mapping", {}),
    ("function", len),
    ("optional function", len),
    ("optional function", None),
    ("object", Both()),
    ("optional object", One()),
    ("optional object", None),
    ("metrics", One()),
    ("metrics", None),
    ("instance", 7),
    ("choice", "b"),
    ("texts", ()),
    ("texts", ("a", "b")),
]
WRONG: list[tuple[str, Any, str]] = [
    ("text", 7, "7 (int) is not a string"),
    ("text", None, "None is not a string"),
    ("text", "", "is empty"),
    ("text", "\ud800", "lone surrogate"),
    ("optional text", 7, "neither a string nor None"),
    ("optional text", "\ud800", "lone surrogate"),
    ("table", "", "not a table's name"),
    ("table", 7, "not a table's name"),
    ("table", None, "not a table's name"),
    ("key", "", "is empty; it is a string of 1-4 bytes"),
    ("key", "abcde", "longer than 4 bytes"),
    ("key", "ééé", "longer than 4 bytes"),
    ("key", "\ud800", "lone surrogate"),
    ("key", 42, "write idempotency_key='42'"),
    ("key", b"k", "name by it what the call is about"),
    ("bytes", "x", "write .encode() behind it"),
    ("bytes", [1], "is not bytes"),
    ("mapping", [("a", 1)], 'write {"name": ...}'),
    ("function", 7, "cannot be called"),
    ("function", None, "cannot be called"),
    ("optional function", 7, "cannot be called"),
    ("object", One(), "pass one"),
    ("object", Both, "pass one"),
    ("object", None, "pass one"),
    ("optional object", 7, "pass one"),
    ("metrics", 7, "EmbeddedMetrics()"),
    ("instance", b"x", "pass one"),
    ("choice", "c", "none of a, b"),
    ("choice", ["a"], "none of a, b"),
    ("choice", None, "none of a, b"),
    ("texts", "ab", "write p=['ab']"),
    ("texts", b"ab", "write p=[b'ab']"),
    ("texts", 7, "no sequence of strings"),
    ("texts", ["a", 7], "7 is no string"),
]


@pytest.mark.parametrize(("check", "given"), RIGHT)
def test_what_is_right_passes_as_it_is(check, given):
    assert CHECKS[check](given) == given


@pytest.mark.parametrize(("check", "given", "told"), WRONG)
def test_what_is_wrong_is_refused_with_what_was_given_and_the_way_out(check, given, told):
    with pytest.raises(InvalidValue) as refusal:
        CHECKS[check](given)
    assert told in str(refusal.value)


@pytest.mark.parametrize("given", [b"ab", bytearray(b"ab"), memoryview(b"ab")])
def test_bytes_of_every_kind_become_bytes(given):
    assert kinds.checked_bytes("p", given) == b"ab"
    assert type(kinds.checked_bytes("p", given)) is bytes


@pytest.mark.parametrize("given", [iter(["a", "b"]), {"a": 1, "b": 2}, ["a", "b"]])
def test_strings_may_come_from_anything_that_goes_through_them(given):
    assert texts("p", given) == ("a", "b")
