"""Drivers over the simulated store on real clocks, for what threads and event loops do."""

import asyncio
import threading
import time

from interlock._protocol.faults import Fault, NotSent, Refused
from interlock._protocol.requests import Call, Sleep
from tests.unit.locks.scripted import TABLE, Driver

SOON = 5.0


class RealTime(Driver):
    """The scripted driver on real clocks, safe for threads; `fault` meets every call."""

    def __init__(self, store=None):
        super().__init__(store)
        self.mutex = threading.Lock()
        self.fault = None

    def monotonic(self):
        return time.monotonic()

    def perform(self, request):
        match request:
            case Call(operation, params):
                if self.fault is not None:
                    self.fault(operation, params)
                with self.mutex:
                    self.calls.append((operation, params))
                    return self.store.perform(operation, params)
            case Sleep(seconds):
                return time.sleep(seconds)
        self.now = time.monotonic()
        return super().perform(request)


class Awaitable(RealTime):
    """The same for an event loop; `held_up` is awaited after each call was carried out."""

    held_up = None

    async def run(self, operation):  # type: ignore[override]  # it is awaited
        reply, fault = None, None
        while True:
            try:
                request = operation.send(reply) if fault is None else operation.throw(fault)
            except StopIteration as end:
                return end.value
            reply = fault = None
            try:
                if isinstance(request, Sleep):
                    await asyncio.sleep(request.seconds)
                else:
                    reply = self.perform(request)
                if isinstance(request, Call):
                    await asyncio.sleep(0)
                    if self.held_up is not None:
                        await self.held_up.wait()
            except Fault as problem:
                fault = problem


def unreachable(_operation, _params):
    raise NotSent("no connection")


def denied(_operation, _params):
    raise Refused("AccessDeniedException", "no")


def wait_until(condition):
    end = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.005)


async def eventually(condition):
    async with asyncio.timeout(SOON):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.005)


def take_away(driver, name):
    with driver.mutex:
        driver.store.perform(
            "UpdateItem",
            {
                "TableName": TABLE,
                "Key": {"pk": {"S": f"lock#{name}"}},
                "UpdateExpression": "SET fence = fence + :one, version = :other",
                "ExpressionAttributeValues": {":one": {"N": "1"}, ":other": {"S": "other"}},
            },
        )
