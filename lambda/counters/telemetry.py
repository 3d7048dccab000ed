"""Metrics and traces of each request, for CloudWatch and X-Ray.

All of it is made while Lambda initializes the environment, which gets a whole processor for that
whatever the function's memory is: the same imports within the first request would take three times
as long at 512 MB. SnapStart does it before the snapshot is taken.
"""

import os
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit

from interlock.metrics import NAMESPACE

SERVICE = "counters"
_LONGEST = 1024  # characters of what a caller says of itself

logger = Logger(service=SERVICE)  # configures the logger that the other modules write to
metrics = Metrics(namespace=NAMESPACE, service=SERVICE)


class Untraced:
    """A tracer for where there is none: even one that is disabled imports all of X-Ray's SDK."""

    def capture_lambda_handler(self, **_: Any) -> Callable[[Any], Any]:
        """Leave the handler as it is."""
        return lambda handler: handler

    def put_annotation(self, key: str, value: object) -> None:
        """Do nothing."""


def is_traced() -> bool:
    """Whether Powertools would trace: within Lambda, unless its variable says no."""
    disabled = os.environ.get("POWERTOOLS_TRACE_DISABLED", "").lower() in ("1", "true", "yes", "on")
    return "LAMBDA_TASK_ROOT" in os.environ and not disabled


# Every call of DynamoDB and KMS is a segment of its own. Tracing all that the SDK knows would
# import it all.
tracer = Tracer(service=SERVICE, patch_modules=("botocore",)) if is_traced() else Untraced()


def record(operation: str, status: int, *, caller: str | None, subject: str | None) -> None:
    """Count a request by how it ended, and let its trace be found by that and by its operation.

    The operation is no dimension: each would be billed as another metric. In the log it is a field
    beside them, so that Logs Insights can tell operations apart; so are `caller`, the ARN that
    signed the request, and `subject`, the person for whom the service asks.
    """
    outcome = outcome_of(status)
    metrics.add_metric(outcome, MetricUnit.Count, 1)
    metrics.add_metadata("operation", operation)
    metrics.add_metadata("status", status)
    for name, value in (("caller", caller), ("subject", subject)):
        if value:
            metrics.add_metadata(name, value[:_LONGEST])
    tracer.put_annotation("operation", operation)
    tracer.put_annotation("outcome", outcome)


def outcome_of(status: int) -> str:
    """Return the name of the metric that counts requests which ended with an HTTP status."""
    if status == HTTPStatus.CONFLICT:
        return "LimitsReached"
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return "RequestsThrottled"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "RequestsFailed"
    return "RequestsRefused" if status >= HTTPStatus.BAD_REQUEST else "RequestsServed"
