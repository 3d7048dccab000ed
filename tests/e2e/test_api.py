"""The deployed API: what it counts, and what it refuses without counting."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from local.demo import count
from local.requests import request


def value_of(signed, counter):
    answer = signed("GET", counter)
    assert answer.status == 200, answer.content
    return answer.json()["value"]


def assert_problem(answer, status):
    assert answer.status == status, answer.content
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    problem = answer.json()
    assert problem["title"]
    return problem


def test_increments_come_back_through_every_tier(deployed):
    assert count(deployed, times=4) == 10


def test_concurrent_increments_stop_exactly_at_the_ceiling(signed, counter):
    """Twelve ask for the last five: five get them, whoever they are."""
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


def test_over_the_ceiling_is_refused_with_value_and_ceiling(signed, counter):
    problem = assert_problem(signed("POST", f"{counter}/increment", {"amount": 6}), 409)
    assert (problem["value"], problem["ceiling"]) == (5, 10)
    assert value_of(signed, counter) == 5


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"amount": 1.5}, id="no integer"),
        pytest.param({"amount": "1"}, id="a string"),
        pytest.param({"amount": True}, id="a boolean"),
        pytest.param({"amount": None}, id="null"),
        pytest.param({"amount": -1}, id="negative"),
        pytest.param({}, id="missing"),
    ],
)
def test_bad_amount_is_refused_by_name(signed, counter, body):
    problem = assert_problem(signed("POST", f"{counter}/increment", body), 400)
    assert "amount" in str(problem)
    assert value_of(signed, counter) == 5


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"amount": 1', id="not JSON"),
        pytest.param(b"[1]", id="no object"),
    ],
)
def test_bad_body_is_refused(signed, counter, body):
    problem = assert_problem(signed("POST", f"{counter}/increment", body), 400)
    assert "body" in str(problem)
    assert value_of(signed, counter) == 5


def test_oversized_body_is_refused(signed, counter):
    body = b'{"amount": 1, "note": "' + b"x" * 70_000 + b'"}'
    answer = signed("POST", f"{counter}/increment", body)
    assert answer.status in {400, 413}
    assert_problem(answer, answer.status)
    assert value_of(signed, counter) == 5


@pytest.mark.parametrize(
    "name", [pytest.param("a" * 129, id="129 characters"), pytest.param("a%2Fb", id="a slash")]
)
def test_bad_name_is_refused(signed, name):
    answer = signed("POST", f"/counters/{name}/increment", {"amount": 1})
    assert 400 <= answer.status < 500, answer.content
    assert answer.headers["Content-Type"].startswith("application/problem+json")


def test_unknown_route_is_refused(signed, counter):
    answer = signed("POST", f"{counter}/multiply", {"amount": 2})
    assert answer.status in {403, 404}
    assert value_of(signed, counter) == 5


def test_unsigned_request_is_refused(deployed, signed, counter):
    url = f"{deployed.api_url}{counter}/increment"
    assert request("POST", url, {"amount": 1}).status == 403
    assert value_of(signed, counter) == 5
