"""The awaitable client runs the same protocol: over a client that awaits, on the same moto."""

import asyncio
import json

import boto3
import pytest
from aiobotocore.session import get_session  # type: ignore[import-untyped]  # it has no stubs
from botocore.config import Config
from moto import mock_aws

from interlock._drivers.awaitable.opening import open_driver as open_awaitable
from interlock.aio.transactions import TransactionClient
from interlock.errors import InvalidValue, ServiceUnavailable, TransactionClosed
from interlock.metrics import EmbeddedMetrics

A = {"pk": "a"}


class Awaitable:
    """A boto3 client whose methods are awaited, and give way to other tasks as real ones do."""

    def __init__(self, client):
        self.client = client
        self.meta = client.meta
        self.sent = []

    def __getattr__(self, method):
        async def send(**params):
            self.sent.append(method)
            await asyncio.sleep(0)
            return getattr(self.client, method)(**params)

        return send


@pytest.fixture
def client(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        client = boto3.client("dynamodb", region_name="us-east-1")
        client.create_table(
            TableName="t",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield Awaitable(client)


@pytest.fixture
def tx(client):
    return TransactionClient("t", client=client)


async def test_concurrent_tasks_lose_no_update(tx):
    @tx.transactional
    async def count(t):
        item = await t.get("t", A)
        t.put("t", A, {"n": (item or {"n": 0})["n"] + 1})

    await asyncio.gather(*(count() for _ in range(6)))
    assert await tx.snapshot([("t", A)]) == [{"pk": "a", "n": 6}]


async def test_a_replay_returns_the_result(tx, client):
    async def body(t):
        t.update("t", A, add={"n": 1})
        (item,) = await t.get_many([("t", A)])
        return item["n"]

    assert await tx.run(body, idempotency_key="k") == 1
    client.sent.clear()
    assert await tx.run(body, idempotency_key="k") == 1
    assert client.sent == ["get_item"]


async def test_transactions_are_measured(client):
    lines: list[str] = []
    tx = TransactionClient("t", client=client, metrics=EmbeddedMetrics(lines.append))

    async def body(t):
        t.put("t", A, {})

    await tx.run(body)
    assert json.loads(lines[0])["TransactionAttempts"] == 1


async def test_an_error_of_the_function_is_its_callers(tx):
    kept = []

    async def body(t):
        kept.append(t)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await tx.run(body)
    with pytest.raises(TransactionClosed):
        kept[0].put("t", A, {})


async def test_a_store_out_of_reach_is_said_so():
    session = get_session()
    slept = []

    async def sleep(seconds):
        slept.append(seconds)

    async with session.create_client(
        "dynamodb",
        region_name="us-east-1",
        endpoint_url="http://127.0.0.1:1",
        aws_access_key_id="x",
        aws_secret_access_key="x",
        config=Config(retries={"total_max_attempts": 1}),
    ) as client:
        tx = TransactionClient("t", driver=open_awaitable(client, sleep=sleep), attempts=3)
        with pytest.raises(ServiceUnavailable):
            await tx.snapshot([("t", A)])
    assert len(slept) == 2


def test_a_client_has_to_be_passed_in():
    with pytest.raises(InvalidValue, match="client"):
        TransactionClient("t")
