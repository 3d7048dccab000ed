"""A lock as its holder knows it.

Shared between the thread that holds the lock and the one that renews it, without a mutex: each
field has one writer at a time, and `sending` and `close` are ordered so that either the renewal
sees that it is over, or the release knows the version that the renewal has sent.
"""

from datetime import timedelta
from typing import Any, NamedTuple

from interlock._dataclasses import dataclass, field
from interlock._protocol.locks.settings import DRIFT
from interlock._protocol.locks.state import LockBreak, LossReason
from interlock.errors import LockLost

_AHEAD = 0.05  # seconds before a heartbeat in which the commits that are under way may end
_AHEAD_AT_MOST = 1 / 8  # of the time between heartbeats
_OVERDUE = 1.0  # seconds after which a heartbeat is not waited for any more


class Heartbeat(NamedTuple):
    """A heartbeat that may have been carried out: its version, when it was sent, its lease."""

    version: str
    sent: float
    lease: float


class Shown(NamedTuple):
    """The holder's payload as a typed value, None for none; `number` counts its changes."""

    number: int
    data: dict[str, Any] | None


_AS_GRANTED = Shown(0, None)


@dataclass(slots=True, eq=False)
class Grant:
    """One grant of one lock. Times are seconds on the holder's monotonic clock.

    `until` is when the lease is over, `due` when the next heartbeat is to be sent,
    `unconfirmed` the heartbeats that may have been carried out, `in_commit` whether a transaction
    under way may release it. `void_before` is the bound on this client's earlier requests that
    could not be set when the lock was granted: its release sets it. `ends` is when it is over
    whatever is renewed. `shown` is the payload as the holder wants it, of which `written` is the
    number that the record has. `turn` is empty while a heartbeat is made. `after_break` is how the
    grant right before it was ended, if from outside.

    `adopting`: it was exported, and its record has not been seen since. `freed`: a batch has given
    it back; `perhaps_freed`: one may have, or may yet.

    Of a job's lock `stays` is until when it stays taken, from the begin of its run on (before:
    minus infinity; None: no job's), and `run` the record of that run once it has ended.
    """

    name: str
    fence: int
    version: str
    lease: float
    heartbeat_interval: float
    until: float
    due: float
    owner: str
    unconfirmed: tuple[Heartbeat, ...] = ()
    failures: int = 0
    problem: Exception | None = field(default=None, repr=False)
    closed: bool = False
    loss: LossReason | None = None
    loss_reported: bool = False
    in_commit: bool = False
    void_before: int = 0
    after_break: LockBreak | None = None
    ends: float = float("inf")
    shown: Shown = _AS_GRANTED
    written: int = 0
    turn: list[bool] = field(default_factory=lambda: [True], repr=False)
    stays: float | None = None
    run: dict[str, Any] | None = field(default=None, repr=False)
    heir: str | None = None
    adopting: bool = False
    freed: bool = False
    perhaps_freed: bool = False

    @property
    def over(self) -> bool:
        """Whether there is nothing left to renew: given back, or known to be lost."""
        return self.closed or self.loss is not None

    @property
    def reserved(self) -> bool:
        """Whether it is a job's that has run: taken for the rest of its time, and not renewed."""
        return self.run is not None and self.heartbeat_interval == float("inf")

    def renewing(self, now: float) -> bool:
        """Return whether a heartbeat is under way, due now, or to be repeated: then it goes first.

        Not if none has come though one was due: then nothing renews the lock any more.
        """
        if self.over or self.heartbeat_interval == float("inf"):
            return False
        soon = now >= self.due - min(_AHEAD, self.heartbeat_interval * _AHEAD_AT_MOST)
        return not self.turn or ((soon or self.failures > 0) and now < self.due + _OVERDUE)

    def sending(self, version: str, sent: float, lease: float) -> bool:
        """Remember a heartbeat before it is sent; return False if it must not be sent any more."""
        self.unconfirmed = (*self.unconfirmed, Heartbeat(version, sent, lease))
        # From when it is carried out, which is not known, no more than its lease is certain.
        self.until = min(self.until, lease_end(sent, lease))
        return not self.over

    def discard(self, version: str) -> None:
        """Drop a heartbeat that was certainly not carried out."""
        self.unconfirmed = tuple(one for one in self.unconfirmed if one.version != version)

    def close(self) -> tuple[str, ...]:
        """End all renewal, and return every version that the record may have if it is ours."""
        self.closed = True
        # In this order: a renewal that ends in between moves its version the other way.
        unconfirmed = self.unconfirmed
        return tuple(dict.fromkeys((self.version, *(one.version for one in unconfirmed))))

    def own(self) -> tuple[str, ...]:
        """Return every version that the record may have if it is ours."""
        return (self.version, *(one.version for one in self.unconfirmed))

    def renewed(self, version: str, sent: float, lease: float) -> None:
        """Count the lease from a heartbeat that was carried out."""
        self.version, self.lease = version, lease
        self.until = min(lease_end(sent, lease), self.ends)
        self.due = min(sent + self.heartbeat_interval, self.until)
        self.unconfirmed, self.failures, self.problem = (), 0, None
        self.adopting = False

    def expired(self, now: float) -> bool:
        """Return whether the lock is lost; if it is because the lease is over now, for good."""
        if self.loss is None and not self.closed and now >= self.until:
            held = now >= self.ends
            self.loss = LossReason.HELD_TOO_LONG if held else LossReason.LEASE_RAN_OUT
        return self.loss is not None

    def report_loss(self) -> bool:
        """Return True once, if the lock is lost."""
        unreported = self.loss is not None and not self.loss_reported
        self.loss_reported = self.loss_reported or unreported
        return unreported

    def error(self) -> LockLost:
        """Return the error that says how the lock was lost."""
        reason = self.loss or LossReason.RELEASED
        return LockLost(self.name, self.fence, reason, self.problem)

    def remaining(self, now: float) -> timedelta:
        """Return how long the lease lasts without another heartbeat."""
        if self.over:
            return timedelta()
        return timedelta(seconds=max(0.0, self.until - now))


def lease_end(sent: float, lease: float) -> float:
    """Return until when a lease holds that was asked for at `sent`, by the holder's own clock.

    It counts from before the request was sent, so a waiter that saw its version began later; and
    it is shorter by what two clocks may drift apart.
    """
    return sent + lease * (1.0 - DRIFT)
