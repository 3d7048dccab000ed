"""The counter function's entry point: made once an environment, then one call a request."""

import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.logging.correlation_paths import API_GATEWAY_REST
from callers import Speaker, person_of
from dispatch import dispatch, operation_of
from locks import Locks
from problems import Problem
from request import Request
from routes import Services
from snapshot import hook
from telemetry import logger, metrics, record, tracer

from interlock import CounterClient

if TYPE_CHECKING:
    from receipts import Receipts


def receipts(key_arns: str | None) -> "Receipts | None":
    """Return the signer of changes, by the first of these KMS keys; None without one.

    The ARNs are parted by commas. Without them nothing is imported for signing. Where
    INTERLOCK_DELEGATION_MINUTES is set, a key of this process signs for as long.
    """
    if not key_arns:
        return None
    from receipts import Receipts  # only where changes are signed

    minutes = os.environ.get("INTERLOCK_DELEGATION_MINUTES")
    return Receipts(
        key_arns.split(","),
        os.environ.get("INTERLOCK_ISSUER", "interlock"),
        delegation=timedelta(minutes=float(minutes)) if minutes else None,
    )


table = os.environ["INTERLOCK_TABLE"]
services = Services(
    CounterClient(table),
    Locks(table),
    receipts(os.environ.get("INTERLOCK_SIGNING_KEY")),
    Speaker(os.environ.get("INTERLOCK_SPEAKER")),
)
hook(services)


@logger.inject_lambda_context(correlation_id_path=API_GATEWAY_REST)
@tracer.capture_lambda_handler(capture_response=False)  # traces do not show what counters hold
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer one request of API Gateway (proxy integration)."""
    reply = dispatch(services, event, context.aws_request_id)
    request = Request(event, context.aws_request_id)
    record(operation_of(event), reply["statusCode"], caller=request.signer, subject=person(request))
    return reply


def person(request: Request) -> str | None:
    """Return the subject of the person for whom the service asks; None where it names none."""
    try:
        return person_of(request, services.speaker)
    except Problem:
        return None  # which the caller was told
