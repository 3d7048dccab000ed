"""What can go wrong between a process and the store, and how often."""

import random
from bisect import bisect_right
from dataclasses import dataclass, field
from enum import Enum
from itertools import accumulate

READ_TIMEOUT = 2.0
"""Seconds until a client gives up on an answer, as the library's own clients do."""


class Fate(Enum):
    """What becomes of one request."""

    FINE = "fine"
    NOT_SENT = "not sent"
    LOST_REQUEST = "request lost"
    LOST_REPLY = "reply lost"
    LATE = "carried out after the caller gave up"
    TWICE = "sent again unseen, as botocore's retries do; the first answer is lost"
    THROTTLED = "throttled"
    ERROR_BEFORE = "answered 500, not carried out"
    ERROR_AFTER = "answered 500, carried out"
    AGAIN = "reply lost, and carried out again much later"
    SWAPPED = "answered by what was said to another call, carried out or not"


_FATES = (
    Fate.NOT_SENT,
    Fate.LOST_REQUEST,
    Fate.LOST_REPLY,
    Fate.LATE,
    Fate.TWICE,
    Fate.THROTTLED,
    Fate.ERROR_BEFORE,
    Fate.ERROR_AFTER,
    Fate.AGAIN,
    Fate.SWAPPED,
    Fate.FINE,
)


@dataclass(frozen=True, slots=True)
class Faults:
    """How often each fault happens; the default is none.

    The fates of requests are probabilities a request; `pause` and `kill` a step of a process.
    `lateness` is how long after its caller has given up a copy may arrive.
    `partial` is how likely a batch of reads leaves each of its keys unprocessed.
    `jump` is how likely a wall clock is set anew whenever it is read, by `wall_skew` at most.
    `misdated` is how likely the date of an answer is off by years.
    `drift` is by how much a monotonic clock's rate is off at most, `sweeps` the mean time between
    two visits of TTL, of which each deletes some of what has expired. Times are seconds. No fault
    happens from `until` on, so that progress can be demanded; drift and TTL, which are no faults,
    stay.
    """

    not_sent: float = 0.0
    lost_request: float = 0.0
    lost_reply: float = 0.0
    late: float = 0.0
    twice: float = 0.0
    throttled: float = 0.0
    error_before: float = 0.0
    error_after: float = 0.0
    again: float = 0.0
    swapped: float = 0.0
    partial: float = 0.0
    lateness: float = 30.0
    pause: float = 0.0
    longest_pause: float = 60.0
    kill: float = 0.0
    most_kills: int = 1
    stale: float = 0.0
    wall_skew: float = 0.0
    jump: float = 0.0
    misdated: float = 0.0
    drift: float = 0.0
    sweeps: float = 0.0
    latency: float = 0.02
    until: float = 120.0
    _bounds: tuple[float, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        of_requests = (
            self.not_sent,
            self.lost_request,
            self.lost_reply,
            self.late,
            self.twice,
            self.throttled,
            self.error_before,
            self.error_after,
            self.again,
            self.swapped,
        )
        object.__setattr__(self, "_bounds", tuple(accumulate(of_requests)))

    def fate(self, rng: random.Random, now: float) -> Fate:
        """Draw what becomes of a request sent at `now`."""
        if now >= self.until:
            return Fate.FINE
        return _FATES[bisect_right(self._bounds, rng.random())]


CALM = Faults()
STORM = Faults(
    not_sent=0.02,
    lost_request=0.03,
    lost_reply=0.06,
    late=0.03,
    twice=0.04,
    throttled=0.04,
    error_before=0.02,
    error_after=0.03,
    pause=0.02,
    kill=0.003,
    stale=0.5,
    wall_skew=3600.0,
    drift=0.0005,  # what NTP slews a clock by at most
    sweeps=10.0,
)
"""Everything at once, at rates at which work still gets done."""
DELAYED = Faults(late=0.2, again=0.1, lost_reply=0.05, lateness=300.0)
"""A network that keeps requests for minutes, and delivers them when all has been said."""
