"""The checker accepts what can have happened in some order, and nothing else."""

import pytest

from tests.simulation.linearizability import Observed, linearizable


def add(began, ended, amount, result=None):
    def step(n):
        return [n + amount] if result in (None, n + amount) else []

    return Observed(began, ended, step)


def read(began, ended, result):
    return Observed(began, ended, lambda n: [n] if n == result else [])


@pytest.mark.parametrize(
    "history",
    [
        [],
        [add(0, 1, 1, 1), add(2, 3, 1, 2), read(4, 5, 2)],
        [add(0, 5, 1, 2), add(1, 4, 1, 1)],  # they overlap: either order may be the one
        [add(0, 5, 1), read(1, 2, 0), read(3, 4, 1)],
        [add(0, None, 1), read(1, 2, 0), read(3, 4, 1)],  # unanswered: it happened late,
        [add(0, None, 1), read(1, 2, 0), read(3, 4, 0)],  # or never
    ],
)
def test_good_histories_are_accepted(history):
    assert linearizable(history, 0)


@pytest.mark.parametrize(
    "history",
    [
        [add(0, 1, 1, 1), add(2, 3, 1, 1)],  # lost update
        [add(0, 1, 1, 1), read(2, 3, 0)],  # stale read
        [add(0, 9, 1), read(1, 2, 1), read(3, 4, 0)],  # it was there, and is gone again
        [add(0, 1, 1, 2), add(2, 3, 1, 1)],  # the later came first
        [add(0, None, 1), read(1, 2, 2)],  # counted twice
        [read(0, 1, 1), add(2, None, 1)],  # seen before it was asked for
        [add(0, 1, 1, 1), add(0, 1, 1, 1)],  # two got the same
    ],
)
def test_bad_histories_are_refused(history):
    assert not linearizable(history, 0)
