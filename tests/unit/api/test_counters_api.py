"""The HTTP API answers as its OpenAPI document says, and refuses bad input without counting."""

import json
from datetime import timedelta
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from interlock import CounterClient, LockClient
from interlock._drivers.blocking.client import ClientTransport
from interlock._drivers.blocking.driver import Driver
from interlock._drivers.environment import Environment
from tests.unit.api.conftest import DOCUMENT


def test_each_route_of_the_document_is_served_and_no_other(modules):
    documented_routes = {
        (method.upper(), path): operation["operationId"]
        for path, methods in DOCUMENT["paths"].items()
        for method, operation in methods.items()
    }
    served = {key: route.serve.__name__ for key, route in modules.routes.ROUTES.items()}
    assert served == documented_routes


def test_a_counter_lives_through_its_routes(call):
    created = call("PUT", "/counters/seats", {"floor": 0, "ceiling": 3, "shards": 2})
    assert (created.status, created.headers["Location"]) == (201, "/counters/seats")
    assert call("PATCH", "/counters/seats", {"ceiling": 4, "shards": 1}).status == 200
    assert call("POST", "/counters/seats/increment", {"amount": 3}).body["amount"] == 3
    assert call("POST", "/counters/seats/decrement", {"amount": 1}).body["value"] == 2
    full = call("POST", "/counters/seats/increment", {"amount": 3})
    assert full.status == 409
    assert (full.body["value"], full.body["ceiling"]) == (2, 4)
    assert call("POST", "/counters/seats/reset", {"to": 1}).body["value"] == 1
    assert call("GET", "/counters/seats").body == {
        "name": "seats",
        "value": 1,
        "floor": 0,
        "ceiling": 4,
        "shards": 1,
    }
    assert call("DELETE", "/counters/seats").status == 204
    for method, path, body in (("GET", "", None), ("DELETE", "", None), ("POST", "/reset", {})):
        assert call(method, f"/counters/seats{path}", body).status == 404


def test_a_read_that_nothing_changed_since_is_304(call):
    call("PUT", "/counters/a", {})
    tag = call("GET", "/counters/a").headers["ETag"]
    assert tag.startswith('"')
    again = call("GET", "/counters/a", headers={"If-None-Match": f'"x", W/{tag}'})
    assert (again.status, again.body, again.headers["ETag"]) == (304, None, tag)
    call("POST", "/counters/a/increment", {"amount": 1})
    assert call("GET", "/counters/a", headers={"if-none-match": tag}).status == 200


def test_a_key_counts_once_and_refuses_another_payload(call):
    headers = {"Idempotency-Key": "k"}
    first = call("POST", "/counters/a/increment", {"amount": 2}, headers=headers)
    again = call("POST", "/counters/a/increment", {"amount": 2}, headers=headers)
    assert (first.body["replayed"], again.body["replayed"]) == (False, True)
    assert first.body["value"] == again.body["value"] == 2
    other = call("POST", "/counters/a/increment", {"amount": 3}, headers=headers)
    assert (other.status, other.body["field"]) == (422, "Idempotency-Key")
    assert other.body["detail"] == (
        "Idempotency-Key 'k' was used before for another request; repeat a request unchanged "
        "under its key, and send another one under a new key"
    )


def test_a_bound_that_is_not_there_is_told_in_words(call):
    call("PUT", "/counters/a", {"ceiling": 1})
    full = call("POST", "/counters/a/increment", {"amount": 2})
    assert "bounds: no floor, ceiling 1" in full.body["detail"]
    other = call("PUT", "/counters/a", {"floor": 0})
    assert "with no floor, ceiling 1, shards 1; PATCH" in other.body["detail"]


def test_a_transfer_moves_both_or_neither(call):
    call("PUT", "/counters/a", {"floor": 0, "shards": 3})
    call("PUT", "/counters/b", {"ceiling": 2})
    call("POST", "/counters/a/increment", {"amount": 5})
    moved = call("POST", "/transfers", {"from": "a", "to": "b", "amount": 2})
    assert (moved.body["from"]["amount"], moved.body["to"]["value"]) == (-2, 2)
    full = call("POST", "/transfers", {"from": "a", "to": "b", "amount": 1})
    assert (full.status, full.body["counter"]) == (409, "b")
    assert call("POST", "/transfers", {"from": "a", "to": "c", "amount": 1}).status == 404
    assert call("POST", "/transfers", {"from": "a", "to": "a", "amount": 1}).status == 400
    assert call("GET", "/counters/a").body["value"] == 3


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('{"amount": 0}', "amount"),
        ('{"amount": -1}', "amount"),
        ('{"amount": 1.5}', "amount"),
        ('{"amount": 1e999}', "amount"),
        ('{"amount": NaN}', "amount"),
        ('{"amount": "1"}', "amount"),
        ('{"amount": true}', "amount"),
        ('{"amount": null}', "amount"),
        (f'{{"amount": {10**38}}}', "amount"),
        (f'{{"amount": {"9" * 5000}}}', "amount"),
        ('{"amount": 1.00000000000000000001}', "amount"),
        ('{"amount": 1e39}', "amount"),
        ('{"amount": 1e999999999999999999999}', "amount"),
        ('{"amount": 1e-999999999999999999999}', "amount"),
        ('{"amount": {"a": 1, "a": 2}}', "a"),
        ('{"amount": 1, "amount": 2}', "amount"),
        ('{"amount": 1, "amo\\u0075nt": 1}', "amount"),
        ('\ufeff{"amount": 1}', "body"),
        ("{}", "amount"),
        ("", "body"),
        ('{"amount": 1, "by": 1}', "by"),
        ("[1]", "body"),
        ("1", "body"),
        ("amount=1", "body"),
        ("[" * 30000, "body"),
    ],
)
def test_a_bad_body_is_400_names_the_field_and_counts_nothing(call, text, field):
    call("PUT", "/counters/a", {})
    reply = call("POST", "/counters/a/increment", text=text)
    assert (reply.status, reply.body["field"]) == (400, field)
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert call("GET", "/counters/a").body["value"] == 0


@pytest.mark.parametrize("path", ["/locks/orders/42", "/locks/orders%2F42"])
def test_a_lock_tells_who_holds_it_and_not_what_is_stored_with_it(call, client, path):
    locks = LockClient("t", client=client, owner="worker-7")
    with locks.acquire("orders/42", data="private") as lock:
        body = call("GET", path).body
        assert (body["name"], body["held"], body["owner"]) == ("orders/42", True, "worker-7")
        assert (body["fencing_token"], body["lease_seconds"]) == (lock.fencing_token, 20)
        assert "private" not in str(body)
    body = call("GET", path).body
    assert (body["held"], body["owner"], body["since"]) == (False, None, None)
    assert body["fencing_token"] == lock.fencing_token
    locks.close()


def test_a_lock_that_nobody_ever_held_is_404(call):
    reply = call("GET", "/locks/nobody")
    assert (reply.status, reply.body["type"]) == (404, "urn:interlock:problem:lock-not-found")


@pytest.mark.parametrize("name", ["", "a" * 257, "a%23b", "%20", "é", ".."])
def test_a_bad_lock_name_is_400_and_names_the_field(call, name):
    reply = call("GET", f"/locks/{name}")
    assert (reply.status, reply.body["field"]) == (400, "name")


@pytest.mark.parametrize("name", ["", "a" * 129, "a%2Fb", "a%23b", "%20", "é"])
def test_a_bad_name_is_400_and_names_the_field(call, name):
    reply = call("POST", f"/counters/{name}/increment", {"amount": 1})
    assert (reply.status, reply.body["field"]) == (400, "name")


def test_an_oversized_body_is_413(call):
    assert call("POST", "/counters/a/increment", text=" " * 70_000).status == 413


@pytest.mark.parametrize("number", ["3", "3.0", "3e0", "0.3e1", "30e-1"])
def test_an_integer_may_be_written_in_any_way_that_json_knows(call, number):
    assert call("POST", "/counters/a/increment", text=f'{{"amount": {number}}}').body["value"] == 3


def test_no_digit_of_a_long_number_is_lost(call):
    text = f'{{"amount": {10**37 + 1}.0}}'
    assert call("POST", "/counters/a/increment", text=text).body["value"] == 10**37 + 1


@pytest.mark.parametrize(
    ("headers", "field"),
    [
        ({"Content-Type": []}, "Content-Type"),
        ({"Content-Type": "text/plain"}, "Content-Type"),
        ({"Content-Type": "application/json; charset=utf-16"}, "Content-Type"),
        ({"Content-Type": "application/jsonx"}, "Content-Type"),
        ({"Content-Encoding": "gzip"}, "Content-Encoding"),
    ],
    ids=str,
)
def test_another_content_type_is_415_and_counts_nothing(call, headers, field):
    call("PUT", "/counters/a", {})
    reply = call("POST", "/counters/a/increment", {"amount": 1}, headers=headers)
    assert (reply.status, reply.body["field"]) == (415, field)
    assert call("GET", "/counters/a").body["value"] == 0


@pytest.mark.parametrize("kind", ["application/json", 'Application/JSON; charset="UTF-8"'])
def test_json_is_taken_however_its_type_is_written(call, kind):
    headers = {"Content-Type": kind}
    assert call("POST", "/counters/a/increment", {"amount": 1}, headers=headers).status == 200


@pytest.mark.parametrize("header", ["Idempotency-Key", "Content-Type"])
def test_a_header_of_one_value_that_comes_twice_is_400(call, header):
    headers = {header: ["application/json", "application/json"]}
    reply = call("POST", "/counters/a/increment", {"amount": 1}, headers=headers)
    assert (reply.status, reply.body["field"]) == (400, header)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/counters/a", {"ceiling": 9}),
        ("PATCH", "/counters/a", {"ceiling": 9}),
        ("DELETE", "/counters/a", None),
        ("POST", "/counters/a/reset", {"to": 0}),
    ],
)
def test_a_key_that_no_record_is_kept_of_is_refused(call, method, path, body):
    """Who sends it again would do it again: a reset, say, undoes what was counted meanwhile."""
    call("POST", "/counters/a/increment", {"amount": 5})
    before = call("GET", "/counters/a").body
    reply = call(method, path, body, headers={"Idempotency-Key": "k"})
    assert (reply.status, reply.body["field"]) == (400, "Idempotency-Key")
    assert call("GET", "/counters/a").body == before


def test_two_cases_of_a_headers_name_are_one_header(call):
    headers = {"Idempotency-Key": "a", "idempotency-key": "b"}
    reply = call("POST", "/counters/a/increment", {"amount": 1}, headers=headers)
    assert (reply.status, reply.body["field"]) == (400, "Idempotency-Key")


def test_a_parameter_that_is_given_twice_is_400(call):
    reply = call("GET", "/counters", query={"limit": ["1", "2"]})
    assert (reply.status, reply.body["field"]) == (400, "limit")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/counters/a", None),
        ("PUT", "/counters/a", {}),
        ("POST", "/counters/a/increment", {"amount": 1}),
        ("GET", "/openapi.json", None),
        ("GET", "/locks/a", None),
    ],
)
def test_a_parameter_is_refused_on_each_route_that_knows_none(call, method, path, body):
    reply = call(method, path, body, query={"frobnicate": "1"})
    assert (reply.status, reply.body["field"]) == (400, "frobnicate")


@pytest.mark.parametrize("resource", ["/nowhere", "/{proxy+}"])
def test_an_unknown_route_is_404(call, resource):
    reply = call("PATCH", resource)
    assert (reply.status, reply.body["type"]) == (404, "urn:interlock:problem:no-such-route")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/counters", "GET, HEAD, OPTIONS"),
        ("POST", "/counters/a", "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"),
        ("GET", "/counters/a/increment", "OPTIONS, POST"),
        ("HEAD", "/transfers", "OPTIONS, POST"),
        ("DELETE", "/locks/a", "GET, HEAD, OPTIONS"),
    ],
)
def test_another_method_is_405_and_told_which_there_are(call, method, path, allowed):
    reply = call(method, path)
    assert (reply.status, reply.headers["Allow"]) == (405, allowed)
    asked = call("OPTIONS", path)
    assert (asked.status, asked.headers["Allow"], asked.body) == (204, allowed, None)


@pytest.mark.parametrize("path", ["/counters/a", "/openapi.json"])
def test_head_is_answered_as_get_without_the_body(call, path):
    call("PUT", "/counters/a", {})
    got, asked = call("GET", path), call("HEAD", path)
    assert (asked.status, asked.headers, asked.body) == (200, got.headers, None)
    assert call("HEAD", "/counters/b").status == 404


def test_every_problem_has_the_same_members_and_the_phrase_of_its_status(call):
    call("PUT", "/counters/a", {"floor": 0})
    problems = [
        (call("GET", "/counters/b"), "Not Found"),
        (call("GET", "/nowhere"), "Not Found"),
        (call("POST", "/counters"), "Method Not Allowed"),
        (call("POST", "/counters/a/increment", text="{"), "Bad Request"),
        (call("POST", "/counters/a/decrement", {"amount": 1}), "Conflict"),
        (call("DELETE", "/counters/a", headers={"If-Match": '"x"'}), "Precondition Failed"),
        (call("POST", "/counters/a/increment", text=" " * 70_000), "Content Too Large"),
    ]
    for reply, title in problems:
        assert reply.body["title"] == title
        assert reply.body["status"] == reply.status
        assert reply.body["instance"] == (
            "urn:interlock:request:00000000-0000-4000-8000-000000000000"
        )
        assert reply.body["type"].startswith("urn:interlock:problem:")
        assert reply.body["detail"]


def test_a_problem_blames_the_part_that_the_request_has(call):
    call("PUT", "/counters/a", {})
    reply = call("POST", "/transfers", {"from": "a", "to": "a", "amount": 1})
    assert (reply.status, reply.body["field"]) == (400, "to")


@pytest.mark.parametrize(("given", "blamed"), [("ceiling", -1), ("floor", 11)])
def test_a_bound_is_blamed_that_was_sent_and_not_the_one_that_is_stored(call, given, blamed):
    call("PUT", "/counters/a", {"floor": 0, "ceiling": 10})
    reply = call("PATCH", "/counters/a", {given: blamed})
    assert (reply.status, reply.body["field"]) == (400, given)
    assert "over the ceiling" in reply.body["detail"]


def test_a_refused_reset_says_where_the_counter_is(call):
    call("PUT", "/counters/a", {"floor": 0})
    call("POST", "/counters/a/increment", {"amount": 5})
    reply = call("POST", "/counters/a/reset", {"to": -5})
    assert (reply.status, reply.body["value"], reply.body["floor"]) == (409, 5, 0)
    assert "is at 5" in reply.body["detail"]


def test_put_makes_a_counter_and_leaves_one_that_is_there(call):
    configuration = {"floor": 0, "ceiling": 9, "shards": 4}
    assert call("PUT", "/counters/a", configuration).status == 201
    assert call("PUT", "/counters/a", configuration).status == 200
    other = call("PUT", "/counters/a", {"floor": 0})
    assert (other.status, other.body["type"]) == (409, "urn:interlock:problem:counter-exists")
    assert "shards 4" in other.body["detail"]
    state = call("GET", "/counters/a").body
    assert {name: state[name] for name in configuration} == configuration


def test_patch_changes_only_what_is_given(call):
    call("PUT", "/counters/a", {"floor": 0, "ceiling": 9, "shards": 4})
    kept = {"name": "a", "value": 0, "floor": 0, "ceiling": 9, "shards": 4}
    assert call("PATCH", "/counters/a", {}).body == kept
    assert call("PATCH", "/counters/a", {"floor": -1}).body == {**kept, "floor": -1}
    assert call("PATCH", "/counters/a", {"ceiling": None}).body["ceiling"] is None
    assert call("PATCH", "/counters/a", {"shards": 2}).body["shards"] == 2
    assert call("PATCH", "/counters/b", {"floor": 0}).status == 404


@pytest.mark.parametrize("limit", ["0", "101", "x", "1.5", "-1", "٣"])
def test_a_bad_page_size_is_400(call, limit):
    assert call("GET", "/counters", query={"limit": limit}).body["field"] == "limit"


def test_a_misspelt_query_parameter_is_400(call):
    reply = call("GET", "/counters", query={"limt": "5"})
    assert (reply.status, reply.body["field"]) == (400, "limt")


def test_throttling_says_when_to_come_back(call, app, client):
    # On a clock that stands still, the first pause that is longer is the last.
    driver = Driver(ClientTransport(client), environment=Environment(monotonic=lambda: 0.0))
    app.counters = CounterClient("t", client=driver, timeout=timedelta(milliseconds=50))
    client.always = True
    client.failure = ClientError({"Error": {"Code": "ThrottlingException"}}, "GetItem")
    reply = call("GET", "/counters/a")
    assert (reply.status, reply.headers["Retry-After"]) == (429, "1")


def test_a_lost_reply_is_told_and_not_repeated(call, client):
    client.failure = ReadTimeoutError(endpoint_url="http://127.0.0.1")
    reply = call("POST", "/counters/a/increment", {"amount": 1})
    assert (reply.status, reply.body["type"]) == (503, "urn:interlock:problem:outcome-unknown")
    assert "Retry-After" not in reply.headers
    assert call("GET", "/counters/a").status == 404


def test_a_fault_tells_nothing_of_the_inside(call, client):
    client.failure = RuntimeError("secret")
    reply = call("GET", "/counters/a")
    assert reply.status == 500
    assert "secret" not in json.dumps(reply.body)


def test_a_change_is_answered_even_if_it_cannot_be_signed(call, app):
    app.receipts = SimpleNamespace(
        issuer=SimpleNamespace(issue=lambda name, **claims: f"{name}:{claims['previous']}")
    )
    assert call("POST", "/counters/a/increment", {"amount": 2}).body["receipt"] == "a:0"

    def fail(*_, **__):
        from interlock.errors import ServiceUnavailable

        raise ServiceUnavailable("KMS")

    app.receipts = SimpleNamespace(issuer=SimpleNamespace(issue=fail))
    reply = call("POST", "/counters/a/increment", {"amount": 2})
    assert (reply.status, reply.body["value"], reply.body["receipt"]) == (200, 4, None)
