"""Validated settings of a lock client, and the options of one acquisition."""

import math
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Protocol

from interlock._dataclasses import dataclass, replace
from interlock._protocol.durations import as_duration, patience, seconds
from interlock._protocol.kinds import checked_object, checked_table, checked_text, shown
from interlock._protocol.names import spelled
from interlock._protocol.retry import RetryBudget, Target
from interlock._protocol.values import to_attribute
from interlock.errors import InvalidLockName, InvalidValue, LeaseTooShort

PREFIX = "lock#"
_STEP = 0.001  # of a lease, in seconds
MAX_NAME_BYTES = 1024  # a partition key has 2,048; the rest is for prefixes
MAX_DATA_BYTES = 64 * 1024  # every heartbeat writes the whole item, and pays for each KB of it
LEAST_HEARTBEATS = 3  # that must fit into a lease: two may fail before it is in danger
HEARTBEATS = 4  # a lease, if nothing else is asked for
# Clocks run at the rate that NTP gives them, up to 500 ppm off, each in its own direction:
# https://www.man7.org/linux/man-pages/man2/adjtimex.2.html
DRIFT = 0.001
# Leases are written in whole milliseconds, and counted as they are written.
LEAST_LEASE = 0.1  # seconds; less than a few round trips keeps no lock
MOST_LEASE = 30 * 24 * 3600.0
KEPT = 7 * 24 * 3600  # seconds after its lease until a record that is not used may be collected
SILENCE = 15.0  # seconds without any answer until a caller learns of it, however long it would wait
GRACE = 1.0  # seconds for retries, and for a call, where the caller would not wait for a holder


class Invocation(Protocol):
    """A Lambda function's context object, as far as it says how much time is left."""

    @property
    def aws_request_id(self) -> str:
        """The invocation's id."""

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until it is ended."""


class Cancel(Protocol):
    """An event by which a waiter stops: a `threading.Event`, an `asyncio.Event`, or the like."""

    def is_set(self) -> bool:
        """Return whether to stop waiting."""


@dataclass(frozen=True, slots=True)
class AcquireOptions:
    """One acquisition's request. Times in seconds; `data` is a typed attribute value.

    `timeout` None waits for ever, 0 not at all. `heartbeats` off: the lease is never renewed.
    `max_hold` is how long the lock may be held in all. `at_least` is how long a job's lock has to
    last when its run begins, None for all other locks. `election` has the record say so.
    `holds` are the marks of what its thread or task holds, for its ticket; None: not known.
    """

    name: str
    lease: float
    owner: str
    timeout: float | None = None
    data: dict[str, Any] | None = None
    heartbeats: bool = True
    max_hold: float = float("inf")
    at_least: float | None = None
    election: bool = False
    holds: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of a client. Times in seconds.

    `heartbeat` None: a part of the lease. `skew` None: wall clocks are not trusted. `call_timeout`
    is how long one call may hang, as far as it is the library's own choice.
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
        """Check what a client was given. Raises `InvalidValue` and `LeaseTooShort`."""
        checked_table(table)
        pause = seconds("poll", poll, positive=True)
        interval = None if heartbeat is None else seconds("heartbeat", heartbeat, positive=True)
        skew = None
        if max_clock_skew is not None:
            skew = seconds("max_clock_skew", max_clock_skew, least=0.0)
        settings = cls(table, 0.0, interval, pause, skew, call_timeout)
        return replace(settings, lease=settings.checked_lease(lease))

    def checked_lease(self, lease: timedelta) -> float:
        """Return a lease in seconds, of whole milliseconds as the record has it.

        Raises `LeaseTooShort`, and `InvalidValue` for more than 30 days.
        """
        duration = int(seconds("lease", lease) * 1000) / 1000
        if duration > MOST_LEASE:
            raise InvalidValue("lease", f"{lease} is longer than {timedelta(seconds=MOST_LEASE)}")
        if self.call_timeout > 0 and duration <= self.call_timeout:
            why = "a call that hangs would outlast it"
            raise LeaseTooShort(lease, timedelta(seconds=self.call_timeout + _STEP), why)
        if duration < LEAST_LEASE:
            why = "it would be over before a call or two were answered"
            raise LeaseTooShort(lease, timedelta(seconds=LEAST_LEASE), why)
        self.heartbeat_interval(duration)
        return duration

    def options(
        self,
        name: str,
        *,
        owner: str,
        timeout: timedelta | None = None,
        lease: timedelta | None = None,
        data: Any = None,
        invocation: "Invocation | None" = None,
        heartbeats: bool = True,
        max_hold: timedelta | None = None,
    ) -> AcquireOptions:
        """Check what an acquisition was given."""
        options = AcquireOptions(
            checked_name(name),
            self.lease if lease is None else self.checked_lease(lease),
            owner,
            None if timeout is None else patience(timeout),
            checked_data(data),
            heartbeats,
        )
        if max_hold is not None:
            # A lease that is longer would keep others waiting if the holder dies.
            bound = self.checked_lease(max_hold)
            options = replace(options, max_hold=bound, lease=min(options.lease, bound))
        return options if invocation is None else self._within(options, invocation)

    def _within(self, options: AcquireOptions, invocation: "Invocation") -> AcquireOptions:
        """Cut an acquisition to what is left of an invocation: nothing goes on afterwards."""
        wanted = "the context of a Lambda function"
        checked_object("invocation", invocation, ("get_remaining_time_in_millis",), wanted)
        told = invocation.get_remaining_time_in_millis()
        try:
            left = int(told) / 1000
        except (TypeError, ValueError, OverflowError) as error:
            what = f"{shown(told)} milliseconds are left of it, it says; pass {wanted}"
            raise InvalidValue("invocation", what) from error
        if not hasattr(invocation, "aws_request_id"):
            raise InvalidValue("invocation", f"it has no aws_request_id; pass {wanted}")
        if left <= self.call_timeout or left < LEAST_LEASE:
            needed = timedelta(seconds=max(self.call_timeout + _STEP, LEAST_LEASE))
            raise LeaseTooShort(timedelta(seconds=left), needed, "the invocation is about to end")
        return replace(
            options,
            owner=checked_text("invocation", f"{options.owner}/{invocation.aws_request_id}"),
            timeout=left if options.timeout is None else min(options.timeout, left),
            lease=min(options.lease, left),
            heartbeats=options.heartbeats and options.lease <= left,
        )

    def heartbeat_interval(self, lease: float) -> float:
        """Return the seconds between heartbeats of such a lease; raise `LeaseTooShort`."""
        if self.heartbeat is None:
            return lease / HEARTBEATS
        if lease < LEAST_HEARTBEATS * self.heartbeat:
            needed = as_duration(LEAST_HEARTBEATS * self.heartbeat)
            why = f"{LEAST_HEARTBEATS} heartbeats must fit, so that two may fail"
            raise LeaseTooShort(timedelta(seconds=lease), needed, why)
        return self.heartbeat

    def lease_until(self, time: float, now: float) -> float:
        """Return the lease, of whole milliseconds, that lasts until a time at the least."""
        left = time - now
        return self.lease if left <= self.lease else math.ceil(left * 1000) / 1000

    @property
    def target(self) -> Target:
        """The table and the grant of these locks' calls, for the texts of errors."""
        return Target((self.table,), "CoordinationTable.grant_locks(...)", laid_out=True)

    def budget(self, deadline: float = float("inf"), *, grace: float = 0.0) -> RetryBudget:
        """Return the budget of one operation until a deadline on the monotonic clock.

        `grace` is how long calls are tried again although it has passed.
        """
        return RetryBudget(self.target, deadline, silence=SILENCE, grace=grace)


def checked_name(name: str) -> str:
    """Return a lock's name in its one spelling (Unicode NFC), or raise `InvalidLockName`."""
    # What belongs to a lock (a queue, permits) has its name, '#' and more as key: no name may
    # read like another one's part.
    apart = "what belongs to a lock"
    return spelled(name, InvalidLockName, apart=apart, most=MAX_NAME_BYTES)


def checked_lock_or_permit(name: str) -> str:
    """Return the name of a lock, or of a semaphore's permit ("render#3"), as the record has it."""
    if isinstance(name, str):
        semaphore, apart, number = name.rpartition("#")
        if apart and number.isascii() and number.isdecimal():
            return f"{checked_name(semaphore)}#{number}"
    return checked_name(name)


def checked_names(names: Iterable[str], most: int) -> list[str]:
    """Return different names, or raise `InvalidValue`."""
    if isinstance(names, str | bytes):
        raise InvalidValue("names", f"{names!r} is one name; pass a list: [{names!r}]")
    if not isinstance(names, Iterable):
        raise InvalidValue("names", f"{shown(names)} is no list of names; pass a list: ['a', 'b']")
    checked = [checked_name(name) for name in names]
    if not 0 < len(checked) <= most or len(set(checked)) < len(checked):
        raise InvalidValue("names", f"{len(checked)} names are not 1 to {most} different ones")
    return checked


def checked_data(data: Any) -> dict[str, Any] | None:
    """Return a payload as a typed value, None for none; raise `InvalidValue` for what cannot be."""
    if data is None:
        return None
    attribute = to_attribute(data, "data")
    size = _size(attribute)
    if size > MAX_DATA_BYTES:
        raise InvalidValue(
            "data",
            f"{size} bytes are more than {MAX_DATA_BYTES}: each heartbeat writes them again; "
            "keep them in an item of their own, and its key here",
        )
    return attribute


def _size(attribute: dict[str, Any]) -> int:
    """Return about as many bytes as DynamoDB counts for a value."""
    ((kind, value),) = attribute.items()
    if kind == "M":
        return 3 + sum(len(name.encode()) + _size(member) + 1 for name, member in value.items())
    if kind == "L":
        return 3 + sum(_size(member) + 1 for member in value)
    if kind in ("SS", "NS", "BS"):
        return sum(len(member if kind == "BS" else member.encode()) for member in value)
    if kind in ("S", "N"):
        return len(value.encode())
    return len(value) if kind == "B" else 1
