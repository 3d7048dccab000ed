"""Wait for a change that other threads make."""

import threading
from collections.abc import Callable
from typing import TypeAlias

_LONGEST = 86400.0  # seconds; more than threading.TIMEOUT_MAX is an error


class Changes:
    """Lets threads wait until a condition holds, which is asked again at each change."""

    def __init__(self) -> None:
        self._changed = threading.Condition()

    def notify(self) -> None:
        """Have those who wait ask again."""
        with self._changed:
            self._changed.notify_all()

    def wait(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Return True when the condition holds, False after so many seconds (at most a day)."""
        with self._changed:
            return bool(self._changed.wait_for(condition, min(seconds, _LONGEST)))


Wait: TypeAlias = Callable[[Changes, Callable[[], bool], float], bool]
"""How a driver's clock lets time pass until a condition holds: `Changes.wait`, or a test's."""
