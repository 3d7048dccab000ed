"""What a lock client was told once, and every lock obeys."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Protocol

from interlock._protocol.values import to_attribute
from interlock.errors import InvalidLockName, InvalidValue, LeaseTooShort

PREFIX = "lock#"
MAX_NAME_BYTES = 1024  # a partition key has 2,048; the rest is for prefixes
LEAST_BEATS = 3  # heartbeats that must fit into a lease: two may fail before it is in danger
BEATS = 4  # heartbeats a lease, if nothing else is asked for
# Clocks run at the rate that NTP gives them, up to 500 ppm off, each in its own direction:
# https://www.man7.org/linux/man-pages/man2/adjtimex.2.html
DRIFT = 0.001
KEPT = 7 * 24 * 3600  # seconds after its lease until a record nobody touches may be collected


class Invocation(Protocol):
    """What a Lambda function's context object says of its invocation."""

    @property
    def aws_request_id(self) -> str:
        """The invocation's id."""

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until it is ended."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Times are in seconds. `heartbeat` is None for a part of the lease; `skew` None: no trust.

    `call_timeout` is how long one call may hang, as far as it is the library's own choice.
    """

    table: str
    lease: float = 20.0
    heartbeat: float | None = None
    poll: float = 0.5
    skew: float | None = None
    call_timeout: float = 0.0

    @classmethod
    def of(
        cls,
        table: str,
        *,
        lease: timedelta,
        heartbeat: timedelta | None,
        poll: timedelta,
        max_clock_skew: timedelta | None,
        call_timeout: float,
    ) -> "Settings":
        """Check what a client was given."""
        if not isinstance(table, str) or not table:
            raise InvalidValue("table", f"{table!r} is not a table's name")
        if poll <= timedelta():
            raise InvalidValue("poll", f"{poll} is not positive")
        if heartbeat is not None and heartbeat <= timedelta():
            raise InvalidValue("heartbeat", f"{heartbeat} is not positive")
        if max_clock_skew is not None and max_clock_skew < timedelta():
            raise InvalidValue("max_clock_skew", f"{max_clock_skew} is negative")
        settings = cls(
            table,
            lease.total_seconds(),
            None if heartbeat is None else heartbeat.total_seconds(),
            poll.total_seconds(),
            None if max_clock_skew is None else max_clock_skew.total_seconds(),
            call_timeout,
        )
        settings.checked_lease(lease)
        return settings

    def checked_lease(self, lease: timedelta) -> float:
        """Return a lease in seconds, or raise `LeaseTooShort`."""
        seconds = lease.total_seconds()
        if seconds <= self.call_timeout or seconds <= 0:
            why = "a call that hangs would outlast it"
            raise LeaseTooShort(lease, timedelta(seconds=self.call_timeout), why)
        self.beat(seconds)
        return seconds

    def wish(
        self,
        name: str,
        *,
        owner: str,
        timeout: timedelta | None,
        lease: timedelta | None,
        data: Any,
        invocation: "Invocation | None" = None,
    ) -> "Wish":
        """Check what an acquisition was given."""
        wish = Wish(
            checked_name(name),
            self.lease if lease is None else self.checked_lease(lease),
            owner,
            None if timeout is None else timeout.total_seconds(),
            None if data is None else to_attribute(data, "data"),
        )
        return wish if invocation is None else self._within(wish, invocation)

    def _within(self, wish: "Wish", invocation: "Invocation") -> "Wish":
        """Cut a wish to what is left of an invocation: nothing of it goes on afterwards."""
        left = invocation.get_remaining_time_in_millis() / 1000
        if left <= self.call_timeout or left <= 0:
            needed = timedelta(seconds=self.call_timeout)
            raise LeaseTooShort(timedelta(seconds=left), needed, "the invocation is about to end")
        return replace(
            wish,
            owner=f"{wish.owner}/{invocation.aws_request_id}",
            timeout=left if wish.timeout is None else min(wish.timeout, left),
            lease=min(wish.lease, left),
            heartbeats=wish.lease <= left,
        )

    def beat(self, lease: float) -> float:
        """Return the seconds between heartbeats of such a lease; raise `LeaseTooShort`."""
        if self.heartbeat is None:
            return lease / BEATS
        if lease < LEAST_BEATS * self.heartbeat:
            needed = timedelta(seconds=LEAST_BEATS * self.heartbeat)
            why = f"{LEAST_BEATS} heartbeats must fit, so that two may fail"
            raise LeaseTooShort(timedelta(seconds=lease), needed, why)
        return self.heartbeat


@dataclass(frozen=True, slots=True)
class Wish:
    """One acquisition's request. Times in seconds; `data` is a typed attribute value.

    `timeout` None waits for ever, 0 not at all. `heartbeats` off: the lease is never renewed.
    """

    name: str
    lease: float
    owner: str
    timeout: float | None = None
    data: dict[str, Any] | None = None
    heartbeats: bool = True


def checked_name(name: str) -> str:
    """Return a lock's name, or raise `InvalidLockName`."""
    if not isinstance(name, str) or not name:
        raise InvalidLockName(name, "a name is a string of at least one character")
    # What belongs to a lock (a queue, permits) has its name, '#' and more as key: no name may
    # read like another one's part.
    if "#" in name or not name.isprintable():
        raise InvalidLockName(name, "'#' and unprintable characters are not allowed")
    if len(name.encode()) > MAX_NAME_BYTES:
        raise InvalidLockName(name, f"longer than {MAX_NAME_BYTES} bytes of UTF-8")
    return name
