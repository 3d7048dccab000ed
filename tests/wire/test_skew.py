"""The service's clock, as its answers tell it, corrects signatures that are off by minutes."""

import pytest

from interlock._protocol.faults import Refused
from interlock._wire.http1 import Response
from interlock._wire.skew import Skew

NOW = 1_700_000_000.0
TOLD = {"date": "Tue, 14 Nov 2023 22:13:20 GMT", "x-amzn-requestid": "R"}
CLOCK = (
    "IncompleteSignatureException",
    "InvalidSignatureException",
    "RequestExpired",
    "RequestInTheFuture",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
)


def told(**headers):
    return Response(200, headers, b"{}", True)  # noqa: FBT003 - the field's place


def off_by(seconds):
    skew = Skew()
    assert skew.learn(told(**TOLD), NOW - seconds) == NOW
    return skew


@pytest.mark.parametrize(
    ("seconds", "correction"), [(0, 0), (120, 0), (-120, 0), (121, 121), (-121, -121)]
)
def test_a_clock_is_corrected_once_it_is_off_by_more_than_two_minutes(seconds, correction):
    assert off_by(seconds).correction == correction


def test_only_the_service_tells_the_time():
    skew = Skew()
    assert skew.learn(told(date=TOLD["date"]), 0.0) is None
    assert skew.learn(told(**{"x-amzn-requestid": "R"}), 0.0) is None
    assert (skew.seconds, skew.correction) == (0.0, 0.0)


@pytest.mark.parametrize("code", CLOCK)
def test_a_refused_signature_is_made_again_if_the_clock_was_found_to_be_off(code):
    refusal = Refused(code, "")
    assert off_by(300).explains(refusal, 0.0)
    assert not off_by(300).explains(refusal, 300.0)
    assert off_by(300).explains(refusal, 179.0)
    assert not off_by(300).explains(refusal, 180.0)
    assert not off_by(60).explains(refusal, 0.0)


def test_another_refusal_has_another_reason():
    assert not off_by(300).explains(Refused("AccessDeniedException", ""), 0.0)
