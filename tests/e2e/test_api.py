"""The deployed API counts through every tier, up to the bound, and once for each key."""

from concurrent.futures import ThreadPoolExecutor

from local.demo import count
from tests.e2e.conftest import value_of


def test_the_service_has_the_key_that_the_gateway_made_and_writes_it_nowhere(deployed):
    """The deployed methods refuse who lacks it, so that counting through the service proves it."""
    assert len(deployed.api_key) >= 20  # API Gateway's own minimum
    logs = [path.read_text(errors="replace") for path in deployed.fleet.logs.iterdir()]
    assert logs
    assert not [log for log in logs if deployed.api_key in log]


def test_increments_come_back_through_every_tier(deployed):
    assert count(deployed, times=4) == 10


def test_concurrent_increments_stop_exactly_at_the_ceiling(signed, counter):
    """Twelve ask for the last five: five get them, whichever they are."""
    with ThreadPoolExecutor(6) as pool:
        answers = pool.map(
            lambda _: signed("POST", f"{counter}/increment", {"amount": 1}).status, range(12)
        )
    assert sorted(answers) == [200] * 5 + [409] * 7
    assert value_of(signed, counter) == 10


def test_repeated_idempotency_key_counts_once(signed, counter):
    for _ in range(2):
        answer = signed("POST", f"{counter}/increment", {"amount": 2}, Idempotency_Key="again")
        assert (answer.status, answer.json()["value"]) == (200, 7)
    assert value_of(signed, counter) == 7
