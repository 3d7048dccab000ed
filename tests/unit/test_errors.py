"""Errors survive the way between processes with all that they carry."""

import pickle

import pytest

from interlock import errors
from interlock.errors import (
    ClaimRejected,
    ConditionFailed,
    CorruptRecord,
    CounterLimitExceeded,
    CounterMismatch,
    GuardFailed,
    IdempotencyMismatch,
    InterlockError,
    LockLost,
    LossReason,
    TransactionClosed,
)


@pytest.mark.parametrize(
    "error",
    [
        InterlockError("plain"),
        ConditionFailed(1, "t", {"pk": "a"}, {"pk": "a", "n": 1}),
        GuardFailed(2, "t", {"pk": "lock#a"}, None, "a", 7, LossReason.DELETED),
        LockLost("a", 7, LossReason.RELEASED),
        CounterLimitExceeded(5, 0, None, name="visits"),
        ClaimRejected("aud", "is not ours"),
        TransactionClosed(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_comes_through_a_pickle_whole(error):
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - made one line above
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (CounterLimitExceeded(5, 0, None), "floor 0, no ceiling"),
        (CounterLimitExceeded(5, None, 9), "no floor, ceiling 9"),
        (CounterLimitExceeded(5, None, None), "no floor, no ceiling, but the 38 digits"),
        (CounterMismatch("visits", "floor", 0, None), "has no floor, but 0 is declared"),
        (CorruptRecord("t", "lock#a", "lease_ms", None), "has no lease_ms, which"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_not_there_is_told_in_words(error, told):
    assert told in str(error)
    assert "None" not in str(error)


@pytest.mark.parametrize("reason", LossReason)
def test_a_lost_lock_says_how_it_was_lost(reason):
    assert reason.text in str(LockLost("a", 7, reason))
    assert [other for other in LossReason if other.text == reason.text] == [reason]


def test_a_reused_key_is_told_with_the_way_out():
    assert "give a new call a new key" in str(IdempotencyMismatch("k"))
    assert "operation=" not in str(IdempotencyMismatch("k"))


def test_an_error_is_of_the_module_that_users_import():
    public = [getattr(errors, name) for name in errors.__all__]
    assert {kind.__module__ for kind in public} == {"interlock.errors"}
    assert b"errors._" not in pickle.dumps(TransactionClosed())


def test_every_error_is_exported():
    def below(kind):
        return {kind}.union(*map(below, kind.__subclasses__()))

    ours = {kind.__name__ for kind in below(InterlockError) if kind.__module__ == errors.__name__}
    private = {kind for kind in below(InterlockError) if "errors._" in kind.__module__}
    assert ours == set(errors.__all__) - {"LossReason"}
    assert private == set()
