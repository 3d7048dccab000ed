"""The driver over a KMS client."""

import time
from collections.abc import Callable
from typing import Any

import boto3

from interlock._drivers.boto3 import Boto3Driver
from interlock._drivers.clients import CLIENT_CONFIG


def kms_driver(
    client: Any,
    *,
    monotonic: Callable[[], float] = time.monotonic,
    wall_clock: Callable[[], float] = time.time,
) -> Boto3Driver:
    """Return a driver over this KMS client, or over one of its own if it is None."""
    if client is None:
        client = boto3.client("kms", config=CLIENT_CONFIG)
    return Boto3Driver(client, monotonic=monotonic, wall_clock=wall_clock)
