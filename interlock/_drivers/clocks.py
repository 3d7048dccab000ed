"""The clock that leases are counted on."""

import functools
import sys
import time
from collections.abc import Callable


def lease_clock() -> Callable[[], float]:
    """Return a monotonic clock, in seconds, that goes on while the machine sleeps.

    `time.monotonic` stands still while a laptop or a Lambda environment is suspended: a holder that
    wakes up would believe in a lease that is long over.
    https://www.man7.org/linux/man-pages/man2/clock_getres.2.html (CLOCK_BOOTTIME)
    """
    if hasattr(time, "CLOCK_BOOTTIME"):
        return functools.partial(time.clock_gettime, time.CLOCK_BOOTTIME)
    if sys.platform == "darwin":  # where this one includes sleep and time.monotonic does not
        return functools.partial(time.clock_gettime, time.CLOCK_MONOTONIC)
    return time.monotonic
