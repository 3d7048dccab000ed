"""Each request is counted by how it ended, logged under the gateway's id, and traced."""

import importlib
import json
import os
import socket
import subprocess
import sys
from typing import Any

import pytest

from tests.unit.api.conftest import CONTEXT, FOLDER, INCREMENT

ROOT = FOLDER.parents[1]
IN_LAMBDA = """
import importlib, sys
import boto3
from moto import mock_aws
from tests.unit.api.conftest import CONTEXT, INCREMENT
with mock_aws():
    boto3.client("dynamodb").create_table(
        TableName="t",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    handler = importlib.import_module("handler").handler
    assert handler(INCREMENT, CONTEXT)["statusCode"] == 200
    assert handler({**INCREMENT, "body": "{}"}, CONTEXT)["statusCode"] == 400
"""


def lines(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def metrics_in(logged):
    """Return the metrics of log lines by name: namespace and dimensions."""
    return {
        metric["Name"]: (directive["Namespace"], {d: line[d] for d in directive["Dimensions"][0]})
        for line in logged
        if "_aws" in line
        for directive in line["_aws"]["CloudWatchMetrics"]
        for metric in directive["Metrics"]
        if line[metric["Name"]] == [1.0]
    }


def test_a_request_is_counted_where_alarms_look_with_its_operation_beside(aws, capsys):  # noqa: ARG001 - it is the world
    importlib.import_module("handler").handler(INCREMENT, CONTEXT)
    logged = lines(capsys)
    assert metrics_in(logged)["RequestsServed"] == ("Interlock", {"service": "counters"})
    (line,) = [line for line in logged if "RequestsServed" in line]
    assert (line["operation"], line["status"]) == ("increment_counter", 200)
    assert not line.keys() & {"caller", "subject"}


@pytest.mark.parametrize(("signer", "believed"), [("service", True), ("orders", False)])
def test_the_log_names_who_signed_and_for_whom(aws, capsys, monkeypatch, signer, believed):  # noqa: ARG001 - it is the world
    roles = "arn:aws:sts::111122223333:assumed-role"
    monkeypatch.setenv("INTERLOCK_SPEAKER", f"{roles}/service")
    arn = f"{roles}/{signer}/i-1"
    event = {
        **INCREMENT,
        "headers": {
            "Idempotency-Key": "k",
            "Content-Type": "application/json",
            "X-Interlock-Subject": "auth0|%C3%BC",
        },
        "requestContext": {"requestId": "r", "identity": {"userArn": arn}},
    }
    importlib.import_module("handler").handler(event, CONTEXT)
    (line,) = [line for line in lines(capsys) if "RequestsServed" in line]
    assert line["caller"] == arn
    assert line.get("subject") == ("auth0|ü" if believed else None)
    # Of the next request nothing is left.
    importlib.import_module("handler").handler(INCREMENT, CONTEXT)
    (line,) = [line for line in lines(capsys) if "RequestsServed" in line]
    assert not line.keys() & {"caller", "subject"}


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        ({"body": '{"amount": 0}'}, "RequestsRefused"),
        ({"resource": "/nowhere"}, "RequestsRefused"),
        ({"pathParameters": None}, "RequestsRefused"),
    ],
)
def test_a_refused_request_is_counted_as_such(aws, capsys, change, outcome):  # noqa: ARG001 - it is the world
    importlib.import_module("handler").handler({**INCREMENT, **change}, CONTEXT)
    counted = metrics_in(lines(capsys))
    assert outcome in counted
    assert "RequestsServed" not in counted


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, "RequestsServed"),
        (304, "RequestsServed"),
        (400, "RequestsRefused"),
        (409, "LimitsReached"),
        (422, "RequestsRefused"),
        (429, "RequestsThrottled"),
        (500, "RequestsFailed"),
        (503, "RequestsFailed"),
    ],
)
def test_outcomes(aws, status, outcome):  # noqa: ARG001 - it is the world
    assert importlib.import_module("telemetry").outcome_of(status) == outcome


def test_a_failure_is_logged_under_the_ids_of_gateway_and_function(aws, capsys, monkeypatch):  # noqa: ARG001 - it is the world
    monkeypatch.setenv("INTERLOCK_TABLE", "no-such-table")
    reply = importlib.import_module("handler").handler(INCREMENT, CONTEXT)
    assert reply["statusCode"] == 500
    logged = lines(capsys)
    assert "RequestsFailed" in metrics_in(logged)
    (error,) = [line for line in logged if line.get("level") == "ERROR"]
    assert error["correlation_id"] == "gateway-request"
    assert error["function_request_id"] == CONTEXT.aws_request_id


def test_requests_are_traced_with_the_calls_they_make():
    """In a process of its own: the SDK patches botocore, and takes its place from the variables."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
        daemon.bind(("127.0.0.1", 0))
        daemon.settimeout(10)
        environment = {name: value for name, value in os.environ.items() if name[:4] != "AWS_"} | {
            "PYTHONPATH": os.pathsep.join([str(FOLDER), str(ROOT)]),
            "INTERLOCK_TABLE": "t",
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_XRAY_DAEMON_ADDRESS": f"127.0.0.1:{daemon.getsockname()[1]}",
            "LAMBDA_TASK_ROOT": str(FOLDER),
            "_X_AMZN_TRACE_ID": (
                "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
            ),
        }
        environment.pop("POWERTOOLS_TRACE_DISABLED", None)
        subprocess.run([sys.executable, "-c", IN_LAMBDA], check=True, env=environment, timeout=60)
        segments: list[dict[str, Any]] = []
        while sum(segment["name"] == "## handler" for segment in segments) < 2:
            segments.append(json.loads(daemon.recv(65536).split(b"\n", 1)[1]))
    assert {segment["trace_id"] for segment in segments} == {"1-5759e988-bd862e3fe1be46a994272793"}
    served, refused = (segment for segment in segments if segment["name"] == "## handler")
    assert served["annotations"] == {
        "ColdStart": True,
        "Service": "counters",
        "operation": "increment_counter",
        "outcome": "RequestsServed",
    }
    assert refused["annotations"]["outcome"] == "RequestsRefused"
    assert "metadata" not in served  # neither bodies nor answers
    calls = [s for s in segments if s["name"] == "dynamodb" and s["parent_id"] == served["id"]]
    assert "TransactWriteItems" in {call["aws"]["operation"] for call in calls}
    assert not [s for s in segments if s["name"] == "dynamodb" and s["parent_id"] == refused["id"]]


def test_nothing_of_x_ray_is_imported_where_nothing_is_traced():
    """Half of a cold start would be its SDK."""
    code = "import sys, telemetry; sys.exit(any(m.startswith('aws_xray_sdk') for m in sys.modules))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(FOLDER), str(ROOT)])}
    for on in ({}, {"LAMBDA_TASK_ROOT": "/", "POWERTOOLS_TRACE_DISABLED": "true"}):
        subprocess.run([sys.executable, "-c", code], check=True, env=environment | on, timeout=60)
    traced = environment | {"LAMBDA_TASK_ROOT": "/"}
    traced.pop("POWERTOOLS_TRACE_DISABLED", None)
    assert subprocess.run([sys.executable, "-c", code], check=False, env=traced).returncode == 1
