"""Structured logs: one JSON object a line on standard output, which the journal carries on."""

import json
import logging
import sys
import time
from contextvars import ContextVar

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
subject: ContextVar[str | None] = ContextVar("subject", default=None)
"""Who makes the request that is being answered; None where the service is open to all."""


class JsonFormatter(logging.Formatter):
    """Writes a record as JSON: time, level, logger, message, whose request, and its `fields`."""

    def __init__(self, instance: str) -> None:
        super().__init__()
        self._instance = instance

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        entry = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "instance": self._instance,
            **({"request_id": rid} if (rid := request_id.get()) else {}),
            **({"subject": who} if (who := subject.get()) else {}),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


def configure(level: str, instance: str) -> None:
    """Send every logger's records to standard output as JSON."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter(instance))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for quiet in ("aiohttp", "botocore", "aiobotocore"):
        logging.getLogger(quiet).setLevel(max(logging.WARNING, root.level))
