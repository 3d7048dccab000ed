"""A client over moto, whose wire and clock belong to the test."""

import boto3
import pytest
from moto import mock_aws

from interlock._drivers.clients import CLIENT_CONFIG
from interlock._drivers.environment import Environment
from tests.unit.transactions.steps import World
from tests.unit.transactions.wire import OnEither, Time, Wire


@pytest.fixture
def wire(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        client = boto3.client("dynamodb", region_name="us-east-1", config=CLIENT_CONFIG)
        for table in ("t", "coordination"):
            client.create_table(
                TableName=table,
                KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )
        yield Wire(client)


@pytest.fixture
def world():
    """What single steps of a transaction run in."""
    return World()


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def reports():
    return []


@pytest.fixture
def client_of(half, wire, time):
    """Make clients of either half over the same wire, in time that passes on demand."""

    def make(table="coordination", *, draw=lambda: 0.5, **options):
        clocks = Environment(monotonic=time.read, wall_clock=time.read, draw=draw)
        driver = half.client(wire.answer, clocks, time.sleep)
        return OnEither(half, half.transactions.TransactionClient(table, client=driver, **options))

    return make


@pytest.fixture
def tx(client_of, reports):
    return client_of(attempts=8, on_finish=reports.append)
