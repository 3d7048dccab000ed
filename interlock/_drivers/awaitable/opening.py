"""Choose the transport of a client."""

from collections.abc import Awaitable, Callable
from typing import Any

from interlock._drivers.awaitable.driver import Driver, Transport
from interlock._drivers.awaitable.pausing import pause
from interlock._drivers.awaitable.transports import AWAITABLE, default_transport
from interlock._drivers.bounds import Bound, warn_of_timeouts
from interlock._drivers.environment import Environment
from interlock._protocol.layout import DEFAULT, TableLayout


def open_driver(
    client: Any,
    service: str = "dynamodb",
    *,
    bound: Bound | None = None,
    environment: Environment | None = None,
    sleep: Callable[[float], Awaitable[None]] = pause,
    layout: TableLayout = DEFAULT,
) -> Driver:
    """Return a driver over a client that was passed in, or over a transport of its own for None.

    A driver is returned as it is. What it runs is about a table of this `layout`. Raises
    `InvalidValue` for a client of another kind, and warns of one whose calls may outlast the
    `bound`.
    """
    translation = None
    if not layout.is_default:
        from interlock._protocol.translation import Translation

        translation = Translation(layout)
    if isinstance(client, Driver):
        return client if translation is None else client.laid_out(translation)
    transport = open_transport(client, service)
    if client is not None and bound is not None:
        warn_of_timeouts(client, bound)
    return Driver(transport, environment=environment, sleep=sleep, translation=translation)


def open_transport(client: Any, service: str = "dynamodb") -> Transport:
    """Return the transport to a service over a client, or one of its own for None."""
    if client is None:
        return default_transport(service)
    # Not before: a caller who passes no client does not pay for importing botocore.
    from interlock._drivers.awaitable.client import ClientTransport
    from interlock._drivers.clients import checked_client

    return ClientTransport(checked_client(client, service, awaitable=AWAITABLE))
