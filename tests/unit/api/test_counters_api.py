"""The HTTP API answers as its OpenAPI document says, and refuses bad input without counting."""

import json
import sys
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from interlock import CounterClient, LockClient
from interlock._drivers.clients import method_name
from interlock._protocol.faults import Refused
from interlock.testing._store.store import Store
from interlock.testing._store.tables import Table
from tests.unit.api.conftest import FOLDER, MODULES

DOCUMENT = json.loads((FOLDER / "openapi.json").read_text())
OPERATIONS = ("GetItem", "UpdateItem", "TransactGetItems", "TransactWriteItems", "BatchGetItem")


@pytest.fixture
def modules(monkeypatch):
    """The function's modules, imported as Lambda does: from the function's own folder."""
    monkeypatch.syspath_prepend(FOLDER)
    import dispatch  # noqa: PLC0415 - importable from here on
    import locks  # noqa: PLC0415 - as above
    import routes  # noqa: PLC0415 - as above

    yield SimpleNamespace(dispatch=dispatch.dispatch, routes=routes, locks=locks)
    for name in MODULES:
        sys.modules.pop(name, None)


class Client:
    """A boto3 client's calls, over the simulated store; `failure` is raised once instead."""

    def __init__(self):
        self.store = Store(Table("t"))
        self.failure = None
        for operation in OPERATIONS:
            setattr(self, method_name(operation), self.caller(operation))

    def caller(self, operation):
        def call(**params):
            failure, self.failure = self.failure, None
            if failure is not None:
                raise failure
            try:
                return self.store.perform(operation, params)
            except Refused as refused:
                response: Any = {
                    "Error": {"Code": refused.code, "Message": refused.message},
                    "ResponseMetadata": {"HTTPStatusCode": 400},
                    "Item": refused.item,
                    "CancellationReasons": [
                        {"Code": r.code, "Item": r.item} if r.item else {"Code": r.code}
                        for r in refused.reasons
                    ],
                }
                raise ClientError(response, operation) from refused

        return call


@pytest.fixture
def client():
    return Client()


@pytest.fixture
def app(modules, client):
    return modules.routes.Services(
        CounterClient("t", client=client), modules.locks.Locks("t", client=client)
    )


@pytest.fixture
def call(modules, app):
    def send(method, path, body=None, *, headers=None, query=None, text=None, **options):
        resource, name = path, None
        if path.startswith("/counters/"):
            _, _, name, *verb = path.split("/", 3)
            resource = "/".join(["/counters/{name}", *verb])
        elif path.startswith("/locks/"):
            resource, name = "/locks/{name+}", path.removeprefix("/locks/")
        event = {
            "httpMethod": method,
            "resource": resource,
            "pathParameters": {"name": name} if name is not None else None,
            "headers": headers,
            "queryStringParameters": query,
            "body": text if text is not None else body if body is None else json.dumps(body),
        }
        reply = modules.dispatch(app, event, "00000000-0000-4000-8000-000000000000", **options)
        documented(method, resource, reply)
        parsed = json.loads(reply["body"]) if reply["body"] else None
        return SimpleNamespace(status=reply["statusCode"], headers=reply["headers"], body=parsed)

    return send


def documented(method, resource, reply):
    """Fail on a status, media type or member that the document does not have."""
    operation = DOCUMENT["paths"].get(resource.replace("+}", "}"), {}).get(method.lower())
    if operation is None:
        return
    response = operation["responses"][str(reply["statusCode"])]
    content = response.get("content")
    if content is None:
        assert reply["body"] == ""
        return
    schema = content[reply["headers"]["Content-Type"]]["schema"]
    conforms(json.loads(reply["body"]), schema)


def conforms(value, schema):
    if "$ref" in schema:
        schema = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    kinds: dict[str, Any] = {
        "object": dict,
        "array": list,
        "string": str,
        "integer": int,
        "number": (int, float),
        "boolean": bool,
    }
    wanted = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    assert any(value is None if k == "null" else isinstance(value, kinds[k]) for k in wanted)
    if isinstance(value, dict) and "properties" in schema:
        assert set(schema.get("required", ())) <= set(value)
        for name, member in value.items():
            if name in schema["properties"]:
                conforms(member, schema["properties"][name])
            else:
                assert schema.get("additionalProperties", True)
    if isinstance(value, list):
        for member in value:
            conforms(member, schema["items"])


def test_each_route_of_the_document_is_served_and_no_other(modules):
    documented_routes = {
        (method.upper(), path): operation["operationId"]
        for path, methods in DOCUMENT["paths"].items()
        for method, operation in methods.items()
    }
    served = {route: function.__name__ for route, function in modules.routes.ROUTES.items()}
    assert served == documented_routes


def test_a_counter_lives_through_its_routes(call):
    created = call("PUT", "/counters/seats", {"floor": 0, "ceiling": 3, "shards": 2})
    assert (created.status, created.headers["Location"]) == (201, "/counters/seats")
    assert call("PUT", "/counters/seats", {"floor": 0, "ceiling": 4}).status == 200
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
        (f'{{"amount": {"9" * 5000}}}', "body"),
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


def test_an_unknown_route_is_404(call):
    assert call("PATCH", "/nowhere").status == 404


@pytest.mark.parametrize("limit", ["0", "101", "x", "1.5", "-1", "٣"])
def test_a_bad_page_size_is_400(call, limit):
    assert call("GET", "/counters", query={"limit": limit}).body["field"] == "limit"


def test_a_misspelt_query_parameter_is_400(call):
    reply = call("GET", "/counters", query={"limt": "5"})
    assert (reply.status, reply.body["field"]) == (400, "limt")


def test_throttling_says_when_to_come_back(call, app, client):
    app.counters = CounterClient("t", client=client, timeout=timedelta(microseconds=1))
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


def test_pages_of_other_origins_are_let_in_by_configuration(call):
    assert "Access-Control-Allow-Origin" not in call("GET", "/openapi.json").headers
    reply = call("GET", "/openapi.json", origin="https://a.example")
    assert reply.headers["Access-Control-Allow-Origin"] == "https://a.example"
    assert reply.body == DOCUMENT


def test_a_change_is_answered_even_if_it_cannot_be_signed(call, app):
    app.receipts = SimpleNamespace(
        issuer=SimpleNamespace(issue=lambda name, **claims: f"{name}:{claims['previous']}")
    )
    assert call("POST", "/counters/a/increment", {"amount": 2}).body["receipt"] == "a:0"

    def fail(*_, **__):
        from interlock.errors import ServiceUnavailable  # noqa: PLC0415 - only here

        raise ServiceUnavailable("KMS")

    app.receipts = SimpleNamespace(issuer=SimpleNamespace(issue=fail))
    reply = call("POST", "/counters/a/increment", {"amount": 2})
    assert (reply.status, reply.body["value"], reply.body["receipt"]) == (200, 4, None)
