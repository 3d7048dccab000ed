"""The transport of a client that was given none."""

from collections.abc import Mapping
from typing import Any

from interlock._drivers import load
from interlock._drivers.blocking.driver import Transport
from interlock._drivers.service_clock import ServiceClock
from interlock._protocol.requests import Call

AWAITABLE = False


class _DefaultTransport:
    """The library's own transport, or the SDK's where that is needed; chosen at the first call.

    Not before: a client may be made as its module is imported, before the environment, or moto in a
    test, is as it will be.
    """

    at_once = load.AT_ONCE

    def __init__(self, service: str) -> None:
        self._service = service
        self._chosen: Transport | None = None

    @property
    def clock(self) -> ServiceClock:
        """The service's clock, of which nothing is known before the first call."""
        return ServiceClock() if self._chosen is None else self._chosen.clock

    def send(self, call: Call, timeout: float | None) -> Mapping[str, Any]:
        """Return the reply to a call, or raise `Refused`, `NotSent` or `NoReply`."""
        transport = self._chosen
        if transport is None:
            transport = self._chosen = self._choose()
        return transport.send(call, timeout)

    def _choose(self) -> Transport:
        # All of these only now: who passes a client pays for none of them, and an import is
        # not to take longer for what only the first call needs.
        from interlock._drivers.sdk import reason_for_sdk

        if reason_for_sdk(self._service) is None:
            from interlock._drivers.blocking.wire import WireTransport

            return WireTransport(self._service)
        from interlock._drivers.blocking.client import ClientTransport
        from interlock._drivers.clients import default_client

        return ClientTransport(default_client(self._service))


def default_transport(service: str) -> Transport:
    """Return a transport to a service, with everything taken from the environment."""
    return _DefaultTransport(service)
