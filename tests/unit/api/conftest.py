"""The counter function's own folder, and the world that Lambda makes around it."""

import json
import logging
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from interlock import CounterClient
from interlock._drivers.clients import method_name
from interlock._protocol.faults import Refused
from interlock.testing._store.store import Store
from interlock.testing._store.tables import Table

FOLDER = Path(__file__).parents[3] / "lambda" / "counters"
MODULES = sorted(path.stem for path in FOLDER.glob("*.py"))
CONTEXT = SimpleNamespace(
    aws_request_id="00000000-0000-4000-8000-000000000000",
    function_name="counters",
    function_version="1",
    memory_limit_in_mb=512,
    invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:counters",
)


INCREMENT = {
    "httpMethod": "POST",
    "resource": "/counters/{name}/increment",
    "pathParameters": {"name": "visits"},
    "headers": {"Idempotency-Key": "k", "Content-Type": "application/json"},
    "queryStringParameters": None,
    "body": '{"amount": 2}',
    "requestContext": {"requestId": "gateway-request"},
}


@pytest.fixture
def aws(monkeypatch):
    """A table `t`, the function's environment variables, and its modules importable."""
    monkeypatch.syspath_prepend(FOLDER)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.delenv("INTERLOCK_SIGNING_KEY", raising=False)
    monkeypatch.setenv("INTERLOCK_TABLE", "t")
    monkeypatch.setenv("POWERTOOLS_TRACE_DISABLED", "1")
    with mock_aws():
        boto3.client("dynamodb").create_table(
            TableName="t",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield
    for name in MODULES:
        sys.modules.pop(name, None)
    logging.Logger.manager.loggerDict.pop("counters", None)  # it writes to this test's output


DOCUMENT = json.loads((FOLDER / "openapi.json").read_text())
OPERATIONS = (
    "GetItem",
    "PutItem",
    "UpdateItem",
    "DeleteItem",
    "TransactGetItems",
    "TransactWriteItems",
    "BatchGetItem",
)


@pytest.fixture
def modules(monkeypatch):
    """The function's modules, imported as Lambda does: from the function's own folder."""
    monkeypatch.syspath_prepend(FOLDER)
    import dispatch  # importable from here on
    import locks
    import routes

    yield SimpleNamespace(dispatch=dispatch.dispatch, routes=routes, locks=locks)
    for name in MODULES:
        sys.modules.pop(name, None)


class Client:
    """A boto3 client's calls, over the simulated store; `failure` is raised once, or `always`."""

    def __init__(self):
        self.store = Store(Table("t"))
        self.failure = None
        self.always = False
        for operation in OPERATIONS:
            setattr(self, method_name(operation), self.caller(operation))

    def caller(self, operation):
        def call(**params):
            failure = self.failure
            if not self.always:
                self.failure = None
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


def lines(headers):
    """Return headers as API Gateway's event has them: each name with all its lines."""
    return {k: v if isinstance(v, list) else [v] for k, v in (headers or {}).items()}


@pytest.fixture
def call(modules, app):
    def send(method, path, body=None, *, headers=None, query=None, text=None):
        resource, name = path, None
        if path.startswith("/counters/"):
            _, _, name, *verb = path.split("/", 3)
            resource = "/".join(["/counters/{name}", *verb])
        elif path.startswith("/locks/"):
            resource, name = "/locks/{name+}", path.removeprefix("/locks/")
        content = text if text is not None else body if body is None else json.dumps(body)
        typed = {} if content is None else {"Content-Type": "application/json"}
        event = {
            "httpMethod": method,
            "resource": resource,
            "pathParameters": {"name": name} if name is not None else None,
            "multiValueHeaders": lines({**typed, **(headers or {})}),
            "multiValueQueryStringParameters": lines(query) or None,
            "body": content,
        }
        reply = modules.dispatch(app, event, "00000000-0000-4000-8000-000000000000")
        documented(method, resource, reply)
        parsed = json.loads(reply["body"]) if reply["body"] else None
        return SimpleNamespace(status=reply["statusCode"], headers=reply["headers"], body=parsed)

    return send


def documented(method, resource, reply):
    """Fail on a status, media type or member that the document does not have."""
    operation = DOCUMENT["paths"].get(resource.replace("+}", "}"), {}).get(method.lower())
    if operation is None:
        return
    response = resolved(operation["responses"][str(reply["statusCode"])])
    content = response.get("content")
    if content is None:
        assert reply["body"] == ""
        return
    schema = content[reply["headers"]["Content-Type"]]["schema"]
    conforms(json.loads(reply["body"]), schema)


def resolved(part):
    """Return a part of the document, or what it refers to."""
    if "$ref" not in part:
        return part
    found = DOCUMENT
    for name in part["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return found


def conforms(value, schema):
    schema = resolved(schema)
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
