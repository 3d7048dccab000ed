"""The transport of a client that was given none."""

from interlock._drivers.awaitable.driver import Transport
from interlock.errors import InvalidValue

AWAITABLE = True


def default_transport(service: str) -> Transport:
    """Raise `InvalidValue`: aiobotocore makes clients in `async with` only."""
    how = f"async with session.create_client({service!r}) as client"
    raise InvalidValue("client", f"is needed: aiobotocore makes clients by `{how}` only")
