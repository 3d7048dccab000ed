"""Threads on which a call can be made, and be left alone when its time is up."""

import contextvars
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from interlock._drivers.lifecycle import watch_forks
from interlock._drivers.sdk import in_trace
from interlock._protocol.faults import NoReply, NotSent

T = TypeVar("T")

_MOST_LEFT = 64  # calls without an answer; a client that hangs must not take all threads
_IDLE = 10.0  # seconds without a call until a thread ends


class _Job:
    """A call under way on a worker, and how it ended."""

    __slots__ = ("abandoned", "context", "done", "ended", "error", "function", "result")

    def __init__(self, function: Callable[[], Any], ended: "Callable[[_Job], None]") -> None:
        self.function = in_trace(function)
        self.ended = ended
        self.context = contextvars.copy_context()
        self.done = threading.Event()
        self.abandoned = False
        self.result: Any = None
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.result = self.context.run(self.function)
        except BaseException as error:  # noqa: BLE001 - it is the caller's
            self.error = error
        self.ended(self)


class _Threads:
    """The daemon threads of a process, as many as calls are under way in all its clients.

    The last one used is used next.
    """

    def __init__(self) -> None:
        self.forked()
        watch_forks(self)

    def forked(self) -> None:
        """Begin anew: the threads are not in this process."""
        self._lock = threading.Lock()
        self._idle: list[SimpleQueue[_Job]] = []

    def start(self, job: _Job) -> bool:
        """Have a thread run a job; return False if no further one can be started."""
        with self._lock:
            inbox = self._idle.pop() if self._idle else None
        if inbox is not None:
            inbox.put(job)
            return True
        inbox = SimpleQueue()
        inbox.put(job)
        thread = threading.Thread(
            target=self._work, args=(inbox, self._lock), name="interlock-call", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # too many threads, or the interpreter is ending
            return False
        return True

    def _work(self, inbox: "SimpleQueue[_Job]", lock: threading.Lock) -> None:
        while self._lock is lock:  # else this is a restored snapshot
            try:
                job = inbox.get(timeout=_IDLE)
            except Empty:
                with lock:
                    if inbox not in self._idle:  # a call is on its way to it
                        continue
                    self._idle.remove(inbox)
                return
            job.run()
            del job  # and with it the client, which an application may have dropped
            with lock:
                if self._lock is lock:
                    self._idle.append(inbox)


_threads = _Threads()


class Workers:
    """The calls of one client, each on a thread that its caller may leave behind."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left = 0

    def run(self, function: Callable[[], T], seconds: float) -> T:
        """Return what the function returns, or raise what it raises, within so many seconds.

        Raises `NoReply` when the time is up, and `NotSent` while too many calls hang already. If no
        thread can be started, the function runs on the caller's.
        """
        if self._left >= _MOST_LEFT:
            raise NotSent(f"{self._left} calls of this client hang; no further one is made")
        job = _Job(function, self._answered)
        if not _threads.start(job):
            return function()
        if not job.done.wait(min(seconds, threading.TIMEOUT_MAX)):
            with self._lock:
                job.abandoned = not job.done.is_set()
                self._left += job.abandoned
            if job.abandoned:
                raise NoReply(f"no answer within {seconds:.1f} s")
        if job.error is not None:
            raise job.error
        result: T = job.result
        return result

    def _answered(self, job: _Job) -> None:
        with self._lock:
            self._left -= job.abandoned
            job.done.set()
