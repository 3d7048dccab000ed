"""Time limits of a call and of an idle connection, where no deadline says otherwise."""

from collections.abc import Callable
from typing import TypeAlias

Left: TypeAlias = Callable[[int], float]
"""The seconds that are left of a call once it has carried so many bytes."""

CONNECT_TIMEOUT = 1.0  # seconds, for the name, the connection and its encryption together
CALL_TIMEOUT = 3.0  # seconds for a whole call; shorter than any lease
SECONDS_A_MEBIBYTE = 1.0  # beside it, for what a call carries either way
# A gateway drops connections that were idle for 350 s, and DynamoDB closes its own before.
IDLE_LIMIT = 60.0
# A connection that some middlebox has dropped looks alive until a request was written to it, and
# then the request is lost. For a call that cannot be repeated, only one in steady use will do.
IDLE_LIMIT_ONCE = 1.0
MOST_IDLE = 128  # connections kept for later calls
MOST_OPEN = 256  # connections of one event loop; further calls wait for one
KEEP_ALIVE = (("TCP_KEEPIDLE", 20), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))  # seconds, and tries
READ_SIZE = 64 * 1024


def allowance(carried: int) -> float:
    """Return the seconds that a call may take in all, once it has carried so many bytes.

    A reply that trickles earns no time by it; one of 16 MB on a slow line does.
    """
    return CALL_TIMEOUT + SECONDS_A_MEBIBYTE * carried / 2**20
