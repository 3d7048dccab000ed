"""Work that goes on whatever becomes of its caller, on a thread of its own."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, TypeVar

from interlock._drivers import lifecycle

T = TypeVar("T")
Work: TypeAlias = threading.Thread

_log = logging.getLogger("interlock")
_AT_ONCE = 8  # pieces of work that are done side by side


class Background:
    """Runs work that can be begun again from its start: if it is interrupted, it is."""

    def __init__(self) -> None:
        self._threads: set[threading.Thread] = set()

    def start(self, work: Callable[[], Any]) -> Work | None:
        """Start work that is not waited for; what it raises is logged.

        Returns its thread; without one it is done at once.
        """

        def run() -> None:
            try:
                work()
            except Exception as error:  # noqa: BLE001 - nothing waits for it
                _log.debug("work in the background failed: %s", error)

        thread = self._start(run)
        if thread is None:
            run()
        return thread

    def finish(self, work: Callable[[], T]) -> T:
        """Return what work returns; a caller that is interrupted leaves it to the background."""
        try:
            return work()
        except Exception:
            raise
        except BaseException:
            self.start(work)
            raise

    def finish_all(self, works: Sequence[Callable[[], Any]]) -> list[Any]:
        """Return what each of several returns or raises, done side by side."""
        results: list[Any] = [None] * len(works)
        left = list(reversed(list(enumerate(works))))

        def work() -> None:
            while left:
                try:
                    index, one = left.pop()
                except IndexError:  # another thread was quicker
                    return
                try:
                    results[index] = self.finish(one)
                except Exception as error:  # noqa: BLE001 - it is the caller's
                    results[index] = error

        helpers = [self._start(work) for _ in range(min(len(works), _AT_ONCE) - 1)]
        try:
            work()
            for helper in filter(None, helpers):
                helper.join()
        except BaseException:
            self.start(work)
            raise
        return results

    def settle(self, seconds: float) -> None:
        """Wait until all that was started has ended, or for so many seconds."""
        end = time.monotonic() + seconds
        for thread in self._threads - {threading.current_thread()}:
            if thread.ident is not None:  # its start may have been interrupted
                thread.join(max(0.0, end - time.monotonic()))

    def _start(self, run: Callable[[], None]) -> threading.Thread | None:
        """Return a thread that runs a function, None if none can be started."""

        def life() -> None:
            try:
                run()
            finally:
                self._threads.discard(threading.current_thread())

        thread = threading.Thread(target=life, name="interlock-background", daemon=True)
        self._threads.add(thread)
        try:
            thread.start()
        except RuntimeError:  # too many threads, or the interpreter is ending
            self._threads.discard(thread)
            return None
        return thread


def linger(_work: Work | None) -> None:
    """Do nothing: a process that ends waits for its clients, which close."""


def call_back(functions: Sequence[Callable[..., Any]], *args: Any) -> None:
    """Call an application's functions one after the other, on a thread of their own.

    They may block, call the library, and raise what they like.
    """

    def call_all() -> None:
        for function in functions:
            try:
                function(*args)
            except BaseException:  # noqa: BLE001 - the application's own, and it may raise anything
                _log.exception("a callback failed: %r", function)

    thread = threading.Thread(target=call_all, name="interlock-callback", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # too many threads, or the interpreter is ending
        call_all()


def awaited(result: T) -> T:
    """Return what a function of the application returned."""
    return result


def current() -> Any:
    """Return which thread is running."""
    return threading.get_ident()


def watch_exit(holder: lifecycle.Holder) -> None:
    """Call `close()` when the process ends. Cheap to repeat."""
    lifecycle.watch_exit(holder)
