"""The transport of a client that was given none."""

from interlock._drivers.awaitable.driver import Transport
from interlock.errors import InvalidValue

AWAITABLE = True


def default_transport(service: str) -> Transport:
    """Return a transport to a service, with everything taken from the environment.

    Raises `InvalidValue` where it cannot be the library's own: aiobotocore makes its clients in
    `async with` only.
    """
    # Only now: a caller that passes a client does not pay for them.
    from interlock._drivers.awaitable.wire import WireTransport
    from interlock._drivers.sdk import reason_for_sdk

    reason = reason_for_sdk(service)
    if reason is not None:
        how = f"async with session.create_client({service!r}) as client"
        raise InvalidValue("client", f"is needed, as {reason}: pass one of aiobotocore, `{how}`")
    return WireTransport(service)
