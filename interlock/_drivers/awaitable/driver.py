"""Perform operations one request at a time."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from interlock._drivers.awaitable.changes import Changes, Wait
from interlock._drivers.awaitable.pausing import pause
from interlock._drivers.environment import Environment
from interlock._drivers.service_clock import ServiceClock
from interlock._protocol.faults import Fault, OutOfTime
from interlock._protocol.requests import Call, Operation, Request, Sleep, Time, TimeOfDay

if TYPE_CHECKING:
    from interlock._protocol.translation import Translation

T = TypeVar("T")


class Transport(Protocol):
    """Carries one call to the service and brings its answer.

    `clock` is what its answers have told of the service's clock, `at_once` how many calls it
    carries at the same time.
    """

    @property
    def clock(self) -> ServiceClock: ...

    @property
    def at_once(self) -> int: ...

    async def send(self, call: Call, timeout: float | None) -> Mapping[str, Any]:
        """Return the reply of a call that may take `timeout` seconds in all (None: as it does).

        Raises `Refused`, `NotSent` or `NoReply`, and no other exception of its own.
        """
        ...


class Driver:
    """Performs operations over a transport.

    Safe to share as far as the transport is. An operation that is interrupted or cancelled stays
    at the request that it was at. Its time passes by `sleep` alone, or until a change is seen by
    `wait`: both go by the clock of its environment.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        environment: Environment | None = None,
        sleep: Callable[[float], Awaitable[None]] = pause,
        translation: "Translation | None" = None,
        wait: Wait = Changes.wait,
    ) -> None:
        self.transport = transport
        self.translation = translation
        self.environment = environment or Environment()
        self.monotonic = self.environment.monotonic
        self.wait = wait
        self._sleep = sleep

    def pausing(self, sleep: Callable[[float], Awaitable[None]]) -> "Driver":
        """Return a driver over the same transport that lets time pass by another function."""
        return Driver(
            self.transport,
            environment=self.environment,
            sleep=sleep,
            translation=self.translation,
            wait=self.wait,
        )

    def laid_out(self, translation: "Translation") -> "Driver":
        """Return a driver over the same transport to a table of another layout."""
        return Driver(
            self.transport,
            environment=self.environment,
            sleep=self._sleep,
            translation=translation,
            wait=self.wait,
        )

    async def run(self, operation: Operation[T]) -> T:
        """Run the operation to its end and return its result, or raise what it raises."""
        if self.translation is not None:
            operation = self.translation.operation(operation)
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
                reply = await self.perform(request)
            except Fault as problem:
                fault = problem

    def time_of_day(self) -> Time:
        """Return the time of day, by this machine's clock and the service's."""
        return self.transport.clock.time(self.environment.wall_clock())

    async def perform(self, request: Request) -> Any:
        """Return the reply to one request, or raise a `Fault`."""
        if isinstance(request, Call):
            left = self.environment.left(request)
            if left is not None and left <= 0:
                raise OutOfTime
            return await self.transport.send(request, left)
        if isinstance(request, Sleep):
            return await self._sleep(request.seconds)
        if isinstance(request, TimeOfDay):
            return self.time_of_day()
        return self.environment.answer(request)
