"""The awaitable driver, over an aiobotocore client."""

import asyncio
import random
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from interlock._drivers.clients import fault_of, method_name
from interlock._drivers.once import watch, watched
from interlock._protocol.faults import Fault
from interlock._protocol.requests import (
    Call,
    CallOnce,
    Draw,
    Monotonic,
    NewId,
    Operation,
    Request,
    Sleep,
    WallClock,
)

T = TypeVar("T")

# Not a seeded generator: a snapshot of a process that is restored many times (Lambda SnapStart)
# would draw the same delays in each.
_SYSTEM = random.SystemRandom()


class AiobotocoreDriver:
    """Performs operations one request at a time, on the running event loop.

    Safe to share between the tasks of one loop, as an aiobotocore client is. A task that is
    cancelled leaves its operation at the request that it was at.
    """

    def __init__(
        self,
        client: Any,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        draw: Callable[[], float] = _SYSTEM.random,
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        if hasattr(client, "meta"):  # tests pass in clients that have no events
            watch(client)
        self.client = client
        self.monotonic = monotonic
        self._wall_clock = wall_clock
        self._sleep = sleep
        self._draw = draw
        self._new_id = new_id

    async def run(self, operation: Operation[T]) -> T:
        """Run the operation to its end and return its result, or raise what it raises."""
        reply: Any = None
        fault: Fault | None = None
        while True:
            try:
                request = operation.send(reply) if fault is None else operation.throw(fault)
            except StopIteration as end:
                result: T = end.value
                return result
            reply = fault = None
            try:
                reply = await self._perform(request)
            except Fault as problem:
                fault = problem

    async def _perform(self, request: Request) -> Any:
        match request:
            case Call():
                return await self._call(request)
            case Monotonic():
                return self.monotonic()
            case Sleep(seconds):
                return await self._sleep(seconds)
            case WallClock():
                return self._wall_clock()
            case Draw():
                return self._draw()
            case NewId():
                return self._new_id()

    async def _call(self, call: Call) -> Any:
        send = getattr(self.client, method_name(call.operation))
        with watched(once=isinstance(call, CallOnce)) as attempts:
            try:
                return await send(**call.params)
            except (ClientError, BotoCoreError) as error:
                raise fault_of(error, in_doubt=attempts.in_doubt) from error
