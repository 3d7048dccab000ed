"""Refusals, by what the service says: whose fault they are, and whether to come back."""

import pytest

from interlock._protocol.faults import CancellationReason, OutOfTime, Refused

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html and
# https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
KINDS = {
    "BandwidthLimitExceeded": "throttled",
    "EC2ThrottledException": "throttled",
    "LimitExceededException": "throttled",
    "ProvisionedThroughputExceeded": "throttled",
    "ProvisionedThroughputExceededException": "throttled",
    "RequestLimitExceeded": "throttled",
    "RequestThrottled": "throttled",
    "RequestThrottledException": "throttled",
    "SlowDown": "throttled",
    "ThrottledException": "throttled",
    "Throttling": "throttled",
    "ThrottlingError": "throttled",
    "ThrottlingException": "throttled",
    "TooManyRequestsException": "throttled",
    "ReplicatedWriteConflictException": "conflicted",
    "TransactionConflictException": "conflicted",
    "TransactionInProgressException": "conflicted",
    "PriorRequestNotComplete": "transient",
    "RequestTimeout": "transient",
    "RequestTimeoutException": "transient",
    "ConditionalCheckFailedException": "condition_failed",
    "ValidationException": None,
    "TransactionCanceledException": None,
}
REASONS = {
    "ProvisionedThroughputExceeded": "throttled",
    "ThrottlingError": "throttled",
    "TransactionConflict": "conflicted",
    "ConditionalCheckFailed": None,
    "None": None,
}


def kinds_of(refusal):
    kinds = ("throttled", "conflicted", "transient", "condition_failed")
    return {kind for kind in kinds if getattr(refusal, kind)}


@pytest.mark.parametrize(("code", "kind"), KINDS.items())
def test_a_code_says_of_what_kind_a_refusal_is(code, kind):
    assert kinds_of(Refused(code)) == {kind} - {None}


@pytest.mark.parametrize(("code", "kind"), REASONS.items())
def test_one_reason_among_several_says_of_what_kind_a_refusal_is(code, kind):
    reasons = (CancellationReason("None"), CancellationReason(code))
    assert kinds_of(Refused("TransactionCanceledException", reasons=reasons)) == {kind} - {None}


def test_a_refusal_keeps_what_the_service_said():
    item, reasons = {"pk": {"S": "a"}}, (CancellationReason("None"),)
    refusal = Refused("C", "m", item=item, reasons=reasons, throttling=("t",), resent=True)
    assert (refusal.code, refusal.message, refusal.item) == ("C", "m", item)
    assert (refusal.reasons, refusal.throttling, refusal.resent) == (reasons, ("t",), True)
    bare = Refused("C")
    assert (bare.message, bare.item, bare.reasons) == ("", None, ())
    assert (bare.throttling, bare.resent) == ((), False)
    assert CancellationReason("C") == CancellationReason("C", message=None, item=None)


def test_a_fault_says_what_happened():
    assert str(Refused("C", "it is full")) == "C: it is full"
    assert str(Refused("C")) == "C"
    assert str(OutOfTime()) == "its time was up before it was sent"
