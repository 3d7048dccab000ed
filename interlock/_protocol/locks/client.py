"""The sans-I/O half of a lock client: its operations, and what it holds.

A lock's way to the wire begins here: `acquire` returns an `Acquisition`, whose `run` is an
operation for a driver; the grant that it returns is kept by `hold`, renewed by `renew` when it is
due, and given back by `release`.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any, NamedTuple, TypeVar
from weakref import ref

from interlock._dataclasses import replace
from interlock._protocol.kinds import checked_instance, optional_text, shown
from interlock._protocol.locks import lease as leases
from interlock._protocol.locks.acquire import Acquisition
from interlock._protocol.locks.agreed import PERMITS, Agreement
from interlock._protocol.locks.breaking import break_lock, checked_fence, checked_reason
from interlock._protocol.locks.deadlock import Deadlock
from interlock._protocol.locks.door import Door
from interlock._protocol.locks.fair import FairAcquisition
from interlock._protocol.locks.grant import Grant
from interlock._protocol.locks.jobs import Job, JobAcquisition, begin, reserve
from interlock._protocol.locks.lease import RELEASING
from interlock._protocol.locks.multi import MOST_LOCKS, MultiAcquisition
from interlock._protocol.locks.observed import ObservedVersions
from interlock._protocol.locks.permits import PermitAcquisition, checked_permits
from interlock._protocol.locks.readers import DOWNGRADING, Downgrade, ReadAcquisition
from interlock._protocol.locks.reading import LockPage, deadlocks, inspect, page
from interlock._protocol.locks.settings import (
    Invocation,
    Settings,
    checked_lock_or_permit,
    checked_names,
)
from interlock._protocol.locks.state import LockRecord, LossReason
from interlock._protocol.locks.ticket import marks_of
from interlock._protocol.locks.together import Together
from interlock._protocol.locks.writers import WriteAcquisition
from interlock._protocol.requests import Operation
from interlock.errors import InvalidValue, LockAlreadyHeld, UpgradeRefused

K = TypeVar("K")
_MOST_KNOWN = 10_000  # doors, or semaphores; the one that was not used for longest goes


class Held(NamedTuple):
    """A grant's handle in the application, weakly, and the thread or task that took it."""

    handle: "ref[Any]"
    taker: Any


class LockOperations:
    """The operations of a client, with what it has observed and what it holds.

    `owner` returns what the record says of the holder.
    """

    def __init__(self, settings: Settings, owner: Callable[[], str]) -> None:
        self.settings = settings
        self.together = Together(settings)
        self._owner = owner
        self._observed = ObservedVersions()
        self._held: dict[Grant, Held] = {}
        self._doors: dict[tuple[str, int], Door] = {}
        self._semaphores: dict[tuple[str, int], Agreement] = {}

    def acquire(
        self,
        name: str,
        *,
        timeout: timedelta | None = None,
        lease: timedelta | None = None,
        data: Any = None,
        invocation: Invocation | None = None,
        heartbeats: bool = True,
        max_hold: timedelta | None = None,
        fair: bool = False,
        taker: Any = None,
    ) -> Acquisition:
        """Return the acquisition of one lock by a thread or task; `fair`: in its turn."""
        options = self.settings.options(
            name,
            owner=self._owner(),
            timeout=timeout,
            lease=lease,
            data=data,
            invocation=invocation,
            heartbeats=heartbeats,
            max_hold=max_hold,
        )
        if options.timeout is None or options.timeout > 0:
            self._refuse_to_wait_for_itself([options.name], taker)
        checked_instance("fair", fair, bool, "True or False")
        if not fair:
            return Acquisition(self.settings, options, self._observed)
        if taker is not None:
            taken = ((grant.name, grant.fence) for grant, _ in self._taken_by(taker))
            options = replace(options, holds=marks_of(taken))
        return FairAcquisition(self.settings, options, self._observed)

    def campaign(
        self, name: str, *, timeout: timedelta | None, data: Any, taker: Any
    ) -> Acquisition:
        """Return the acquisition of the lock by which a leader is elected."""
        owner = self._owner()
        options = self.settings.options(name, owner=owner, timeout=timeout, data=data)
        if timeout is None or timeout > timedelta():
            self._refuse_to_wait_for_itself([options.name], taker)
        return Acquisition(self.settings, replace(options, election=True), self._observed)

    def acquire_all(
        self,
        names: Iterable[str],
        *,
        timeout: timedelta | None = None,
        lease: timedelta | None = None,
        data: Any = None,
        taker: Any = None,
    ) -> MultiAcquisition:
        """Return the acquisition of several locks together."""
        owner, checked = self._owner(), checked_names(names, MOST_LOCKS)
        options = [
            self.settings.options(name, owner=owner, timeout=timeout, lease=lease, data=data)
            for name in checked
        ]
        if timeout is None or timeout > timedelta():
            self._refuse_to_wait_for_itself(checked, taker)
        return MultiAcquisition(self.settings, options, self._observed)

    def permit(
        self,
        name: str,
        permits: int,
        *,
        timeout: timedelta | None = None,
        lease: timedelta | None = None,
        data: Any = None,
    ) -> PermitAcquisition:
        """Return the acquisition of one of a semaphore's permits."""
        options = self.settings.options(
            name, owner=self._owner(), timeout=timeout, lease=lease, data=data
        )
        known = (options.name, checked_permits(permits))
        agreement = _kept(self._semaphores, known, Agreement(options.name, PERMITS, permits))
        return PermitAcquisition(self.settings, options, agreement, self._observed)

    def job(self, job: Job, taker: Any = None) -> Acquisition | JobAcquisition:
        """Return the acquisition of a job's lock by a thread or task that calls it."""
        options = job.options(self.settings, self._owner())
        if job.otherwise != "skip":
            self._refuse_to_wait_for_itself([job.name], taker)
        if job.otherwise == "wait":
            return Acquisition(self.settings, options, self._observed)
        return JobAcquisition(self.settings, options, self._observed, job)

    def begin(self, grant: Grant, job: Job, now: float) -> bool:
        """Let the time of a run count from now; as `jobs.begin`."""
        return begin(self.settings, grant, job, now)

    def reserve(self, grant: Grant) -> Operation[None]:
        """Record a run, and leave its lock taken for the rest of its time; as `jobs.reserve`."""
        return reserve(self.settings, grant)

    def read(
        self,
        name: str,
        readers: int,
        *,
        timeout: timedelta | None = None,
        lease: timedelta | None = None,
        data: Any = None,
        taker: Any = None,
    ) -> ReadAcquisition:
        """Return the acquisition of a lock's read side by a thread or task."""
        options = self.settings.options(
            name, owner=self._owner(), timeout=timeout, lease=lease, data=data
        )
        # A reader that comes again would wait for a writer that waits for it.
        if self._side_held(options.name, taker) is not None:
            raise LockAlreadyHeld(options.name)
        return ReadAcquisition(
            self.settings, options, self._observed, self._door(options.name, readers)
        )

    def write(
        self,
        name: str,
        readers: int,
        *,
        timeout: timedelta | None = None,
        lease: timedelta | None = None,
        data: Any = None,
        taker: Any = None,
    ) -> WriteAcquisition:
        """Return the acquisition of a lock's write side by a thread or task."""
        options = self.settings.options(
            name, owner=self._owner(), timeout=timeout, lease=lease, data=data
        )
        held = self._side_held(options.name, taker)
        if held is not None:
            reads = held != options.name
            raise UpgradeRefused(options.name) if reads else LockAlreadyHeld(options.name)
        return WriteAcquisition(
            self.settings, options, self._observed, self._door(options.name, readers)
        )

    def downgrade(
        self,
        writing: Grant,
        readers: int,
        *,
        lease: timedelta | None = None,
        data: Any = None,
    ) -> Downgrade:
        """Return the acquisition of the read side by a writer, which then is one no more."""
        options = self.settings.options(
            writing.name,
            owner=writing.owner,
            timeout=timedelta(seconds=DOWNGRADING),
            lease=timedelta(seconds=writing.lease) if lease is None else lease,
            data=data,
        )
        return Downgrade(self.settings, options, self._observed, readers, writing)

    def renew(self, grant: Grant) -> Operation[str]:
        """Send one heartbeat; as `lease.renew`."""
        return leases.renew(self.settings, grant)

    def extend(self, grant: Grant, lease: timedelta | None) -> Operation[None]:
        """Renew a lock for another lease; as `lease.extend`."""
        return leases.extend(
            self.settings,
            grant,
            grant.lease if lease is None else self.settings.checked_lease(lease),
        )

    def release(self, grant: Grant, seconds: float = RELEASING) -> Operation[bool]:
        """Give a lock back; as `lease.release`."""
        return leases.release(self.settings, grant, seconds)

    def export(self, grant: Grant) -> str:
        """End a grant here, and return what another client adopts."""
        return leases.export(grant)

    def adopt(self, exported: str, begun: list[Grant]) -> Operation[Grant]:
        """Return the grant that was exported, renewed; as `lease.adopt`."""
        return leases.adopt(self.settings, exported, begun)

    def inspect(self, name: str) -> Operation[LockRecord | None]:
        """Return what the store holds of a lock; as `reading.inspect`."""
        return inspect(self.settings, checked_lock_or_permit(name))

    def break_lock(
        self, name: str, *, because: str, fence: int | None = None
    ) -> Operation[LockRecord | None]:
        """End the grant of a lock from outside; as `breaking.break_lock`."""
        return break_lock(
            self.settings,
            checked_lock_or_permit(name),
            because=checked_reason(because),
            by=self._owner(),
            fence=checked_fence(fence),
        )

    def page(self, prefix: str, after: str | None, *, held: bool) -> Operation[LockPage]:
        """Return a part of the locks; as `reading.page`."""
        _check_prefix(prefix)
        optional_text("after", after)
        return page(self.settings, prefix, after, held=held)

    def deadlocks(
        self, prefix: str, among: Iterable[LockRecord] | None
    ) -> Operation[tuple[Deadlock, ...]]:
        """Return the deadlocks among the locks; as `reading.deadlocks`."""
        _check_prefix(prefix)
        if among is not None:
            among = tuple(among) if isinstance(among, Iterable) else (among,)
            for one in among:
                checked_instance("among", one, LockRecord, "the locks of a `LockPage`")
        return deadlocks(self.settings, prefix, among)

    def hold(self, grant: Grant, handle: Any, taker: Any) -> None:
        """Keep a grant that a thread or task took, and its handle in the application."""
        self._held[grant] = Held(ref(handle), taker)

    def let_go(self, grant: Grant) -> Any:
        """Stop keeping a grant; return its handle, None if the application has dropped it."""
        held = self._held.pop(grant, None)
        return None if held is None else held.handle()

    def taken_by(self, taker: Any, name: str) -> Any:
        """Return the handle of the lock of a name that a thread or task took and holds, or None."""
        for grant, held in self._taken_by(taker):
            if grant.name == name:
                return held.handle()
        return None

    @property
    def held(self) -> list[Grant]:
        """The grants that are kept."""
        return list(self._held)

    def forked(self) -> None:
        """Hold nothing, and forget what was observed: this process is a copy."""
        for grant in self._held:
            grant.loss, grant.loss_reported = LossReason.FORKED, True
        self._held = {}
        self._observed = ObservedVersions()
        self._doors, self._semaphores = {}, {}

    def _door(self, name: str, readers: int) -> Door:
        """Return what is known of a lock's door."""
        return _kept(self._doors, (name, readers), Door(name, readers))

    def _side_held(self, name: str, taker: Any) -> str | None:
        """Return the name of the side of a lock that a thread or task holds."""
        for grant, _ in self._taken_by(taker) if taker is not None else ():
            if grant.name.partition("#")[0] == name:
                return grant.name
        return None

    def _taken_by(self, taker: Any) -> Iterator[tuple[Grant, Held]]:
        """Yield what a thread or task took and holds; others may take and give back meanwhile."""
        for grant, held in list(self._held.items()):
            if held.taker == taker and not grant.over:
                yield grant, held

    def _refuse_to_wait_for_itself(self, names: list[str], taker: Any) -> None:
        if taker is None:
            return
        for grant, _ in self._taken_by(taker):
            if grant.name in names:
                raise LockAlreadyHeld(grant.name)


def _kept(known: dict[tuple[str, int], K], key: tuple[str, int], new: K) -> K:
    """Return what is known of a name and its number; at first, and when it was given up: new."""
    known[key] = one = known.pop(key, new)
    if len(known) > _MOST_KNOWN:
        known.pop(next(iter(known)), None)
    return one


def _check_prefix(prefix: str) -> None:
    if not isinstance(prefix, str):
        raise InvalidValue("prefix", f"{shown(prefix)} is not a string")
