"""A call has three seconds, and one more for each mebibyte; credentials are renewed in time."""

import pytest

from interlock._wire.credentials import Credentials
from interlock._wire.limits import allowance
from interlock._wire.renewal import Kept

NOW = 1_700_000_000.0


@pytest.mark.parametrize(("carried", "seconds"), [(0, 3.0), (2**20, 4.0), (3 * 2**19, 4.5)])
def test_a_call_earns_time_by_what_it_carries(carried, seconds):
    assert allowance(carried) == seconds


@pytest.mark.parametrize(
    ("lifetime", "ahead"), [(7200, 900), (3600, 900), (100, 25), (0, 0), (-100, 0)]
)
def test_credentials_are_renewed_a_quarter_hour_ahead_or_a_quarter_of_their_life(lifetime, ahead):
    kept = Kept.of(Credentials("a", "b", "c", NOW + lifetime), NOW)
    assert kept.renewal == NOW + lifetime - ahead


def test_credentials_without_an_end_are_never_renewed():
    kept = Kept.of(Credentials("a", "b"), NOW)
    assert kept.good(NOW * 2)
    assert not kept.due(NOW * 2)


def test_credentials_are_good_for_a_call_until_five_seconds_before_their_end():
    kept = Kept.of(Credentials("a", "b", "c", NOW + 100), NOW)
    assert kept.good(NOW + 94.5)
    assert not kept.good(NOW + 95)


def test_a_renewal_is_due_once_in_ten_seconds():
    kept = Kept.of(Credentials("a", "b", "c", NOW + 100), NOW)
    assert [kept.due(NOW + 75 + after) for after in (-0.5, 0, 0.5, 9.5, 10, 19.5, 20)] == [
        *(False, True, False, False),
        *(True, False, True),
    ]
