"""Work that goes on whatever becomes of its caller, as a task of the event loop."""

import asyncio
import inspect
import logging
import weakref
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")
Work: TypeAlias = asyncio.Task[Any]

_log = logging.getLogger("interlock")
_MOMENT = 1.0  # seconds that a caller that is cancelled stays for what it has begun
_MOST_CANCELS = 3  # of one piece of work: an event loop that ends cancels all its tasks


class Background:
    """Runs work that can be begun again from its start: if it is cancelled, it is."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Callable[[], Awaitable[T]]) -> "asyncio.Task[T]":
        """Start work that is not waited for; what it raises is logged."""
        task = asyncio.get_running_loop().create_task(_persistent(work))
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def finish(self, work: Callable[[], Awaitable[T]]) -> T:
        """Return what work returns; a caller that is cancelled leaves it to the background."""
        return await asyncio.shield(self.start(work))

    async def finish_all(self, works: Sequence[Callable[[], Awaitable[T]]]) -> list[Any]:
        """Return what each of several returns or raises, done side by side."""
        tasks = [self.start(work) for work in works]
        return await asyncio.shield(asyncio.gather(*tasks, return_exceptions=True))

    async def settle(self, seconds: float) -> None:
        """Wait until all that was started has ended, or for so many seconds."""
        tasks = self._tasks - {asyncio.current_task()}
        if tasks:
            await asyncio.wait(tasks, timeout=max(0.0, seconds))

    def _done(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.debug("work in the background failed: %s", error)


async def _persistent(work: Callable[[], Awaitable[T]]) -> T:
    for _ in range(_MOST_CANCELS):
        try:
            return await work()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None:
                task.uncancel()
    return await work()


async def linger(work: Work | None) -> None:
    """Have a caller that is cancelled wait a moment for the work that it leaves behind.

    An event loop that ends waits for the tasks that it cancels, and for none that they start.
    """
    caller = asyncio.current_task()
    if work is not None and caller is not None and caller.cancelling():
        await asyncio.wait({work}, timeout=_MOMENT)


_callbacks: set[asyncio.Task[None]] = set()


def call_back(functions: Sequence[Callable[..., Any]], *args: Any) -> None:
    """Call an application's functions one after the other, in a task of their own.

    They may await the library, and raise what they like.
    """
    task = asyncio.get_running_loop().create_task(_call_all(functions, args))
    _callbacks.add(task)
    task.add_done_callback(_callbacks.discard)


async def _call_all(functions: Sequence[Callable[..., Any]], args: tuple[Any, ...]) -> None:
    for function in functions:
        try:
            await awaited(function(*args))
        except asyncio.CancelledError:  # of what the application awaits there, unless it is ours
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            _log.exception("a callback was cancelled: %r", function)
        except Exception:  # noqa: BLE001 - the application's own, and it may raise anything
            _log.exception("a callback failed: %r", function)


async def awaited(result: Awaitable[T] | T) -> T:
    """Return what a function of the application returned, once it is there."""
    if inspect.isawaitable(result):
        ready: T = await result
        return ready
    return result


def current() -> Any:
    """Return which task is running, weakly: it may keep what it returned."""
    task = asyncio.current_task()
    return None if task is None else weakref.ref(task)


def watch_exit(_holder: Any) -> None:
    """Do nothing: at the end of the process there is no event loop left to give anything back."""
