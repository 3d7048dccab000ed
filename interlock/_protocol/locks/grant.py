"""A lock as its holder knows it.

Shared between the thread that holds the lock and the one that renews it, without a mutex: each
field has one writer at a time, and `sending` and `close` are ordered so that either the renewal
sees that it is over, or the release knows the version that the renewal has sent.
"""

from dataclasses import dataclass, field
from datetime import timedelta

from interlock._protocol.locks.settings import DRIFT
from interlock._protocol.locks.state import LockBreak, LossReason
from interlock.errors import LockLost


@dataclass(slots=True, eq=False)
class Grant:
    """One grant of one lock. Times are seconds on the holder's monotonic clock.

    `until` is when the lease is over, `due` when the next heartbeat is to be sent,
    `unconfirmed` the versions of heartbeats that may have been carried out, with the time before
    each was sent, `in_commit` whether a transaction under way may release it. `void_before`
    is the bound on this client's earlier requests that could not be set when the lock was granted:
    its release sets it. `after_break` is how the grant right before it was ended, if from outside.
    """

    name: str
    fence: int
    version: str
    lease: float
    heartbeat_interval: float
    until: float
    due: float
    owner: str
    unconfirmed: tuple[tuple[str, float], ...] = ()
    failures: int = 0
    problem: Exception | None = field(default=None, repr=False)
    closed: bool = False
    loss: LossReason | None = None
    loss_reported: bool = False
    in_commit: bool = False
    void_before: int = 0
    after_break: LockBreak | None = None

    @property
    def over(self) -> bool:
        """Whether there is nothing left to renew: given back, or known to be lost."""
        return self.closed or self.loss is not None

    def sending(self, version: str, sent: float) -> bool:
        """Remember a heartbeat before it is sent; return False if it must not be sent any more."""
        self.unconfirmed = (*self.unconfirmed, (version, sent))
        return not self.over

    def discard(self, version: str) -> None:
        """Drop a heartbeat that was certainly not carried out."""
        self.unconfirmed = tuple(pair for pair in self.unconfirmed if pair[0] != version)

    def close(self) -> tuple[str, ...]:
        """End all renewal, and return every version that the record may have if it is ours."""
        self.closed = True
        # In this order: a renewal that ends in between moves its version the other way.
        unconfirmed = self.unconfirmed
        return tuple(dict.fromkeys((self.version, *(version for version, _ in unconfirmed))))

    def own(self) -> tuple[str, ...]:
        """Return every version that the record may have if it is ours."""
        return (self.version, *(version for version, _ in self.unconfirmed))

    def renewed(self, version: str, sent: float) -> None:
        """Count the lease from a heartbeat that was carried out."""
        self.version = version
        self.until = lease_end(sent, self.lease)
        self.due = min(sent + self.heartbeat_interval, self.until)
        self.unconfirmed, self.failures, self.problem = (), 0, None

    def expired(self, now: float) -> bool:
        """Return whether the lock is lost; if it is because the lease is over now, for good."""
        if self.loss is None and not self.closed and now >= self.until:
            self.loss = LossReason.LEASE_RAN_OUT
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
