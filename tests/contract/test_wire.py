"""Every transport brings the same answers from real engines, in the clear and encrypted."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from aiobotocore.session import get_session  # type: ignore[import-untyped]  # it has no stubs

from interlock._drivers.awaitable.client import ClientTransport as AwaitableClient
from interlock._drivers.awaitable.wire import WireTransport as AwaitableWire
from interlock._drivers.blocking.client import ClientTransport as BlockingClient
from interlock._drivers.blocking.wire import WireTransport as BlockingWire
from interlock._protocol.faults import NoReply, Refused
from interlock._protocol.requests import Call
from tests.wire.peers import Authority, relay
from tests.wire.scripted import ENVIRONMENT

Send = Callable[[Call], Any]
KEYS: dict[str, Any] = {
    "aws_access_key_id": "test",
    "aws_secret_access_key": "test",
    "region_name": "us-east-1",
}


@contextmanager
def blocking_wire(url: str, bundle: str) -> Iterator[Send]:
    transport = BlockingWire("dynamodb", environ=environment(url, bundle))
    yield lambda call: transport.send(call, 10.0)
    transport.close()


@contextmanager
def awaitable_wire(url: str, bundle: str) -> Iterator[Send]:
    transport = AwaitableWire("dynamodb", environ=environment(url, bundle))
    with asyncio.Runner() as runner:
        yield lambda call: runner.run(transport.send(call, 10.0))


@contextmanager
def blocking_client(url: str, bundle: str) -> Iterator[Send]:
    made: Any = boto3.client("dynamodb", endpoint_url=url, verify=bundle, **KEYS)
    transport = BlockingClient(made)
    yield lambda call: transport.send(call, 10.0)
    made.close()


@contextmanager
def awaitable_client(url: str, bundle: str) -> Iterator[Send]:
    making = get_session().create_client("dynamodb", endpoint_url=url, verify=bundle, **KEYS)
    with asyncio.Runner() as runner:
        transport = AwaitableClient(runner.run(making.__aenter__()))
        yield lambda call: runner.run(transport.send(call, 10.0))
        runner.run(making.__aexit__(None, None, None))


def environment(url: str, bundle: str) -> dict[str, str]:
    return ENVIRONMENT | {
        "AWS_ENDPOINT_URL": url,
        "AWS_CA_BUNDLE": bundle,
        "AWS_ACCESS_KEY_ID": "test",  # DynamoDB Local keeps the tables of each key apart
    }


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(params=["clear", "encrypted"])
def address(request, endpoint, authority):
    """The engine's URL, its own or that of an encrypted front."""
    if request.param == "clear":
        yield endpoint
        return
    parts = urlsplit(endpoint)
    with relay((parts.hostname, parts.port), authority.server()) as url:
        yield url


@pytest.fixture(params=[blocking_wire, awaitable_wire, blocking_client, awaitable_client])
def send(request, address, authority):
    """Make calls by one of the transports; a fault is returned as it is."""
    with ExitStack() as stack:
        deliver = stack.enter_context(request.param(address, str(authority.bundle)))

        def outcome(operation, **params):
            try:
                reply = deliver(Call(operation, params))
            except (NoReply, Refused) as fault:
                return fault
            return {name: value for name, value in reply.items() if name != "ResponseMetadata"}

        yield outcome


def test_all_transports_bring_the_same_answers(send, table):
    key = {"pk": {"S": "a"}}
    where = {"TableName": table, "Key": key}
    item = key | {"n": {"N": "1"}, "b": {"B": b"\x00\xff"}, "bs": {"BS": [b"\x01"]}}
    values = {":n": item["n"], ":b": item["b"], ":bs": item["bs"]}
    made = send(
        "UpdateItem",
        **where,
        UpdateExpression="SET n = :n, b = :b, bs = :bs",
        ExpressionAttributeValues=values,
        ReturnValues="ALL_NEW",
    )
    assert made == {"Attributes": item}
    assert send("GetItem", **where, ConsistentRead=True) == {"Item": item}
    assert send("GetItem", TableName=table, Key={"pk": {"S": "none"}}) == {}
    refused = send(
        "UpdateItem",
        **where,
        UpdateExpression="SET n = :n",
        ConditionExpression="n = :other",
        ExpressionAttributeValues={":n": {"N": "3"}, ":other": {"N": "2"}},
        ReturnValuesOnConditionCheckFailure="ALL_OLD",
    )
    assert isinstance(refused, Refused)
    assert refused.condition_failed
    assert refused.item == item
    check = {
        **where,
        "ConditionExpression": "n = :other",
        "ExpressionAttributeValues": {":other": {"N": "2"}},
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    put = {"TableName": table, "Item": {"pk": {"S": "b"}}}
    cancelled = send("TransactWriteItems", TransactItems=[{"Put": put}, {"ConditionCheck": check}])
    assert isinstance(cancelled, Refused)
    assert [reason.code for reason in cancelled.reasons] == ["None", "ConditionalCheckFailed"]
    assert cancelled.reasons[1].item == item
    missing = send("GetItem", TableName="no-such-table", Key=key)
    assert isinstance(missing, Refused)
    assert missing.code == "ResourceNotFoundException"


def test_large_answers_arrive_whole(send, table):
    """DynamoDB Local sends them in chunks."""
    keys = [{"pk": {"S": f"large-{number}"}} for number in range(4)]
    items = [key | {"data": {"S": "x" * 200_000}} for key in keys]
    for item in items:
        assert send("PutItem", TableName=table, Item=item) == {}
    found = send(
        "TransactGetItems",
        TransactItems=[{"Get": {"TableName": table, "Key": key}} for key in keys],
    )
    assert found == {"Responses": [{"Item": item} for item in items]}
