"""The driver over a KMS client."""

import time
from collections.abc import Callable
from typing import Any

from interlock._drivers.blocking.driver import Driver
from interlock._drivers.blocking.opening import open_driver
from interlock._drivers.environment import Environment


def kms_driver(
    client: Any,
    *,
    monotonic: Callable[[], float] = time.monotonic,
    wall_clock: Callable[[], float] = time.time,
) -> Driver:
    """Return a driver over this KMS client, or over one of its own if it is None."""
    environment = Environment(monotonic=monotonic, wall_clock=wall_clock)
    return open_driver(client, "kms", environment=environment)
