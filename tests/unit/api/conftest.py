"""The counter function's own folder, and the world that Lambda makes around it."""

import logging
import sys
from pathlib import Path
from types import SimpleNamespace

import boto3
import pytest
from moto import mock_aws

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
    "headers": {"Idempotency-Key": "k"},
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
