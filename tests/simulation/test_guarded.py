"""Heartbeats come through beside commits that are guarded by the same lock, and go first."""

import pytest

from interlock._protocol.transactions import sending
from tests.simulation.guarded import commit_under_one_lock
from tests.simulation.mutation import mutated


@pytest.mark.parametrize("threads", [1, 8, 48])
@pytest.mark.parametrize("seed", [1, 2])
def test_commits_under_a_lock_refuse_none_of_its_heartbeats(seed, threads):
    found = commit_under_one_lock(seed, threads=threads, seconds=10.0)
    assert found.heartbeats >= 9
    assert found.failures == 0
    assert not found.lost


def test_what_heartbeats_take_is_little():
    found = commit_under_one_lock(1, threads=8, seconds=10.0)
    assert found.commits > 800
    assert found.errors == 0


def test_without_standing_back_most_heartbeats_would_be_refused():
    with mutated(sending, "if not self.stands_back():", "if True:"):
        found = commit_under_one_lock(1, threads=48, seconds=10.0)
    assert found.failures > found.heartbeats / 2
    assert found.in_a_row > 3
