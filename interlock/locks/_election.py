"""Elect one leader among processes."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from interlock._protocol.locks.record import LockRecord
from interlock.errors import LossReason
from interlock.locks._client import LockClient
from interlock.locks._keeping import Lock


class LeaderElection:
    """Elects one leader among the clients that campaign under a name, by a lock of that name.

    `on_gain(lock)` is called when this client begins to lead, before `campaign` returns;
    `on_loss(lock, reason)` once when it has ceased to, by `resign` on its thread, otherwise on the
    heartbeat's. An exception in `on_gain` ends the term and is raised by `campaign`. `data` is
    shown to observers.

    Two may believe that they lead for as long as one of them does not look (it was stopped, say):
    what only a leader may do goes into a transaction with `lock.guard()`.
    """

    def __init__(
        self,
        locks: LockClient,
        name: str,
        *,
        on_gain: Callable[[Lock], None] | None = None,
        on_loss: Callable[[Lock, LossReason], None] | None = None,
        data: Any = None,
    ) -> None:
        self._locks = locks
        self._name = name
        self._on_gain = on_gain
        self._on_loss = on_loss
        self._data = data
        self._lock: Lock | None = None

    @property
    def lock(self) -> Lock | None:
        """The lock of this term, for its `guard()` and `fencing_token`; None when not leading."""
        return self._lock if self.leading else None

    @property
    def leading(self) -> bool:
        """Whether this client leads at this moment, by its own clock."""
        lock = self._lock
        return lock is not None and lock.remaining > timedelta()

    def campaign(self, timeout: timedelta | None = None) -> Lock:
        """Wait until this client leads, and return the lock of its term.

        Returns at once while it leads already. Raises what `LockClient.acquire` does.
        """
        lock = self._lock
        if lock is not None and self.leading:
            return lock
        lock = self._locks.acquire(self._name, timeout=timeout, data=self._data, on_lost=self._lost)
        self._lock = lock
        if self._on_gain is not None:
            try:
                self._on_gain(lock)
            except BaseException:
                self.resign()
                raise
        return lock

    def resign(self) -> bool:
        """Give the lead up; return False if this client did not lead any more.

        Raises what `Lock.release` does.
        """
        lock, self._lock = self._lock, None
        if lock is None or lock.lost.is_set():
            return False
        held = True
        try:
            held = lock.release()
        finally:
            if held and self._on_loss is not None:
                self._on_loss(lock, LossReason.RELEASED)
        return held

    def observe(self) -> LockRecord | None:
        """Return who leads, as the store knows it; None if nobody ever did."""
        return self._locks.inspect(self._name)

    def _lost(self, lock: Lock, reason: LossReason) -> None:
        if self._lock is lock:
            self._lock = None
        if self._on_loss is not None:
            self._on_loss(lock, reason)
