"""The awaitable client runs the same protocol: over a client that awaits, on the same moto."""

import asyncio

import boto3
import pytest
from aiobotocore.session import get_session  # type: ignore[import-untyped]  # it has no stubs
from botocore.config import Config
from moto import mock_aws

from interlock import client_config
from interlock._drivers.awaitable.opening import open_driver as open_awaitable
from interlock.aio.transactions import TransactionClient
from interlock.errors import ServiceUnavailable

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
        client = boto3.client("dynamodb", region_name="us-east-1", config=client_config())
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
        tx = TransactionClient("t", client=open_awaitable(client, sleep=sleep), attempts=3)
        with pytest.raises(ServiceUnavailable):
            await tx.snapshot([("t", A)])
    assert len(slept) == 2
