"""Errors of locks."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from interlock._protocol.locks.state import JobRun, LockRecord, LossReason
from interlock.errors._base import InterlockError
from interlock.errors._transactions import ConditionFailed


class InvalidLockName(InterlockError, ValueError):
    """A name that a lock cannot have; nothing was sent."""

    def __init__(self, name: object, reason: str) -> None:
        super().__init__(f"invalid lock name {name!r}: {reason}")
        self.name = name


class LeaseTooShort(InterlockError, ValueError):
    """A lease that could run out under a holder that is well; `needed` is the least that would do.

    It must hold three heartbeats, and a call's whole time-out.
    """

    def __init__(self, lease: timedelta, needed: timedelta, why: str) -> None:
        asked, least = (f"{each.total_seconds():g} s" for each in (lease, needed))
        super().__init__(f"a lease of {asked} is too short: {why} (at least {least})")
        self.lease = lease
        self.needed = needed


class LockClientClosed(InterlockError):
    """A lock was asked of a client that has been closed."""

    def __init__(self) -> None:
        super().__init__("this lock client is closed; make a new one")


class LockWaitCancelled(InterlockError):
    """The event that was passed as `cancel=` was set during the wait; nothing is held."""

    def __init__(self) -> None:
        super().__init__("the wait for a lock was cancelled by the event that it was given")


class LockAlreadyHeld(InterlockError):
    """A thread (or task) would wait for a lock that it holds itself; it would wait for ever.

    Pass the lock on instead of acquiring it again, or `release` it first. If another thread is to
    give it back, acquire it there.
    """

    def __init__(self, name: str) -> None:
        super().__init__(
            f"lock {name!r} is held by this very thread or task, which would wait for itself: "
            "pass the lock on instead of acquiring it again"
        )
        self.name = name


class UpgradeRefused(LockAlreadyHeld):
    """A reader asked for the write side of the lock that it reads under; nothing was sent.

    It would wait for itself to leave; and two readers that wait to become the writer would wait for
    each other. Give the read side back, take the write side, and read again what was read.
    """

    def __init__(self, name: str) -> None:
        InterlockError.__init__(
            self,
            f"the read side of lock {name!r} is held by this very thread or task, which would wait "
            "for itself to leave: give it back, take the write side, and read again what was read",
        )
        self.name = name


class PermitsMismatch(InterlockError):
    """A `Semaphore` has another number of permits than it was first used with; nothing is held.

    `permits` is what was asked for, `agreed` what all clients of the semaphore pass. If they passed
    different ones the largest would apply.
    """

    def __init__(self, name: str, permits: int, agreed: int) -> None:
        super().__init__(
            f"semaphore {name!r} has {agreed} permits, not {permits}: pass permits={agreed}, or "
            f"change the number for all by deleting the record 'lock#{name}#slots'"
        )
        self.name = name
        self.permits = permits
        self.agreed = agreed


class ReadersMismatch(InterlockError):
    """A `ReadWriteLock` has another number of readers than it was first used with; nothing is held.

    `readers` is what was asked for, `agreed` what all clients of the lock have to pass. Writers
    close that many slots, so it is not changed while the lock is in use.
    """

    def __init__(self, name: str, readers: int, agreed: int) -> None:
        super().__init__(
            f"lock {name!r} is for {agreed} readers, not for {readers}: pass readers={agreed}, or "
            "use another name"
        )
        self.name = name
        self.readers = readers
        self.agreed = agreed


class RenewalImpossible(InterlockError):
    """No thread can be started that would renew the lock, so it was given back.

    The process has too many threads, or is ending.
    """

    def __init__(self, name: str) -> None:
        super().__init__(
            f"lock {name!r} was given back: no thread can be started to renew it, as this process "
            "has too many or is ending"
        )
        self.name = name


class TooManyLocks(InterlockError):
    """The client holds as many locks as it can renew in time, so this one was given back.

    `held` are the locks that it holds, `latency` is what a call takes on average, `most` how many
    locks with this `heartbeat` interval it could keep. Hold them for longer leases, with fewer
    heartbeats, by more processes, or briefly with `heartbeats=False`.
    """

    def __init__(
        self, name: str, *, held: int, latency: timedelta, most: int, heartbeat: timedelta
    ) -> None:
        super().__init__(
            f"lock {name!r} was given back: this client holds {held} locks, and at "
            f"{latency.total_seconds() * 1e3:.0f} ms a call it can keep {most} with a heartbeat "
            f"each {heartbeat.total_seconds():g} s; take longer leases, share the locks among more "
            "processes, or pass heartbeats=False for what is held briefly"
        )
        self.name = name
        self.held = held
        self.latency = latency
        self.most = most
        self.heartbeat = heartbeat


class CorruptRecord(InterlockError):
    """A record that no client of this library has written; nothing was decided by it.

    `table` and `key` say where it is, `attribute` what is wrong with it, and `value` what it has
    there (typed; None: nothing). While it is so, nothing is granted: `LockClient.break_lock` mends
    a lock's. `newer` says that a newer version of this library wrote it, which is to be left alone.
    """

    def __init__(
        self, table: str, key: str, attribute: str, value: Any, *, newer: bool = False
    ) -> None:
        way_out = (
            "it was written by a newer version of this library: update it here"
            if newer
            else "something else has written it: mend a lock by break_lock, or delete the item "
            "when it is not in use"
        )
        found = f"no {attribute}" if value is None else f"{attribute}={value!r}"
        super().__init__(
            f"the record {key!r} in table {table!r} has {found}, which cannot be relied upon; "
            f"{way_out}"
        )
        self.table = table
        self.key = key
        self.attribute = attribute
        self.value = value
        self.newer = newer


class LockTimeout(InterlockError):
    """The lock was held by others for all of the time that the caller would wait.

    `holder` is who holds it, since when, and their data, as the store had it last.
    """

    def __init__(self, name: str, waited: timedelta, holder: LockRecord) -> None:
        since = f" since {holder.since:%Y-%m-%d %H:%M:%SZ}" if holder.since else ""
        super().__init__(
            f"lock {name!r} was not free within {waited.total_seconds():.2f} s; "
            f"{holder.owner or 'another client'} holds it{since}, "
            f"fencing token {holder.fencing_token}"
        )
        self.name = name
        self.waited = waited
        self.holder = holder


class QueueFull(InterlockError):
    """The queue of a lock has no place left for a fair waiter; nothing was asked for.

    `most` is how many it has, `holder` who holds the lock, with those who wait. The queue is in the
    lock's record, of which each write costs more with each of them. Try again later, or share the
    work among several locks.
    """

    def __init__(self, name: str, most: int, holder: LockRecord) -> None:
        super().__init__(
            f"{most} wait for lock {name!r} already, which is all that its queue has places for: "
            "try again later, or share the work among several locks"
        )
        self.name = name
        self.most = most
        self.holder = holder


class LockLost(InterlockError):
    """The lock is not held any more, so what it protects must not be touched.

    `reason` is a `LossReason`; `problem` what the last heartbeat met, if that was the cause.
    """

    def __init__(
        self, name: str, fencing_token: int, reason: LossReason, problem: Exception | None = None
    ) -> None:
        detail = f" ({problem})" if problem is not None else ""
        super().__init__(
            f"lock {name!r}, fencing token {fencing_token}, is lost: {reason.text}{detail}"
        )
        self.name = name
        self.fencing_token = fencing_token
        self.reason = reason
        self.problem = problem


class JobFailed(InterlockError):
    """The run whose result a caller waited for has raised; `run` is its record, with the text.

    Raised to the callers beside it; the one that made the run got the exception itself.
    """

    def __init__(self, run: JobRun) -> None:
        super().__init__(
            f"job {run.name!r}, run by {run.owner} at {run.started:%Y-%m-%d %H:%M:%SZ}, "
            f"raised {run.error}"
        )
        self.run = run


class ResultNotKept(InterlockError):
    """A job returned what its record cannot keep. It ran to its end, and is recorded as returned.

    Raised where callers take each other's results (`otherwise="result"`): `result` is what it
    returned, for the caller that made the run; None for the callers beside it.
    Up to 16 KB of JSON are kept, and only what comes back from it unchanged: None, bool, int,
    float, str, and lists and string-keyed dicts of them. Keep anything else in an item of its own,
    and return its key.
    """

    def __init__(self, name: str, why: str, result: Any) -> None:
        super().__init__(
            f"the result of job {name!r} is not kept: {why}; the job has run. Return None, or up "
            "to 16 KB that JSON gives back unchanged"
        )
        self.name = name
        self.result = result


class GuardFailed(ConditionFailed, LockLost):
    """A transaction was guarded by a lock that is not held any more; nothing was written.

    A `ConditionFailed` and a `LockLost` in one: `name`, `fencing_token` and `reason` are the
    lock's, `item` is its record.
    """

    def __init__(  # noqa: PLR0917 - those of its two parents
        self,
        index: int,
        table: str,
        key: Mapping[str, Any],
        item: Mapping[str, Any] | None,
        name: str,
        fencing_token: int,
        reason: LossReason,
    ) -> None:
        InterlockError.__init__(
            self,
            f"nothing was written: lock {name!r}, fencing token {fencing_token}, which guards "
            f"action {index}, is lost: {reason.text}",
        )
        self.index, self.table, self.key, self.item = index, table, key, item
        self.name, self.fencing_token, self.reason = name, fencing_token, reason
        self.problem = None
