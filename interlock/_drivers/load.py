"""The heartbeats that a client has to make, against those that it can make in time.

Calls that take `latency` seconds, `rate` times a second, are `rate * latency` under way at once
(Little's law, https://doi.org/10.1287/opre.9.3.383), and a client makes only so many at once. What
goes beyond that would be late, then later, and then lost; so it is refused when it is taken. The
latency is that of the heartbeats themselves, which also tell when it has become less: it grows with
the load of this machine, too. An acquisition is no measure, which may have waited for a connection
behind others, or for credentials; and the only lock of a client is never refused.
"""

import threading
from datetime import timedelta

from interlock._protocol.locks.grant import Grant
from interlock.errors import TooManyLocks

AT_ONCE = 256  # calls that the heartbeats of one client make at once, as far as its transport does
_SHARE = 1 / 64  # of a new measurement in the mean: one slow call is no slow store
_MOST = 10.0  # seconds of one measurement: for longer it was this machine that stood still


class RenewalLoad:
    """The heartbeats of one client, which makes `at_once` calls at the same time."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._mutex = threading.Lock()
        self._rates: dict[Grant, float] = {}  # heartbeats a second
        self._rate = 0.0
        self._latency = 0.0
        self._measured = 0

    def took(self, seconds: float) -> None:
        """Take note of how long a heartbeat took."""
        seconds = min(seconds, _MOST)
        with self._mutex:
            self._measured += 1
            # The first, with its connection, is one of many.
            share = max(1 / self._measured, _SHARE)
            self._latency += (seconds - self._latency) * share

    def add(self, grant: Grant) -> None:
        """Count the heartbeats of a grant. Raises `TooManyLocks` if they could not be made."""
        rate = 1.0 / grant.heartbeat_interval
        with self._mutex:
            if rate and self._rate and (self._rate + rate) * self._latency > self._at_once:
                raise TooManyLocks(
                    grant.name,
                    held=len(self._rates),
                    latency=timedelta(seconds=self._latency),
                    most=int(self._at_once / self._latency / rate),
                    heartbeat=timedelta(seconds=grant.heartbeat_interval),
                )
            self._count(grant, rate)

    def update(self, grant: Grant) -> None:
        """Count a grant anew, whose lease is another by now."""
        with self._mutex:
            if grant in self._rates:
                self._count(grant, 1.0 / grant.heartbeat_interval)

    def remove(self, grant: Grant) -> None:
        """Count a grant no more."""
        with self._mutex:
            self._rate -= self._rates.pop(grant, 0.0)
            if not self._rates:
                self._rate = 0.0  # without what sums of fractions leave

    def _count(self, grant: Grant, rate: float) -> None:
        self._rate += rate - self._rates.get(grant, 0.0)
        self._rates[grant] = rate
