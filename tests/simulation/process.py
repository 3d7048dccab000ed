"""A process: clocks of its own, and tasks that run the library's operations."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from interlock._drivers.service_clock import ServiceClock
from interlock._protocol.requests import (
    Call,
    Draw,
    Monotonic,
    NewId,
    Operation,
    Sleep,
    TimeOfDay,
    WallClock,
)
from tests.simulation.faults import READ_TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Callable

    from interlock._protocol.faults import Fault
    from tests.simulation.world import World

_EPOCH = 1_700_000_000.0


class Task:
    """One operation that a process runs. It ends with `result` or `error`.

    `resent` is the number of the last call that was sent more than once unseen.
    """

    def __init__(
        self,
        process: Process,
        operation: Operation[Any],
        name: str,
        on_done: Callable[[Task], None] | None,
        may_raise: tuple[type[BaseException], ...],
        *,
        awaited: bool,
    ) -> None:
        self.process = process
        self.name = name
        self.result: Any = None
        self.error: BaseException | None = None
        self.ended = False
        self.awaited = awaited
        self._operation = operation
        self._on_done = on_done
        self._may_raise = may_raise
        self.resent = 0
        self.sent = 0.0  # on the monotonic clock
        self._token = 0

    def expect(self) -> int:
        """Return the number that the next delivery must carry; what carries another is stale."""
        self._token += 1
        return self._token

    def deliver(
        self, token: int, reply: Any, fault: Fault | None, date: float | None = None
    ) -> None:
        """Hand over a reply, a fault or the end of a sleep, when the process can take it.

        `date` is when the store answered, by its clock, in seconds since 1970.
        """
        process = self.process
        if token != self._token or self.ended or not process.alive:
            return
        world = process.world
        if process.paused_until > world.now:
            world.at(process.paused_until, self.deliver, token, reply, fault, date)
            return
        if world.strike(process):
            if process.alive:
                world.at(process.paused_until, self.deliver, token, reply, fault, date)
            return
        process.clock.learn(date, process.shown(), self.sent)
        world.delivered(self, reply, fault)
        if fault is not None:
            world.timeline.add(world.now, process.name, "<-", fault)
        self.resume(reply, fault)

    def resume(  # noqa: C901 - one case a request
        self, reply: Any = None, fault: Fault | None = None
    ) -> None:
        """Run the operation until it waits for something or ends."""
        process, operation = self.process, self._operation
        world, send = process.world, operation.send
        while True:
            try:
                request = send(reply) if fault is None else operation.throw(fault)
            except StopIteration as end:
                self.result = end.value
                self._end()
                return
            except AssertionError:
                raise
            except Exception as error:
                self.error = error
                world.timeline.add(world.now, process.name, "raised", repr(error))
                if not isinstance(error, self._may_raise):
                    what = f"{process.name}: {self.name} raised {error!r}"
                    raise AssertionError(what) from error  # noqa: TRY004 - the run has failed
                self._end()
                return
            fault = None
            kind = type(request)
            if kind is Monotonic:
                reply = process.monotonic()
            elif kind is WallClock:
                reply = process.wall_clock()
            elif kind is TimeOfDay:
                reply = process.clock.time(process.wall_clock())
            elif kind is Draw:
                reply = world.rng.random()
            elif kind is NewId:
                reply = process.new_id()
            elif isinstance(request, Sleep):
                due = world.now + max(request.seconds, 0.0) / process.rate
                world.at(due, self.deliver, self.expect(), None, None)
                return
            else:
                assert isinstance(request, Call), f"{self.name} asks for {request!r}"
                world.send(self, request)
                return

    def wake(self) -> None:
        """End the pause that the task makes."""
        world = self.process.world
        world.at(world.now, self.deliver, self._token, None, None)

    def cancel(self) -> None:
        """Stop the task where it is, as the end of its thread would."""
        if not self.ended:
            self.ended = True
            if self.awaited:
                self.process.world.waited_for(-1)

    def close(self) -> None:
        """Let go of the operation after the run: whatever it still wants to do is not done."""
        self.expect()  # and what comes for it later is for none
        with suppress(RuntimeError):
            self._operation.close()

    def _end(self) -> None:
        self.cancel()
        if self._on_done is not None:
            self._on_done(self)


class Process:
    """A process: it may be paused (stopped for a while, all of it) or killed.

    Its monotonic clock has an epoch and a rate of its own; its wall clock is off by `skew` seconds.
    """

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.alive = True
        self.paused_until = 0.0
        self.tasks: list[Task] = []
        faults, draw = world.faults, world.rng.random
        self.epoch = draw() * 1e6
        self.rate = 1.0 + (2.0 * draw() - 1.0) * faults.drift
        self.skew = (2.0 * draw() - 1.0) * faults.wall_skew
        self.clock = ServiceClock(self.monotonic)
        self.ids = 0

    def start(
        self,
        operation: Operation[Any],
        *,
        name: str = "task",
        on_done: Callable[[Task], None] | None = None,
        may_raise: tuple[type[BaseException], ...] = (),
        awaited: bool = True,
        after: float = 0.0,
    ) -> Task:
        """Start a task, `after` seconds from now. The run ends when all awaited tasks have ended.

        An exception that is not among `may_raise` fails the run.
        """
        task = Task(self, operation, name, on_done, may_raise, awaited=awaited)
        self.tasks.append(task)
        if awaited:
            self.world.waited_for(1)
        self.world.at(self.world.now + after, task.deliver, task.expect(), None, None)
        return task

    def monotonic(self) -> float:
        """Return this process's monotonic clock, in seconds."""
        return self.epoch + self.world.now * self.rate

    def patience(self, call: Call) -> float:
        """Return how many seconds pass until this process gives up on the answer to a call."""
        patience = READ_TIMEOUT
        if call.deadline is not None:
            patience = min(patience, max(0.0, call.deadline - self.monotonic()))
        return patience / self.rate

    def wall_clock(self) -> float:
        """Return this process's idea of the time, in seconds since 1970."""
        faults, draw = self.world.faults, self.world.rng.random
        if faults.jump and self.world.now < faults.until and draw() < faults.jump:
            self.skew = (2.0 * draw() - 1.0) * faults.wall_skew
        return self.shown()

    def shown(self) -> float:
        """Return what the wall clock shows."""
        return _EPOCH + self.world.now + self.skew

    def new_id(self) -> str:
        """Return an identifier of this process alone, which a reader of a timeline can follow."""
        self.ids += 1
        return f"{self.name}-{self.ids}"

    def pause(self, seconds: float) -> None:
        """Stop the whole process for a time: no task of it takes a step."""
        self.paused_until = max(self.paused_until, self.world.now + seconds)
        self.world.timeline.add(self.world.now, self.name, "PAUSED", f"for {seconds:.1f} s")

    def kill(self) -> None:
        """End the process: no task of it takes another step; what it sent is still carried out."""
        self.alive = False
        self.world.timeline.add(self.world.now, self.name, "KILLED")
        for task in self.tasks:
            task.cancel()

    def bury(self) -> None:
        """Let go of all operations after the run."""
        for task in self.tasks:
            task.close()
