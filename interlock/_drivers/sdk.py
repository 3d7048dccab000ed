"""Reasons to leave the calls of a client that was given none to the SDK."""

import os
import sys
from collections.abc import Callable, Mapping
from typing import TypeVar

from interlock._protocol.faults import Refused
from interlock._wire.endpoints import proxied, resolve
from interlock._wire.settings import Settings

T = TypeVar("T")

_TRACED = ("botocore", "aiobotocore", "boto3")


def reason_for_sdk(service: str, environ: Mapping[str, str] | None = None) -> str | None:
    """Return why calls to a service are to go through the SDK in this process, None if not."""
    settings = Settings(os.environ if environ is None else environ)
    try:
        if proxied(resolve(service, settings), settings.environ):
            return "the environment names a proxy"
    except Refused:
        return None  # the first call says what is wrong with the configuration
    # Both put themselves between the SDK and the network, and are to see these calls too.
    models = sys.modules.get("moto.core.models")
    if getattr(getattr(models, "botocore_stubber", None), "enabled", False):
        return "moto stands in for AWS"
    if _traces():
        return "X-Ray's SDK records the calls"
    return None


def in_trace(function: Callable[[], T]) -> Callable[[], T]:
    """Return a function for another thread, of which X-Ray records the calls as of this one's.

    X-Ray's SDK keeps the open segment by thread:
    https://docs.aws.amazon.com/xray/latest/devguide/xray-sdk-python-concurrency.html
    """
    if not _traces():
        return function
    recorder = sys.modules["aws_xray_sdk.core"].xray_recorder
    segment = recorder.get_trace_entity()
    if segment is None:
        return function

    def traced() -> T:
        recorder.get_trace_entity()  # in Lambda this thread has to have begun a trace first
        recorder.set_trace_entity(segment)
        try:
            return function()
        finally:
            recorder.clear_trace_entities()

    return traced


def _traces() -> bool:
    patcher = sys.modules.get("aws_xray_sdk.core.patcher")
    return not frozenset(_TRACED).isdisjoint(getattr(patcher, "_PATCHED_MODULES", ()))
