"""What the library's own coroutines wait by, where a world performs their requests."""

from collections.abc import Callable
from typing import Any

from interlock._drivers.awaitable.driver import Driver
from interlock._protocol.requests import Operation, Request, Sleep, monotonic, sleep
from tests.simulation.meeting import Asking
from tests.simulation.process import Process, Task


class Waits:
    """Lets one task wait until a condition holds, which is asked again at each change."""

    def __init__(self, task: Callable[[], Task]) -> None:
        self._task = task
        self._asleep = False
        self.told = 0  # of so many changes

    def notify(self) -> None:
        """Have the task ask again."""
        self.told += 1
        if self._asleep:
            self._task().wake()

    async def wait(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Return True when the condition holds, False after so many seconds."""
        holds: bool = await Asking(self._wait(condition, seconds))
        return holds

    def _wait(self, condition: Callable[[], bool], seconds: float) -> Operation[bool]:
        end = (yield from monotonic()) + seconds
        while not condition() and (yield from monotonic()) < end:
            self._asleep = True
            try:
                yield from sleep(end - (yield from monotonic()))
            finally:
                self._asleep = False
        return condition()


async def _wait(changes: Any, condition: Callable[[], bool], seconds: float) -> bool:
    waited: bool = await changes.wait(condition, seconds)
    return waited


class Performing(Driver):
    """The library's driver, whose requests the world performs."""

    def __init__(self, process: Process, pause: Any = None) -> None:
        transport: Any = None  # which `perform` has no need of
        super().__init__(transport, sleep=pause, wait=_wait)
        self._process = process
        self.monotonic = process.monotonic

    def pausing(self, sleep: Any) -> "Performing":
        """Return a driver that lets time pass by another function."""
        return Performing(self._process, sleep)

    async def perform(self, request: Request) -> Any:
        """Return the world's reply to a request."""
        if isinstance(request, Sleep):
            return await self._sleep(request.seconds)
        return await Asking(_asked(request))


def _asked(request: Request) -> Operation[Any]:
    return (yield request)
