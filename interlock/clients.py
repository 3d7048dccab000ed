"""The settings of a botocore client that fits this library."""

from typing import Any

__all__ = ["client_config"]


def client_config(**settings: Any) -> Any:
    """Return a `botocore.config.Config` for clients that are passed to this library.

    Time-outs of 1 s to connect and 2 s for an answer, shorter than any lease, and no retries of the
    SDK's own, as operations retry what may be repeated. `settings` are those of `Config`, and
    replace or complete these: `client_config(max_pool_connections=64)`. For an aiobotocore client
    pass `AioConfig().merge(client_config())`.
    """
    from botocore.config import Config  # noqa: PLC0415 - `import interlock` is to cost nothing

    from interlock._drivers.clients import CLIENT_CONFIG  # noqa: PLC0415 - imports botocore

    return CLIENT_CONFIG.merge(Config(**settings))
