"""Let one thread at a time do something."""

import threading
from typing import Self

from interlock._drivers.lifecycle import watch_forks


class Exclusion:
    """A lock that a forked child finds free, whichever thread of its parent had it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        watch_forks(self)

    def forked(self) -> None:
        """Begin anew: the thread that has the lock may not exist in this process."""
        self._lock = threading.Lock()

    def held(self) -> bool:
        """Return whether a thread is inside."""
        return self._lock.locked()

    def __enter__(self) -> Self:
        self._lock.acquire()
        return self

    def __exit__(self, *raised: object) -> None:
        self._lock.release()
