"""Waits for a change that go by a test's clock."""

from collections.abc import Callable

from interlock._drivers.awaitable.changes import Changes as AwaitableChanges
from interlock._drivers.awaitable.changes import Wait as AwaitableWait
from interlock._drivers.blocking.changes import Changes as BlockingChanges
from interlock._drivers.blocking.changes import Wait as BlockingWait
from interlock.testing.clock import FakeClock, SystemClock

# Seconds, by the machine's clock, in which other threads or tasks may make the change.
_TURN = 0.001


def wait_by(clock: FakeClock) -> BlockingWait:
    """Return how a blocking client waits for a change: a fake clock moves if none comes at once."""
    if isinstance(clock, SystemClock):
        return BlockingChanges.wait

    def wait(changes: BlockingChanges, condition: Callable[[], bool], seconds: float) -> bool:
        end = clock.seconds() + seconds
        if changes.wait(condition, min(seconds, _TURN)):
            return True
        clock._reach(end)  # noqa: SLF001 - of the same package
        return condition()

    return wait


def wait_awaitably_by(clock: FakeClock) -> AwaitableWait:
    """Return the same for an awaitable client."""
    if isinstance(clock, SystemClock):
        return AwaitableChanges.wait

    async def wait(
        changes: AwaitableChanges, condition: Callable[[], bool], seconds: float
    ) -> bool:
        end = clock.seconds() + seconds
        if await changes.wait(condition, min(seconds, _TURN)):
            return True
        clock._reach(end)  # noqa: SLF001 - of the same package
        return condition()

    return wait
