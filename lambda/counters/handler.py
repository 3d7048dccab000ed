"""The counter function's entry point: made once an environment, then one call a request."""

import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from aws_lambda_powertools.logging.correlation_paths import API_GATEWAY_REST
from dispatch import dispatch, operation_of
from locks import Locks
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
    CounterClient(table), Locks(table), receipts(os.environ.get("INTERLOCK_SIGNING_KEY"))
)
hook(services)


@logger.inject_lambda_context(correlation_id_path=API_GATEWAY_REST)
@tracer.capture_lambda_handler(capture_response=False)  # traces do not show what counters hold
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer one request of API Gateway (proxy integration)."""
    reply = dispatch(services, event, context.aws_request_id)
    caller, subject = whose(event)
    record(operation_of(event), reply["statusCode"], caller=caller, subject=subject)
    return reply


def whose(event: dict[str, Any]) -> tuple[str | None, str | None]:
    """Return the ARN that signed a request, and the subject of the person whom it says it is for.

    The service names its people by `x-interlock-subject`, and drops a header of theirs of that
    name. Another caller can write there what it likes: its ARN says whose word it is.
    """
    identity = (event.get("requestContext") or {}).get("identity") or {}
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    subject = headers.get("x-interlock-subject")
    return identity.get("userArn"), unquote(subject) if subject else None
