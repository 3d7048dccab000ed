"""Settings of a transaction client: what is taken, and what all attempts may spend together."""

from datetime import timedelta

import pytest

from interlock._protocol.layout import TableLayout
from interlock._protocol.transactions import settings as limits
from interlock._protocol.transactions.settings import (
    LONGEST_TIMEOUT,
    Settings,
    target,
)
from interlock.errors import InvalidValue


def settings(table="t", timeout=timedelta(seconds=15), attempts=200, version="_version", **layout):
    return Settings.of(
        table, timeout=timeout, attempts=attempts, version_attribute=version, **layout
    )


def test_settings_are_those_that_were_given():
    layout = TableLayout(partition_key="name")
    given = settings("c", timedelta(minutes=1), 7, "v", layout=layout)
    assert given == Settings("c", "v", attempts=7, timeout=60.0, layout=layout)


def test_what_is_not_given_is_as_documented():
    assert settings() == Settings("t")


@pytest.mark.parametrize("timeout", [timedelta(microseconds=1), LONGEST_TIMEOUT])
def test_a_time_of_up_to_five_minutes_is_taken(timeout):
    assert settings(timeout=timeout).timeout == timeout.total_seconds()


def test_the_longest_time_is_five_minutes_and_the_store_knows_a_token_for_longer():
    assert timedelta(minutes=5) == limits.LONGEST_TIMEOUT
    assert limits.LONGEST_TIMEOUT.total_seconds() < limits.TOKEN_WINDOW < 10 * 60


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"table": ""}, "table"),
        ({"timeout": timedelta()}, "timeout"),
        ({"timeout": timedelta(seconds=-1)}, "timeout"),
        ({"timeout": LONGEST_TIMEOUT + timedelta(microseconds=1)}, "timeout"),
        ({"timeout": 15}, "timeout"),
        ({"attempts": 0}, "attempts"),
        ({"attempts": 1.5}, "attempts"),
        ({"attempts": "7"}, "attempts"),
        ({"attempts": True}, "attempts"),
        ({"version": ""}, "version_attribute"),
        ({"version": None}, "version_attribute"),
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_refused_by_its_name(given, wrong):
    with pytest.raises(InvalidValue) as refused:
        settings(**given)
    assert refused.value.path == wrong


def test_one_attempt_is_enough():
    assert settings(attempts=1).attempts == 1


def test_all_attempts_share_one_budget_of_failures_and_pauses():
    given = Settings("t", attempts=7, first_pause=0.5, longest_pause=5.0, shortest_call=0.25)
    budget = given.budget()
    assert budget.target == target(["t"])
    assert (budget.most, budget.first, budget.longest, budget.conflict) == (7, 0.5, 5.0, 0.25)


@pytest.mark.parametrize("laid_out", [False, True])
def test_a_call_asks_each_of_its_tables_once_and_says_whether_it_is_about_the_librarys_own(
    laid_out,
):
    asked = target(["t", "u", "t"], laid_out=laid_out)
    assert (asked.tables, asked.laid_out) == (("t", "u"), laid_out)


def test_a_call_is_about_the_callers_own_items_unless_it_says_otherwise():
    assert not target(["t"]).laid_out
