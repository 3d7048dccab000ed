"""Runs the library's blocking clients over a simulated store: no network, and time on request."""

import itertools
from typing import TYPE_CHECKING, Any

from interlock._drivers.blocking.driver import Driver
from interlock._drivers.service_clock import ServiceClock
from interlock._protocol.requests import (
    Call,
    Draw,
    Monotonic,
    NewId,
    Request,
    Sleep,
    Time,
    TimeOfDay,
    WallClock,
)
from interlock.testing._store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable


class _Unused:
    """The transport of a driver that performs everything itself."""

    clock = ServiceClock()
    at_once = 256

    def send(self, call: Call, timeout: float | None) -> Any:
        raise NotImplementedError(call, timeout)


class StoreDriver(Driver):
    """Performs operations on a store; what was sent is in `sent`.

    `before` is called with each call before the store is, and may raise a `Fault` instead of it or
    do what a rival would do; `after` likewise when the store has carried the call out.
    """

    def __init__(self, store: Store) -> None:
        super().__init__(_Unused())
        self.store = store
        self.now = 1_700_000_000.0
        self.sent: list[Call] = []
        self.before: Callable[[Call], None] = _nothing
        self.after: Callable[[Call], None] = _nothing
        self._ids = itertools.count(1)
        self.monotonic = store.clock = lambda: self.now

    def pausing(self, sleep: Any) -> "StoreDriver":  # noqa: ARG002 - time passes on request
        """Return this driver: its time is its own."""
        return self

    def time_of_day(self) -> Time:
        return Time(self.now, self.now)

    def perform(self, request: Request) -> Any:
        match request:
            case Call(operation, params):
                self.sent.append(request)
                self.before(request)
                reply = self.store.perform(operation, params)
                self.after(request)
                return reply
            case Sleep(seconds):
                self.now += seconds
            case Monotonic() | WallClock():
                return self.now
            case TimeOfDay():
                return self.time_of_day()
            case Draw():
                return 0.5
            case NewId():
                return f"id-{next(self._ids)}"
        return None


def _nothing(_call: Call) -> None:
    """Let the call pass."""
