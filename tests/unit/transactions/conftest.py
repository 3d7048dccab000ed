"""A client over moto, whose wire and clock belong to the test."""

import boto3
import pytest
from moto import mock_aws

from interlock._drivers.blocking.opening import open_driver
from interlock._drivers.clients import CLIENT_CONFIG
from interlock._drivers.environment import Environment
from interlock.transactions import TransactionClient
from tests.unit.transactions.wire import Time, Wire


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
def time():
    return Time()


@pytest.fixture
def reports():
    return []


@pytest.fixture
def tx(wire, time, reports):
    driver = open_driver(
        wire, environment=Environment(monotonic=time.read, wall_clock=time.read), sleep=time.sleep
    )
    return TransactionClient("coordination", driver=driver, attempts=8, on_finish=reports.append)
