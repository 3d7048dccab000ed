"""A lock's record, its breaks, and the reasons of a loss. Imports no other module of ours."""

import enum
from datetime import datetime, timedelta
from typing import Any, Literal

from interlock._dataclasses import dataclass


class LossReason(enum.StrEnum):
    """Reasons of a loss: a lock is not, or not certainly, held. `text` says each in words."""

    TAKEN_OVER = "taken_over"
    RELEASED = "released"
    DELETED = "deleted"
    LEASE_RAN_OUT = "lease_ran_out"
    HELD_TOO_LONG = "held_too_long"
    REFUSED = "refused"
    FORKED = "forked"
    ABANDONED = "abandoned"
    BROKEN = "broken"

    @property
    def text(self) -> str:
        """The reason in words."""
        return _TEXTS[self]


_TEXTS = {
    LossReason.TAKEN_OVER: "another holder has it",
    LossReason.RELEASED: "it was released",
    LossReason.DELETED: "its record was deleted",
    LossReason.LEASE_RAN_OUT: "its lease ran out before a heartbeat was answered",
    LossReason.HELD_TOO_LONG: "it was held for as long as its max_hold allows",
    LossReason.REFUSED: "its heartbeats were refused until the lease ran out",
    LossReason.FORKED: "this process is a copy of its holder",
    LossReason.ABANDONED: "its handle was dropped without a release",
    LossReason.BROKEN: "it was broken from outside, whose record says by whom and why",
}


@dataclass(frozen=True, slots=True)
class LockBreak:
    """A break of a lock: `because` and `by` in the words of the client that broke it.

    `at` is when, by that client's wall clock; `fencing_token` is that of the grant which it ended,
    0 if the record did not say; `owner` its holder, None if the record did not say.
    """

    because: str
    by: str
    at: datetime
    fencing_token: int
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class JobRun:
    """A run of a job (`LockClient.exclusive`) that has ended, as its record has it.

    `owner` made it under `fencing_token`; `started` is by that client's wall clock. `outcome` is
    "returned" or "raised"; `error` is what was raised, as text. `result` is what was returned, if
    it could be kept: `result_kept` says so.
    """

    name: str
    fencing_token: int
    owner: str
    started: datetime
    duration: timedelta
    outcome: Literal["returned", "raised"]
    error: str | None = None
    result: Any = None
    result_kept: bool = False


@dataclass(frozen=True, slots=True)
class LockWaiter:
    """A waiter in the queue of a lock (`LockClient.acquire(..., fair=True)`).

    `rank` is its place, 0 the first; `owner` who it is, cut to 64 characters; `since` when it came,
    by its own wall clock. One that died stays until it would be its turn. `holds` has a mark for
    each of up to four grants that its thread or task held then, None if its ticket is of an earlier
    version, which does not say; `LockClient.deadlocks` reads them.
    """

    rank: int
    owner: str
    since: datetime
    holds: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class LockRecord:
    """A lock as the store has it. `held`: it was granted, and not given back since.

    `fencing_token` is that of the last grant, or of a break after it. What a lock that is free has
    no more is None: `owner` and `data` as the holder gave them, `lease`, `version`; `since` and
    `until`, by the holder's wall clock, are when it was granted and when its lease is over without
    another heartbeat. `expired` says that `until` has passed by the reader's wall clock: the holder
    is gone, or the two clocks differ; a waiter takes the lock over when it has watched it for a
    lease. `broken` is how it was broken last, whether it is held or not; None if it was not, as far
    back as the record goes. `last_run` is the last run of the job of this name, if it is one's.
    `waiters` are those in its queue, the first one first; waiters that are not fair are in none.
    `election`: a `LeaderElection` was granted it once, so the lock elects a leader. `resting`: a
    job (`LockClient.exclusive`) has run under it, and it stays taken until `until` only for the
    rest of the job's `at_least`.
    """

    name: str
    held: bool
    fencing_token: int
    owner: str | None = None
    lease: timedelta | None = None
    since: datetime | None = None
    data: Any = None
    version: str | None = None
    until: datetime | None = None
    expired: bool = False
    broken: LockBreak | None = None
    last_run: JobRun | None = None
    waiters: tuple[LockWaiter, ...] = ()
    election: bool = False
    resting: bool = False


LossReason.__module__ = "interlock.errors"
JobRun.__module__ = "interlock.locks"
LockBreak.__module__ = "interlock.locks"
LockRecord.__module__ = "interlock.locks"
LockWaiter.__module__ = "interlock.locks"
