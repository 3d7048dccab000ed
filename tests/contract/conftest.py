"""Real DynamoDB engines for the contract tests: AWS's DynamoDB Local, and ministack.

Ask for `table` (a fresh one for each test) and `endpoint`; the test then runs once on each engine.
"""

import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from interlock import CounterClient
from interlock._drivers.clients import CLIENT_CONFIG
from local import dynamodb_local as engine
from local import emulator as ministack_emulator

HERE = Path(__file__).parent
ENGINES = ("dynamodb_local", "ministack")
PATIENT = CLIENT_CONFIG.merge(Config(connect_timeout=60, read_timeout=60))
"""For what a test itself reads and writes: an engine on a machine that is busy takes its time."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.contract)
            # Processes that are killed, and replies that are lost, leave handles on purpose.
            for kind in ("ResourceWarning", "pytest.PytestUnraisableExceptionWarning"):
                item.add_marker(pytest.mark.filterwarnings(f"ignore::{kind}"))


@pytest.fixture(scope="session")
def dynamodb_local() -> Iterator[str]:
    """The endpoint of a DynamoDB Local of this test session's own."""
    with engine.dynamodb_local() as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def ministack() -> Iterator[str]:
    """The endpoint of a ministack of this test session's own."""
    with ministack_emulator.emulator() as running:
        yield running.endpoint


@pytest.fixture(scope="session", params=ENGINES)
def endpoint(request: pytest.FixtureRequest) -> str:
    """The endpoint of each engine in turn."""
    url: str = request.getfixturevalue(request.param)
    return url


@pytest.fixture(scope="session")
def client(endpoint: str):
    """A boto3 client of the engine, set up as the library sets up its own."""
    return connected(endpoint, CLIENT_CONFIG)


@pytest.fixture(scope="session")
def store(endpoint: str) -> Any:
    """A boto3 client of the engine for what a test itself reads and writes."""
    return connected(endpoint, PATIENT)


def counting(endpoint: str, table: str) -> CounterClient:
    """Return a client that gives no call up for the machine's sake.

    What is given up without a key may have counted, which no test could know.
    """
    return CounterClient(table, client=connected(endpoint, PATIENT), timeout=timedelta(minutes=4))


def connected(endpoint: str, config: Config) -> Any:
    """Return a boto3 client of an engine."""
    return boto3.client(
        "dynamodb",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=config,
    )


@pytest.fixture
def table(store) -> Iterator[str]:
    """The name of an empty table with the shape of `CoordinationTable`'s."""
    name = f"coordination-{uuid.uuid4().hex[:12]}"
    store.create_table(
        TableName=name,
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "listing", "AttributeType": "S"},
        ],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "listing",
                "KeySchema": [
                    {"AttributeName": "listing", "KeyType": "HASH"},
                    {"AttributeName": "pk", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    store.get_waiter("table_exists").wait(
        TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30}
    )
    yield name
    store.delete_table(TableName=name)
