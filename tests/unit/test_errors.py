"""Errors survive the way between processes with all that they carry."""

import pickle

import pytest

from interlock.errors import (
    ClaimRejected,
    ConditionFailed,
    CounterLimitExceeded,
    GuardFailed,
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
