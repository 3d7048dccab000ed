"""The vocabulary between an operation and its driver."""

from collections.abc import Generator, Mapping
from typing import Any, NamedTuple, TypeAlias, TypeVar

from interlock._dataclasses import dataclass

T = TypeVar("T")

UNHEARD = 366 * 24 * 3600  # seconds by which TTL waits longer for a client whose clock may be off


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an AWS API. The reply is the API's response.

    `operation` is the API's name ("UpdateItem"), `params` its parameters in the low-level form
    (attribute values are typed: `{"N": "1"}`). No answer is waited for after `deadline`, in seconds
    on the monotonic clock; None leaves it to the driver how long a call may take.
    """

    operation: str
    params: Mapping[str, Any]
    deadline: float | None = None


@dataclass(frozen=True, slots=True)
class CallOnce(Call):
    """A call whose repetition would do harm (a plain ADD).

    The driver must not send it again by itself once it may have been carried out: an ambiguous
    outcome reaches the operation as `NoReply`.
    """


@dataclass(frozen=True, slots=True)
class Sleep:
    """Let this many seconds pass. The reply is None."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Monotonic:
    """Read this process's monotonic clock. The reply is a float in seconds."""


@dataclass(frozen=True, slots=True)
class WallClock:
    """Read this machine's wall clock. The reply is a float in seconds since the epoch."""


class Time(NamedTuple):
    """The time of day, in seconds since the epoch: by this machine's clock, and the service's.

    `heard` is whether the service has said what time it is; if not, `service` is `wall`.
    """

    wall: float
    service: float
    heard: bool = True

    def expiry(self, seconds: float) -> int:
        """Return when TTL may delete a record that is kept for so many seconds.

        In epoch seconds (milliseconds would be the year 50000), which only the service compares. As
        long as its clock is not known, far later: a write with a clock that is a year slow does no
        harm then, and the next write corrects it.
        """
        return int(self.service + seconds) + (0 if self.heard else UNHEARD)

    @property
    def past(self) -> float:
        """The instant before which all is over for certain; 0.0 until the service was heard."""
        return self.service if self.heard else 0.0


@dataclass(frozen=True, slots=True)
class TimeOfDay:
    """Ask for the time of day. The reply is a `Time`."""


@dataclass(frozen=True, slots=True)
class Draw:
    """Draw a random number. The reply is a float, uniform in [0, 1)."""


@dataclass(frozen=True, slots=True)
class NewId:
    """Make a unique identifier. The reply is a str (a random UUID)."""


Request: TypeAlias = Call | Sleep | Monotonic | WallClock | TimeOfDay | Draw | NewId
Operation: TypeAlias = Generator[Request, Any, T]


def call(operation: str, **params: Any) -> Operation[Mapping[str, Any]]:
    """Make one API call and return its response."""
    reply: Mapping[str, Any] = yield Call(operation, params)
    return reply


def sleep(seconds: float) -> Operation[None]:
    """Let this many seconds pass."""
    yield Sleep(seconds)


def monotonic() -> Operation[float]:
    """Read the monotonic clock, in seconds."""
    now: float = yield Monotonic()
    return now


def wall_clock() -> Operation[float]:
    """Read the wall clock, in seconds since the epoch."""
    now: float = yield WallClock()
    return now


def time_of_day() -> Operation[Time]:
    """Return the time of day, by this machine's clock and the service's."""
    time: Time = yield TimeOfDay()
    return time


def draw() -> Operation[float]:
    """Draw a random number, uniform in [0, 1)."""
    number: float = yield Draw()
    return number


def new_id() -> Operation[str]:
    """Make a unique identifier."""
    identifier: str = yield NewId()
    return identifier
