"""The simulated store in real time, behind a network that a test disturbs."""

import asyncio
import threading
import time
import weakref

from interlock._drivers.awaitable.driver import Driver as AwaitableDriver
from interlock._drivers.blocking.driver import Driver as BlockingDriver
from interlock._drivers.environment import Environment
from interlock._drivers.service_clock import ServiceClock
from interlock._protocol.faults import NoReply, NotSent, Refused
from interlock.testing._store.store import Store
from interlock.testing._store.tables import Table
from tests.unit.locks.scripted import TABLE

SOON = 30.0
"""Seconds; less than a minute, for which no waiter looks in tests of what wakes it."""


class Pace:
    """A monotonic clock that goes as fast as others do, but only while this process runs.

    What a busy machine keeps from running does not grow older meanwhile: no lease of a test ends
    because its heartbeat had no processor.
    """

    _TICK, _MOST = 0.002, 0.02  # seconds between two looks, and that count of them

    def __init__(self):
        self._now = time.monotonic()
        threading.Thread(target=self._go_on, args=(weakref.ref(self),), daemon=True).start()

    def __call__(self):
        return self._now

    @classmethod
    def _go_on(cls, find):
        last = time.monotonic()
        while (clock := find()) is not None:
            now = time.monotonic()
            clock._now += min(now - last, cls._MOST)
            last = now
            del clock
            time.sleep(cls._TICK)

    def sleep(self, seconds):
        """Return after so many seconds of this clock."""
        end = self._now + seconds
        while self._now < end:
            time.sleep(self._TICK)


class Network:
    """A store, and what becomes of calls on their way to it.

    `fault(operation, params)` meets every call, and may raise; while `hangs(operation, params)`
    holds no answer comes, before the store has seen the call or, with `hangs_after`, after it has.
    """

    def __init__(self, store=None):
        self.store = store or Store(Table(TABLE), clock=time.time)
        self.clock = Pace()
        self.mutex = threading.Lock()
        self.calls = []
        self.calm()

    def calm(self):
        self.fault = self.hangs = self.hangs_after = _nothing

    def client(self, half):
        """Return what a client of this half takes as `client`."""
        environment = Environment(monotonic=self.clock)
        if half.awaitable:
            return AwaitableDriver(_Awaitable(self), environment=environment)
        return BlockingDriver(_Blocking(self), environment=environment)

    def perform(self, operation, params):
        self.fault(operation, params)
        with self.mutex:
            self.calls.append((operation, params))
            return self.store.perform(operation, params)

    def operations(self):
        return [operation for operation, _ in self.calls]

    def row(self, name):
        with self.mutex:
            return self.store.item(TABLE, f"lock#{name}")

    def held(self, name):
        return "version" in (self.row(name) or {})

    def take_away(self, name):
        """Give a lock to another holder."""
        with self.mutex:
            self.store.perform(
                "UpdateItem",
                {
                    "TableName": TABLE,
                    "Key": {"pk": {"S": f"lock#{name}"}},
                    "UpdateExpression": "SET fence = fence + :one, version = :other",
                    "ExpressionAttributeValues": {":one": {"N": "1"}, ":other": {"S": "other"}},
                },
            )


class _Blocking:
    clock = ServiceClock()
    at_once = 256

    def __init__(self, network):
        self.network = network

    def send(self, call, timeout):
        end = time.monotonic() + (SOON if timeout is None else timeout)
        self._wait(self.network, "hangs", call, end)
        reply = self.network.perform(call.operation, call.params)
        self._wait(self.network, "hangs_after", call, end)
        return reply

    @staticmethod
    def _wait(network, which, call, end):
        while getattr(network, which)(call.operation, call.params):
            if time.monotonic() >= end:
                raise NoReply("no answer in time")
            time.sleep(0.005)


class _Awaitable:
    clock = ServiceClock()
    at_once = 256

    def __init__(self, network):
        self.network = network

    async def send(self, call, timeout):
        end = time.monotonic() + (SOON if timeout is None else timeout)
        await self._wait(self.network, "hangs", call, end)
        reply = self.network.perform(call.operation, call.params)
        await asyncio.sleep(0)
        await self._wait(self.network, "hangs_after", call, end)
        return reply

    @staticmethod
    async def _wait(network, which, call, end):
        while getattr(network, which)(call.operation, call.params):
            if time.monotonic() >= end:
                raise NoReply("no answer in time")
            await asyncio.sleep(0.005)


def _nothing(_operation, _params):
    return None


def unreachable(_operation, _params):
    raise NotSent("no connection")


def denied(_operation, _params):
    raise Refused("AccessDeniedException", "no")


def releases(operation, params):
    """Return whether a call is a release, of one lock or of several."""
    together = operation == "BatchExecuteStatement"
    return together or params.get("UpdateExpression", "").startswith("REMOVE version")


def of(name):
    """Return what says whether a call is about the lock of a name."""
    return lambda _operation, params: params.get("Key") == {"pk": {"S": f"lock#{name}"}}


def wait_until(condition):
    end = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.005)
