"""Where the SDK carries the calls of a client that was given none, not the library itself."""

import os
import sys
from collections.abc import Mapping

from interlock._protocol.faults import Refused
from interlock._wire.endpoints import proxied, resolve
from interlock._wire.settings import Settings

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
    patcher = sys.modules.get("aws_xray_sdk.core.patcher")
    if not frozenset(_TRACED).isdisjoint(getattr(patcher, "_PATCHED_MODULES", ())):
        return "X-Ray's SDK records the calls"
    return None
