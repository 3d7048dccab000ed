"""Let time pass on the caller's thread."""

import time


def pause(seconds: float) -> None:
    """Return after so many seconds."""
    time.sleep(seconds)
