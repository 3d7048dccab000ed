"""The half of a held lock that needs no I/O, and is the same for blocking and awaitable use."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from interlock._protocol.locks import record
from interlock._protocol.locks.grant import Grant
from interlock._protocol.locks.settings import Settings


class Held:
    """One grant of a lock."""

    __slots__ = ("_clock", "_data", "_grant", "_settings")

    def __init__(
        self, settings: Settings, grant: Grant, data: Any, clock: Callable[[], float]
    ) -> None:
        self._settings = settings
        self._grant = grant
        self._data = data
        self._clock = clock

    @property
    def name(self) -> str:
        """The lock's name."""
        return self._grant.name

    @property
    def fencing_token(self) -> int:
        """A number greater than that of every grant of this lock before it.

        Send it with each write to a store that is not DynamoDB, and let that store refuse a lower
        one than it has seen: https://martin.kleppmann.com/2016/02/08/how-to-do-distributed-locking.html
        """
        return self._grant.fence

    @property
    def owner(self) -> str:
        """Who holds it, as the record says to people."""
        return self._grant.owner

    @property
    def data(self) -> Any:
        """What was stored with the lock."""
        return self._data

    @property
    def lease(self) -> timedelta:
        """How long the lock stays held without a heartbeat."""
        return timedelta(seconds=self._grant.lease)

    @property
    def remaining(self) -> timedelta:
        """How long the lock is surely held if no heartbeat succeeds from now on; zero if it is not.

        Counted on this process's monotonic clock from before the last successful heartbeat.
        """
        self._grant.expired(now := self._clock())
        return self._grant.remaining(now)

    def ensure(self) -> None:
        """Return if the lock is held at this moment, else raise `LockLost` with the reason.

        It may be lost a moment later: what must not happen without the lock goes into a
        transaction with its `guard()`, or carries its `fencing_token`.
        """
        if self._grant.expired(self._clock()) or self._grant.closed:
            raise self._grant.error()

    def guard(self) -> Mapping[str, Any]:
        """Return the ConditionCheck by which a transaction commits only while the lock is held.

        `{"ConditionCheck": {...}}` in low-level form, as TransactWriteItems takes it;
        `Transaction.guard(lock)` adds it to a transaction of this library. The store decides, so
        it holds whatever this process believes, or does too late.
        """
        return record.guard(self._settings.table, self._grant.name, self._grant.fence)

    def __repr__(self) -> str:
        state = "held" if not self._grant.over else str(self._grant.loss or "released")
        return f"<Lock {self.name!r}, fencing token {self.fencing_token}, {state}>"
