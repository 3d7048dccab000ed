"""Jobs: of all callers in all processes one at a time runs a function, and once in a period.

    runner   grant, run ... ended | taken for the rest of at_least | given back
    others   skip, or wait to run it, or wait for the result ...... | may run it

1. A run is made under a lock. Its record is written by what ends it: by the release, or by the
   heartbeat with which the lock stays taken for the rest of its time. Both are conditional on our
   own versions, so a runner whose lock is another's by now records nothing, and the record never
   goes back.
2. At any time the lease in the record lasts until the time is over. So those who watch it count the
   time on their own monotonic clocks, and it lasts if the runner dies. A run begins only under a
   lease that is certain to last for as long.
3. Wall clocks decide only how long a caller looks. One whose clock says that the lease is over
   watches the lock, until it sees it change or may take it over; else it goes by what it has seen.
"""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from interlock._dataclasses import dataclass, replace
from interlock._protocol.durations import as_duration, patience, seconds
from interlock._protocol.kinds import written
from interlock._protocol.locks.claim import Claim
from interlock._protocol.locks.grant import Grant
from interlock._protocol.locks.item import Item, LockItem
from interlock._protocol.locks.lease import PERHAPS_OURS, extend
from interlock._protocol.locks.observed import ObservedVersions
from interlock._protocol.locks.runs import run_fence, run_of, was_stopped
from interlock._protocol.locks.settings import (
    DRIFT,
    GRACE,
    MOST_LEASE,
    AcquireOptions,
    Settings,
    checked_name,
)
from interlock._protocol.requests import Monotonic, Operation, wall_clock
from interlock.errors import InterlockError, InvalidLockName, InvalidValue

if TYPE_CHECKING:
    from interlock._protocol.locks.state import JobRun

_log = logging.getLogger("interlock")

Otherwise: TypeAlias = Literal["skip", "wait", "result"]


@dataclass(frozen=True, slots=True)
class Job:
    """A checked job. Times in seconds; `at_least` has the margin by which two clocks may drift.

    `otherwise` is what a caller does that may not run it: return at once, wait and then run it, or
    wait for the result of the run that is under way.
    """

    name: str
    at_least: float
    at_most: float
    otherwise: Otherwise
    timeout: timedelta | None

    @classmethod
    def of(
        cls,
        settings: Settings,
        name: str,
        *,
        at_least: timedelta,
        at_most: timedelta | None,
        otherwise: Otherwise,
        timeout: timedelta | None,
    ) -> "Job":
        """Check what a job was given. Raises `InvalidLockName` and `InvalidValue`."""
        if callable(name):
            raise InvalidLockName(name, "it is a function; name the job: exclusive('report')")
        least = _whatever_the_clock(seconds("at_least", at_least, least=0.0))
        most = float("inf") if at_most is None else seconds("at_most", at_most, positive=True)
        if at_most is not None and at_least > at_most:
            raise InvalidValue("at_least", f"{at_least} is longer than at_most, {at_most}")
        if least + settings.lease > MOST_LEASE:
            longest = as_duration(MOST_LEASE - settings.lease)
            raise InvalidValue("at_least", f"{at_least} is longer than about {longest}")
        if at_most is not None and most > MOST_LEASE:
            raise InvalidValue("at_most", f"{at_most} is longer than {as_duration(MOST_LEASE)}")
        if otherwise not in get_args(Otherwise):
            among = ", ".join(repr(one) for one in get_args(Otherwise))
            raise InvalidValue("otherwise", f"{written(otherwise)} is none of {among}")
        if timeout is not None:
            patience(timeout)
            if otherwise == "skip":
                raise InvalidValue(
                    "timeout",
                    "a caller that skips does not wait: leave it out, or "
                    'say otherwise="wait" or "result"',
                )
        return cls(checked_name(name), least, most, otherwise, timeout)

    def check_parameters(self, function: Callable[..., Any]) -> None:
        """Raise `InvalidValue` for a function whose result would be another call's with others."""
        from inspect import signature  # noqa: PLC0415 - only for jobs

        try:
            parameters = list(signature(function).parameters) if self.otherwise == "result" else []
        except (TypeError, ValueError):  # some that are built in have none to see
            return
        if parameters:
            raise InvalidValue(
                "function",
                f"it takes {', '.join(parameters)}, but with otherwise='result' a caller gets the "
                f"result of another's call, whatever was passed to that: give each argument a job "
                f"of its own, exclusive(f'{self.name}/{{{parameters[0]}}}', ...) for a function "
                "without parameters",
            )

    def first_lease(self, settings: Settings) -> float:
        """Return the lease of its grant: a run may begin under it for a client's lease."""
        return settings.lease_until(self.at_least + settings.lease, 0.0)

    def options(self, settings: Settings, owner: str) -> AcquireOptions:
        """Return the request for its lock."""
        options = settings.options(self.name, owner=owner, timeout=self.timeout)
        return replace(options, lease=self.first_lease(settings), at_least=self.at_least)


class JobAcquisition:
    """One call of a job that does not wait to run it, but skips it or takes another run's result.

    `granted` is the lock, if it is to be run; else `run` has ended without one, and `found` is the
    run whose result the caller gets, None if it skips.
    """

    def __init__(
        self, settings: Settings, options: AcquireOptions, observed: ObservedVersions, job: Job
    ) -> None:
        self._claim = Claim(settings, options, observed, settings.budget(grace=GRACE))
        self._skips = job.otherwise == "skip"
        self.granted: list[Grant] = []
        self.found: JobRun | None = None

    @property
    def contended(self) -> bool:
        """Whether it met another runner."""
        return self._claim.contended

    @property
    def waited(self) -> float:
        """The seconds that it took."""
        return self._claim.waited

    @property
    def leftovers(self) -> bool:
        """Whether it may have been granted what it does not know of."""
        return self._claim.leftovers

    def run(self) -> Operation[None]:
        """Return when the job is to be run, or not. One round trip if the lock is free.

        Raises what `Acquisition.run` does.
        """
        self._claim.begin((yield Monotonic()))
        dead: LockItem | None = None
        while True:
            grant, met = yield from self._claim.attempt(dead)
            dead = None
            if grant is not None:
                self.granted = [grant]
                return
            if met is not None:
                ended, dead = yield from self._beside(met)
                if ended:
                    return

    def abandon(self) -> Operation[bool]:
        """Give back what an acquisition that failed may have been granted, now or later."""
        return self._claim.abandon()

    def _beside(self, met: LockItem) -> Operation[tuple[bool, LockItem | None]]:
        """Look at a lock that another has; return whether that ends the call, else what is dead."""
        seen, lives = met, False
        while True:
            if (yield from self._claim.takeable(seen)):
                return False, seen
            lives = lives or not (yield from _seems_over(seen))
            if lives and (self._skips or self._take_result(seen.attributes, met.fence)):
                return True, None
            yield from self._claim.pause(seen)
            item = yield from self._claim.read()
            found = yield from self._claim.met(item)
            lives = lives or found is None or found.version != seen.version
            if found is None:
                return self._skips or self._take_result(item, met.fence), None
            seen = found

    def _take_result(self, item: Item | None, fence: int) -> bool:
        """Take the result of the run of a fence, or of a later one, if an item records one.

        A run that was cancelled has none for others, who did not cancel it.
        """
        if item is None or run_fence(item) < fence or was_stopped(item):
            return False
        self.found = run_of(self._claim.name, item)
        return self.found is not None


def begin(settings: Settings, grant: Grant, job: Job, now: float) -> bool:
    """Let the time of a run count from now, unless the lock is not certain to last for it."""
    if grant.over or grant.until - now <= job.at_least:
        return False
    grant.stays = now + job.at_least
    grant.ends = now + max(job.at_most, job.at_least)
    grant.heartbeat_interval = settings.heartbeat_interval(settings.lease)
    grant.until = min(grant.until, grant.ends)
    grant.due = min(grant.due, grant.until)
    return True


def must_stay(grant: Grant, now: float) -> bool:
    """Return whether a lock is a job's whose time is not over, so that it is not to be freed."""
    return grant.stays is not None and now < grant.stays


def reserve(settings: Settings, grant: Grant) -> Operation[None]:
    """Record a run that has ended before its time was over, for which the lock stays taken.

    Afterwards the lock is over when its time is, which is no loss; a release has to follow. Raises
    `LockLost` only, if another has the lock: if the record cannot be written now, the release does.
    """
    stays = grant.until if grant.stays is None else grant.stays
    grant.heartbeat_interval = grant.ends = float("inf")
    try:
        yield from extend(settings, grant, 0.0)
    except InterlockError as problem:
        if grant.loss not in PERHAPS_OURS:
            raise
        _log.warning("the run of job %r is not recorded yet: %s", grant.name, problem)
    grant.loss_reported = True
    grant.ends = grant.until = grant.due = stays


def _whatever_the_clock(time: float) -> float:
    """Return a time for which one clock counts on, so that another one has counted it, too."""
    return time * (1.0 + DRIFT)


def _seems_over(item: LockItem) -> Operation[bool]:
    """Return whether a lease is over, by the wall clocks of its holder and of this process."""
    until = item.held_until
    return until is not None and (yield from wall_clock()) > until
