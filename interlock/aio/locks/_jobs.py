"""Run a function as a job: one at a time, and once in a period, of all callers."""

import functools
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from interlock._drivers.awaitable.background import current
from interlock._drivers.awaitable.functions import checked_function, result_of
from interlock._protocol.durations import as_duration
from interlock._protocol.kinds import checked_function as callable_only
from interlock._protocol.locks.jobs import Job, JobAcquisition, must_stay
from interlock._protocol.locks.runs import entry, kept
from interlock._protocol.locks.state import JobRun, LossReason
from interlock.aio.locks._held import HeldLocks
from interlock.aio.locks._lock import Lock
from interlock.errors import InterlockError, JobFailed, LockLost, ResultNotKept

P = ParamSpec("P")
R = TypeVar("R")

_log = logging.getLogger("interlock")


def exclusive(
    held: HeldLocks, job: Job, function: Callable[P, Awaitable[R]]
) -> Callable[P, Coroutine[Any, Any, R | None]]:
    """Return a function that runs another one as a job."""
    callable_only("function", function, "the function that is the job: def report(): ...")
    checked_function(function)
    job.check_parameters(function)

    @functools.wraps(function)
    async def called(*args: P.args, **kwargs: P.kwargs) -> R | None:
        await held.settle(job.name)
        acquisition = held.operations.job(job, current())
        for lock in await held.take(acquisition):
            return await _Run(held, job, lock).of(lambda: function(*args, **kwargs))
        found = acquisition.found if isinstance(acquisition, JobAcquisition) else None
        return None if found is None else _result(found)

    return called


class _Run:
    """One run of a job, under its lock."""

    def __init__(self, held: HeldLocks, job: Job, lock: Lock) -> None:
        self._held = held
        self._job = job
        self._lock = lock
        self._grant = lock._grant  # noqa: SLF001 - of the same package
        self._began = self._wall = 0.0

    async def of(self, call: Callable[[], Awaitable[R]]) -> R:
        """Return what a call returns, or raise what it raises, when that is recorded."""
        await self._begin()
        try:
            result = await result_of(call())
        except BaseException as error:
            try:
                await self._end(error=error)
            except InterlockError as problem:
                _log.warning("how job %r ended is not recorded: %s", self._job.name, problem)
            raise
        text, why = kept(result)
        try:
            await self._end(result=text)
        except LockLost as lost:
            # By the end of its client the lock is given back, which is no other's business.
            if lost.reason is not LossReason.RELEASED:
                raise
            _log.warning("how job %r ended is not recorded: %s", self._job.name, lost)
        except InterlockError as problem:
            _log.warning("how job %r ended is not recorded: %s", self._job.name, problem)
        if why and self._job.otherwise == "result":
            raise ResultNotKept(self._job.name, why, result)
        done: R = result
        return done

    async def _begin(self) -> None:
        """Let the time of the run count from now; the lock has to be certain for as long."""
        try:
            operations = self._held.operations
            while not operations.begin(self._grant, self._job, self._held.clock()):
                await self._lock.extend(as_duration(self._job.first_lease(operations.settings)))
        except BaseException:
            try:
                await self._lock.release()
            except InterlockError as problem:
                _log.warning("lock %r could not be given back: %s", self._job.name, problem)
            raise
        self._held.replan(self._grant)  # what bounds the run may be sooner than a heartbeat
        self._began, self._wall = self._held.clock(), self._held.wall_clock()

    async def _end(self, *, error: BaseException | None = None, result: str | None = None) -> None:
        """Record how the run ended, and give the lock back, now or when its time is over.

        Raises `LockLost`, and what `Lock.release` does.
        """
        grant, now = self._grant, self._held.clock()
        if grant.expired(now) or grant.closed:
            raise grant.error()
        took = now - self._began
        grant.run = entry(
            grant.fence, grant.owner, began=self._wall, took=took, error=error, result=result
        )
        if must_stay(grant, now):
            await self._held.reserve(self._lock)
        elif not await self._lock.release():
            raise grant.error()


def _result(run: JobRun) -> Any:
    """Return the result of another's run, or raise why there is none."""
    if run.outcome == "raised":
        raise JobFailed(run)
    if not run.result_kept:
        raise ResultNotKept(run.name, f"{run.owner} returned what could not be kept", None)
    return run.result
