"""What a client has seen of locks: which version is of a dead holder, and since when."""

import pytest

from interlock._protocol.locks.observed import ObservedVersions

NEVER = float("inf")
MOST = 10_000


@pytest.fixture
def observed():
    """Return what saw one version of the lock "a" at 100, of a lease of 20 s."""
    observed = ObservedVersions()
    observed.observe("a", "v", 20.0, 100.0)
    return observed


@pytest.mark.parametrize(("now", "expired"), [(100.0, None), (119.9, None), (120.0, "v")])
def test_a_version_may_be_taken_over_a_lease_after_it_was_seen(observed, now, expired):
    assert observed.expired("a", now) == expired
    assert observed.expires_at("a", "v") == 120.0


def test_it_counts_from_the_first_time_that_a_version_was_seen(observed):
    observed.observe("a", "v", 20.0, 110.0)
    assert observed.expires_at("a", "v") == 120.0


def test_another_version_counts_anew(observed):
    observed.observe("a", "w", 30.0, 110.0)
    assert observed.expires_at("a", "w") == 140.0


@pytest.mark.parametrize(("name", "version"), [("a", "w"), ("a", None), ("b", "v"), ("b", None)])
def test_what_was_not_seen_is_never_taken_over(observed, name, version):
    assert observed.expires_at(name, version) == NEVER
    assert observed.expired("b", NEVER) is None


def test_what_is_forgotten_is_never_taken_over(observed):
    observed.forget("a")
    observed.forget("b")
    assert observed.expires_at("a", "v") == NEVER
    assert observed.expired("a", NEVER) is None


@pytest.mark.parametrize(("others", "known"), [(MOST - 1, True), (MOST, False)])
def test_of_more_locks_than_are_kept_the_one_that_was_seen_first_is_forgotten(
    observed, others, known
):
    for number in range(others):
        observed.observe(f"n{number}", "v", 20.0, 101.0)
    assert (observed.expires_at("a", "v") != NEVER) is known
    assert observed.expires_at(f"n{others - 1}", "v") == 121.0
