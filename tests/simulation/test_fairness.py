"""Under contention every transaction gets through, and none is overtaken for ever."""

import pytest

from tests.simulation.crowd import BALANCE, crowd


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))]
)
def test_sixteen_workers_on_four_accounts_share_them(seed):
    """A backoff that grows with each defeat made half as many, some of them taking 6 seconds."""
    outcome = crowd(seed, workers=16, accounts=4, seconds=5)
    assert outcome.total == 4 * BALANCE
    assert min(outcome.done) > max(outcome.done) / 3
    assert sum(outcome.done) > 500
    assert outcome.slowest(0.99) < 1.5


def test_two_workers_on_two_accounts_hardly_notice_each_other():
    outcome = crowd(1, workers=2, accounts=2, seconds=5)
    assert min(outcome.done) > 0.9 * max(outcome.done)
    assert outcome.slowest(0.99) < 0.2
    assert outcome.attempts < 2.5


def test_more_workers_than_the_partitions_can_serve_still_all_complete():
    outcome = crowd(1, workers=64, accounts=2, seconds=3)
    assert outcome.total == 2 * BALANCE
    assert min(outcome.done) >= 1
