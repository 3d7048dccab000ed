"""What a holder knows of its lock: whether it has it, until when, and what is to be done for it."""

from datetime import timedelta

import pytest

from interlock._protocol.locks.grant import Grant, Heartbeat, lease_end
from interlock._protocol.locks.settings import DRIFT
from interlock.errors import LossReason

LEASE = 20.0
NEVER = float("inf")


def granted(*, interval=4.0, until=LEASE, due=4.0, **known):
    """Return a grant of a lock at 0, by the holder's clock."""
    grant = Grant("a", 7, "v", LEASE, interval, until, due, "me")
    for name, value in known.items():
        setattr(grant, name, value)
    return grant


def test_a_lease_counts_from_before_it_was_asked_for_and_is_shorter_by_the_drift():
    assert lease_end(100.0, LEASE) == 100.0 + LEASE - LEASE * DRIFT


@pytest.mark.parametrize(
    ("known", "over"),
    [({}, False), ({"closed": True}, True), ({"loss": LossReason.TAKEN_OVER}, True)],
)
def test_a_grant_is_over_once_it_is_given_back_or_lost(known, over):
    grant = granted(**known)
    assert grant.over is over
    assert grant.remaining(0.0) == timedelta(seconds=0 if over else LEASE)


@pytest.mark.parametrize(("now", "left"), [(0.0, 20.0), (19.5, 0.5), (20.0, 0.0), (21.0, 0.0)])
def test_what_remains_is_the_rest_of_the_lease(now, left):
    assert granted().remaining(now) == timedelta(seconds=left)


@pytest.mark.parametrize(
    ("run", "interval", "reserved"),
    [(None, 4.0, False), (None, NEVER, False), ({"M": {}}, 4.0, False), ({"M": {}}, NEVER, True)],
)
def test_a_job_s_lock_is_reserved_once_it_has_run_and_is_not_renewed(run, interval, reserved):
    assert granted(run=run, interval=interval).reserved is reserved


# Heartbeats that go before what the lock guards.


@pytest.mark.parametrize(
    ("known", "now", "renewing"),
    [
        # Due within a moment.
        ({}, 3.92, False),
        ({}, 3.96, True),
        ({}, 4.99, True),
        # Of short intervals that moment is an eighth.
        ({"interval": 0.25, "due": 0.25}, 0.21, False),
        ({"interval": 0.25, "due": 0.25}, 0.21875, True),
        # None has come though it was due.
        ({}, 5.0, False),
        ({"failures": 1}, 5.0, False),
        # To be repeated.
        ({"failures": 1}, 1.0, True),
        # Under way.
        ({"turn": []}, 1.0, True),
        ({"turn": []}, 9.0, True),
        # None to come.
        ({"turn": [], "closed": True}, 4.0, False),
        ({"turn": [], "loss": LossReason.TAKEN_OVER}, 4.0, False),
        ({"turn": [], "interval": NEVER}, 4.0, False),
    ],
)
def test_a_heartbeat_goes_first_if_it_is_under_way_or_due_or_to_be_repeated(known, now, renewing):
    assert granted(**known).renewing(now) is renewing


def test_a_heartbeat_is_remembered_before_it_is_sent():
    grant = granted()
    assert grant.sending("w", 4.0, LEASE)
    assert grant.sending("x", 5.0, LEASE)
    assert grant.unconfirmed == (Heartbeat("w", 4.0, LEASE), Heartbeat("x", 5.0, LEASE))
    assert grant.own() == ("v", "w", "x")


@pytest.mark.parametrize("ending", [{"closed": True}, {"loss": LossReason.DELETED}])
def test_a_heartbeat_of_a_grant_that_is_over_must_not_be_sent(ending):
    assert not granted(**ending).sending("w", 4.0, LEASE)


@pytest.mark.parametrize(("lease", "until"), [(5.0, 4.0 + 5.0 * (1 - DRIFT)), (60.0, LEASE)])
def test_while_a_heartbeat_is_under_way_the_shorter_lease_is_certain(lease, until):
    grant = granted()
    grant.sending("w", 4.0, lease)
    assert grant.until == until


def test_of_a_heartbeat_that_was_not_carried_out_nothing_is_left():
    grant = granted()
    grant.sending("w", 4.0, LEASE)
    grant.sending("x", 5.0, LEASE)
    grant.discard("w")
    assert grant.own() == ("v", "x")


def test_the_end_of_a_grant_tells_each_version_that_the_record_may_have_once():
    grant = granted()
    grant.sending("w", 4.0, LEASE)
    grant.version = "w"  # as a renewal leaves it that ends meanwhile
    assert grant.close() == ("w",)
    assert grant.closed


@pytest.mark.parametrize(
    ("lease", "known", "until", "due"),
    [
        (30.0, {}, 5.0 + 30.0 * (1 - DRIFT), 9.0),
        (2.0, {}, 5.0 + 2.0 * (1 - DRIFT), 5.0 + 2.0 * (1 - DRIFT)),
        (30.0, {"ends": 8.0}, 8.0, 8.0),
    ],
)
def test_a_heartbeat_that_was_carried_out_renews_the_lease(lease, known, until, due):
    grant = granted(failures=3, problem=ValueError(), adopting=True, **known)
    grant.sending("w", 4.0, LEASE)
    grant.renewed("x", 5.0, lease)
    assert (grant.version, grant.lease, grant.own()) == ("x", lease, ("x",))
    assert (grant.until, grant.due) == (until, due)
    assert (grant.failures, grant.problem, grant.adopting) == (0, None, False)


# Losses.


@pytest.mark.parametrize(
    ("known", "now", "loss"),
    [
        ({}, 19.9, None),
        ({}, 20.0, LossReason.LEASE_RAN_OUT),
        ({"ends": 20.0}, 20.0, LossReason.HELD_TOO_LONG),
        ({"ends": 30.0}, 20.0, LossReason.LEASE_RAN_OUT),
        ({"closed": True}, 20.0, None),
        ({"loss": LossReason.BROKEN}, 0.0, LossReason.BROKEN),
        ({"loss": LossReason.BROKEN}, 20.0, LossReason.BROKEN),
    ],
)
def test_a_lock_is_lost_at_the_end_of_its_lease_or_before_if_that_is_known(known, now, loss):
    grant = granted(**known)
    assert grant.expired(now) is (loss is not None)
    assert grant.loss is loss


def test_a_loss_is_reported_once():
    grant = granted()
    assert not grant.report_loss()
    grant.loss = LossReason.TAKEN_OVER
    assert [grant.report_loss() for _ in range(3)] == [True, False, False]


@pytest.mark.parametrize(
    ("loss", "reason"),
    [(None, LossReason.RELEASED), (LossReason.DELETED, LossReason.DELETED)],
)
def test_the_error_of_a_loss_says_its_reason_and_what_heartbeats_met(loss, reason):
    problem = ValueError("why")
    error = granted(loss=loss, problem=problem).error()
    assert (error.name, error.fencing_token, error.reason) == ("a", 7, reason)
    assert error.problem is problem
