"""What the deployed application refuses: as problem details that name the field, and uncounted.

Each case comes in by both doors: signed at the API, and through load balancer and service, which
hand the API's words on.
"""

from collections.abc import Callable
from typing import Any

import pytest

from local.application import Application
from local.requests import Answer, request
from tests.e2e.conftest import value_of

MEDIA_TYPE = "application/problem+json"
Send = Callable[..., Answer]


@pytest.fixture(params=["api", "balancer"])
def send(request: pytest.FixtureRequest, deployed: Application, signed: Send) -> Send:
    return through_balancer(deployed) if request.param == "balancer" else signed


def through_balancer(deployed: Application) -> Send:
    return lambda method, path, body=None, **headers: request(
        method,
        f"{deployed.balancer_url}/api{path}",
        body,
        headers=deployed.administrator.credentials
        | {name.replace("_", "-"): value for name, value in headers.items()},
    )


@pytest.fixture
def unchanged(signed, counter):
    """The counter's path; afterwards it has the value that it had before."""
    before = value_of(signed, counter)
    yield counter
    assert value_of(signed, counter) == before


def problem_of(answer: Answer, status: int) -> dict[str, Any]:
    """Return the problem that an answer is, with the members of RFC 9457."""
    assert answer.status == status, answer.content
    assert answer.headers.get("Content-Type", answer.headers.get("content-type")) == MEDIA_TYPE
    problem: dict[str, Any] = answer.json()
    assert problem.keys() >= {"type", "title", "status", "detail", "instance"}, problem
    assert problem["instance"].startswith("urn:interlock:request:")
    assert problem["status"] == status
    return problem


def test_over_the_ceiling_is_refused_with_value_and_ceiling(send, unchanged):
    problem = problem_of(send("POST", f"{unchanged}/increment", {"amount": 6}), 409)
    assert (problem["value"], problem["ceiling"]) == (5, 10)


def test_under_the_floor_is_refused_with_value_and_floor(send, unchanged):
    problem = problem_of(send("POST", f"{unchanged}/decrement", {"amount": 6}), 409)
    assert (problem["value"], problem["floor"]) == (5, 0)


@pytest.mark.parametrize("change", ["increment", "decrement"])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"amount": 1.5}, id="a fraction"),
        pytest.param({"amount": "1"}, id="a string"),
        pytest.param({"amount": True}, id="a boolean"),
        pytest.param({"amount": [1]}, id="a list"),
        pytest.param({"amount": None}, id="null"),
        pytest.param({"amount": -1}, id="negative"),
        pytest.param({"amount": 0}, id="nothing"),
        pytest.param(b'{"amount": 1e400}', id="infinite"),
        pytest.param(b'{"amount": NaN}', id="not a number"),
        pytest.param({"amount": 10**38}, id="beyond what DynamoDB holds"),
        pytest.param({}, id="missing"),
    ],
)
def test_bad_amount_is_refused(send, unchanged, change, body):
    problem = problem_of(send("POST", f"{unchanged}/{change}", body), 400)
    assert problem["field"] == "amount"


def test_unknown_member_is_refused(send, unchanged):
    body = {"amount": 1, "amout": 2}
    problem = problem_of(send("POST", f"{unchanged}/increment", body), 400)
    assert problem["field"] == "amout"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(None, id="none"),
        pytest.param(b'{"amount": 1', id="cut off"),
        pytest.param(b"amount=1", id="a form"),
        pytest.param(b"\xff\xfe{", id="not UTF-8"),
        pytest.param(b"[1]", id="a list"),
        pytest.param(b'"amount"', id="a string"),
        pytest.param(b"[" * 30_000, id="nested beyond reason"),
    ],
)
def test_body_that_is_no_json_object_is_refused(send, unchanged, body):
    problem = problem_of(send("POST", f"{unchanged}/increment", body), 400)
    assert problem["field"] == "body"


def test_oversized_body_is_refused(send, unchanged):
    body = b'{"amount": 1, "note": "' + b"x" * 70_000 + b'"}'
    problem = problem_of(send("POST", f"{unchanged}/increment", body), 413)
    assert "body" in problem["detail"]


@pytest.mark.parametrize("key", ["", "k" * 129, "two words"])
def test_bad_idempotency_key_is_refused(send, unchanged, key):
    answer = send("POST", f"{unchanged}/increment", {"amount": 1}, Idempotency_Key=key)
    assert problem_of(answer, 400)["field"] == "Idempotency-Key"


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("a" * 129, id="129 characters"),
        pytest.param("a%20b", id="a blank"),
        pytest.param("%C3%A4", id="not ASCII"),
        pytest.param("%00", id="a zero byte"),
    ],
)
def test_bad_name_is_refused(send, signed, name):
    answer = send("POST", f"/counters/{name}/increment", {"amount": 1})
    assert problem_of(answer, 400)["field"] == "name"
    assert name not in {each["name"] for each in signed("GET", "/counters").json()["counters"]}


def test_longest_name_is_taken(send):
    """So that 129 characters above are refused for the last of them."""
    path = f"/counters/{'a' * 128}"
    assert send("POST", f"{path}/increment", {"amount": 1}).status == 200
    assert send("DELETE", path).status == 204


def test_name_with_a_slash_is_no_route(send, unchanged):
    """The slash arrives encoded; the emulator's router takes it for a part of the path."""
    problem_of(send("POST", f"{unchanged}%2Fb/increment", {"amount": 1}), 404)


def test_unknown_route_is_refused(send, unchanged):
    problem = problem_of(send("POST", f"{unchanged}/multiply", {"amount": 2}), 404)
    assert problem["type"] == "urn:interlock:problem:no-such-route"


@pytest.mark.parametrize(
    ("method", "tail", "allowed"),
    [
        ("POST", "", "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"),
        ("GET", "/increment", "OPTIONS, POST"),
        ("DELETE", "/reset", "OPTIONS, POST"),
    ],
)
def test_unknown_method_is_refused_with_those_there_are(send, unchanged, method, tail, allowed):
    answer = send(method, f"{unchanged}{tail}")
    problem_of(answer, 405)
    assert answer.headers.get("Allow", answer.headers.get("allow")) == allowed


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "text/json"])
def test_another_content_type_is_refused(send, unchanged, kind):
    answer = send("POST", f"{unchanged}/increment", {"amount": 1}, Content_Type=kind)
    assert problem_of(answer, 415)["field"] == "Content-Type"


def test_a_member_that_comes_twice_is_refused(send, unchanged):
    answer = send("POST", f"{unchanged}/increment", b'{"amount": 1, "amount": 2}')
    assert problem_of(answer, 400)["field"] == "amount"


def test_a_parameter_that_comes_twice_is_refused(send):
    assert problem_of(send("GET", "/counters?limit=1&limit=2"), 400)["field"] == "limit"


def test_unsigned_request_is_refused(deployed, unchanged):
    answer = request("POST", f"{deployed.api_url}{unchanged}/increment", {"amount": 1})
    problem = problem_of(answer, 403)
    assert "not signed" in problem["detail"]


@pytest.mark.parametrize("key", [pytest.param("", id="none"), "not-the-service's"])
def test_signed_request_without_a_known_key_is_refused(signed, unchanged, key):
    answer = signed("POST", f"{unchanged}/increment", {"amount": 1}, x_api_key=key)
    assert "x-api-key" in problem_of(answer, 403)["detail"]
