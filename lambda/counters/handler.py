"""The counter function's entry point: made once an environment, then one call a request."""

import os
from typing import TYPE_CHECKING, Any

from answering import answer
from aws_lambda_powertools import Logger
from routes import Application

from interlock import CounterClient

if TYPE_CHECKING:
    from interlock.receipts import ReceiptIssuer

logger = Logger(service="counters")  # configures the logger that the other modules write to
origin = os.environ.get("INTERLOCK_ALLOWED_ORIGIN")


def receipts(key_id: str | None) -> "ReceiptIssuer | None":
    """Return who signs changes with a KMS key; None, and nothing imported, without one."""
    if not key_id:
        return None
    from interlock.receipts import ReceiptIssuer  # noqa: PLC0415 - only where changes are signed
    from interlock.signing import Signer  # noqa: PLC0415 - as above

    issuer = os.environ.get("INTERLOCK_ISSUER", "interlock")
    return ReceiptIssuer(Signer(key_id), issuer=issuer)


application = Application(
    CounterClient(os.environ["INTERLOCK_TABLE"]), receipts(os.environ.get("INTERLOCK_SIGNING_KEY"))
)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer one request of API Gateway (proxy integration)."""
    return answer(application, event, context.aws_request_id, origin=origin)
