"""The counter function's entry point: made once an environment, then one call a request."""

import os
from typing import Any

from answering import answer
from aws_lambda_powertools import Logger
from routes import Application

from interlock import CounterClient

logger = Logger(service="counters")  # configures the logger that the other modules write to
application = Application(CounterClient(os.environ["INTERLOCK_TABLE"]))
origin = os.environ.get("INTERLOCK_ALLOWED_ORIGIN")


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer one request of API Gateway (proxy integration)."""
    return answer(application, event, context.aws_request_id, origin=origin)
