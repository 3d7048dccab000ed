"""The transport of a client that was given none."""

from interlock._drivers.blocking.driver import Transport

AWAITABLE = False


def default_transport(service: str) -> Transport:
    """Return a transport over a boto3 client made from the environment."""
    from interlock._drivers.blocking.client import ClientTransport  # noqa: PLC0415 - as needed
    from interlock._drivers.clients import default_client  # noqa: PLC0415 - as needed

    return ClientTransport(default_client(service))
