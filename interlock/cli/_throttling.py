"""The check of `interlock doctor` for throttled keys, by what CloudWatch counted."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from interlock.cli._findings import OK, WARNING, Finding, code_of, is_denied
from interlock.cli._table import Table
from interlock.clients import client_config

_BEFORE, _AFTER = timedelta(hours=1), timedelta(minutes=1)  # of this machine's clock
_COUNTED = {"reads": "ReadThrottleEvents", "writes": "WriteThrottleEvents"}
_CHECK = "throttling"


def open_metrics(table: Table, session: boto3.session.Session) -> Any:
    """Return a client of CloudWatch; None where the endpoint of a table is not the service's."""
    own = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB")
    if table.endpoint_url or any(os.environ.get(name) for name in own):
        return None
    return session.client("cloudwatch", config=client_config())


def of_throttling(metrics: Any, table: str) -> Iterator[Finding]:
    """Yield how much of a table was throttled in the last hour; nothing without CloudWatch."""
    if metrics is None:
        return
    now = datetime.now(UTC)
    queries = [
        {
            "Id": kind,
            "MetricStat": {
                "Metric": {
                    "Namespace": "AWS/DynamoDB",
                    "MetricName": name,
                    "Dimensions": [{"Name": "TableName", "Value": table.rpartition("/")[2]}],
                },
                "Period": int(_BEFORE.total_seconds()),
                "Stat": "Sum",
            },
        }
        for kind, name in _COUNTED.items()
    ]
    try:
        reply = metrics.get_metric_data(
            MetricDataQueries=queries, StartTime=now - _BEFORE, EndTime=now + _AFTER
        )
    except (ClientError, BotoCoreError) as error:
        yield _unexamined(error)
        return
    counted = {one["Id"]: sum(one["Values"]) for one in reply["MetricDataResults"]}
    if not any(counted.values()):
        yield Finding(_CHECK, OK, "none in the last hour")
        return
    told = " and ".join(f"{counted.get(kind, 0):,.0f} {kind}" for kind in _COUNTED)
    fix = (
        f"have DynamoDB name the keys (aws dynamodb update-contributor-insights --table-name "
        f"{table} --contributor-insights-action ENABLE), give a hot counter more shards, and "
        "what waits for a hot lock fair=True or a longer poll"
    )
    yield Finding(_CHECK, WARNING, f"{told} in the last hour", fix)


def _unexamined(error: Exception) -> Finding:
    if isinstance(error, ClientError) and is_denied(error):
        fix = "allow it in the caller's policy: the action has no resource to confine it to"
        return Finding(
            _CHECK, WARNING, "cannot be examined: cloudwatch:GetMetricData is denied", fix
        )
    told = code_of(error) if isinstance(error, ClientError) else str(error)
    return Finding(_CHECK, WARNING, f"cannot be examined: {told}", "see what the service says")
