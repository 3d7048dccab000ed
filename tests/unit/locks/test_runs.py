"""The record of a job's run: what it keeps, and what of it is believed."""

import asyncio
from datetime import timedelta
from enum import StrEnum

import pytest

from interlock._protocol.locks.item import MOST_FENCE, MOST_TIME
from interlock._protocol.locks.runs import (
    MOST_RESULT,
    entry,
    kept,
    run_fence,
    run_of,
    was_stopped,
)


class Word(StrEnum):
    """What equals a text, and is none."""

    ONE = "one"


def circle():
    """Return a list that has itself as its element."""
    endless: list[object] = []
    endless.append(endless)
    return endless


def deep():
    """Return lists within lists that are too deep for Python."""
    value: list[object] = []
    for _ in range(100_000):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (None, "null"),
        ([], "[]"),
        ({}, "{}"),
        ({"a": [1, 2.5], "b": True}, '{"a":[1,2.5],"b":true}'),
        ("é", '"é"'),
        (["\ud800", 1], r'["\ud800",1]'),
    ],
)
def test_a_result_is_kept_as_the_shortest_json_from_which_it_comes_back(result, text):
    assert kept(result).text == text


@pytest.mark.parametrize("last", ["x", "\ud800"])
def test_a_result_is_kept_up_to_a_bound_in_bytes(last):
    filling = "x" * (MOST_RESULT - len(kept(["", last]).text or ""))
    assert len((kept([filling, last]).text or "").encode()) == MOST_RESULT == 16 * 1024
    assert kept([f"{filling}x", last]).text is None


@pytest.mark.parametrize(
    "result",
    [
        object(),
        b"bytes",
        float("nan"),
        ["\ud800", float("inf")],
        circle(),
        deep(),
        (1,),
        [1, (1,)],
        [[1, 1.0], Word.ONE],
        {1: 2},
        {Word.ONE: 1},
        {"a": 1, "b": (1,)},
        {"\ud83d\ude00": 1},
        "\ud83d\ude00",
    ],
    ids=lambda result: type(result).__name__,
)
def test_what_would_not_come_back_as_it_was_is_not_kept_and_told_why(result):
    text, why = kept(result)
    assert text is None
    assert why


def run(**options):
    """Return the record of a run that returned."""
    return entry(7, "host", began=5.5, took=2.5, **options)


def read(**attributes):
    """Return the run that a record shows in which these attributes are others."""
    return run_of("a", {"last_run": {"M": {**run(result="[1]")["M"], **attributes}}})


def test_a_run_that_returned_is_read_as_it_was_written():
    returned = read()
    assert (returned.name, returned.fencing_token, returned.owner) == ("a", 7, "host")
    assert (returned.outcome, returned.error) == ("returned", None)
    assert (returned.result, returned.result_kept) == ([1], True)
    assert returned.started.timestamp() == 5.5
    assert returned.duration == timedelta(milliseconds=2500)


def test_a_run_that_raised_is_read_as_it_was_written():
    raised = run_of("a", {"last_run": run(error=ValueError("why"))})
    assert raised is not None
    assert (raised.outcome, raised.error) == ("raised", "ValueError: why")
    assert (raised.result, raised.result_kept) == (None, False)


@pytest.mark.parametrize(("took", "written"), [(-5.0, 0), (0.0, 0), (0.0014, 1)])
def test_a_run_took_whole_milliseconds_and_never_less_than_none(took, written):
    told = entry(7, "host", began=5.0, took=took)
    assert told["M"]["took"] == {"N": str(written)}


@pytest.mark.parametrize(
    ("error", "stopped"),
    [
        (None, False),
        (ValueError(), False),
        (KeyboardInterrupt(), True),
        (asyncio.CancelledError(), True),
    ],
)
def test_a_run_was_stopped_by_what_is_no_error(error, stopped):
    assert was_stopped({"last_run": entry(1, "a", began=0.0, took=0.0, error=error)}) is stopped


@pytest.mark.parametrize("item", [None, {}, {"last_run": {"S": "yes"}}, {"last_run": {"M": {}}}])
def test_a_lock_without_a_record_of_a_run_has_had_none(item):
    assert run_fence(item) == 0
    assert was_stopped(item) is False
    assert run_of("a", item or {}) is None


@pytest.mark.parametrize(
    ("attribute", "number"),
    [
        ("grant", 0),
        ("grant", MOST_FENCE),
        ("at", 0),
        ("at", MOST_TIME),
        ("took", 0),
        ("took", MOST_TIME),
    ],
)
def test_the_least_and_the_most_of_each_number_are_believed(attribute, number):
    assert read(**{attribute: {"N": str(number)}}) is not None


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        *((name, {"N": "x"}) for name in ("grant", "at", "took")),
        *((name, {"N": "-1"}) for name in ("grant", "at", "took")),
        *((name, {"N": "\u0663"}) for name in ("grant", "at", "took")),
        *((name, {"N": 7}) for name in ("grant", "at", "took")),
        ("grant", {"N": "1" + "0" * 19}),
        ("grant", {"N": "9" * 5000}),
        ("at", {"N": str(MOST_TIME + 1)}),
        ("took", {"N": str(MOST_TIME + 1)}),
        ("owner", {"N": "1"}),
        ("result", {"S": "{"}),
        ("result", {"S": 7}),
        ("result", {"S": "[" * 100_000}),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_record_of_a_run_that_is_not_clear_says_nothing(attribute, value):
    assert read(**{attribute: value}) is None


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError(), "ValueError"),
        (ValueError("é" * 2000), f"ValueError: {'é' * 988}"),
        (ValueError("\ud800"), "ValueError: ?"),
    ],
    ids=["none", "many", "no UTF-8"],
)
def test_any_error_has_words_of_a_bounded_length(error, words):
    told = entry(1, "a", began=0.0, took=0.0, error=error)["M"]
    assert told["error"] == {"S": words}


def test_an_error_without_words_is_told_by_its_kind():
    class Mute(Exception):
        def __str__(self):
            raise RuntimeError

    assert entry(1, "a", began=0.0, took=0.0, error=Mute())["M"]["error"]["S"] == "Mute"
