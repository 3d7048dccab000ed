"""A lock that is held, as the application has it."""

import logging
import warnings
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Protocol, Self, TypeAlias

from interlock._drivers.unshared import Unshared
from interlock._protocol.locks import record
from interlock._protocol.locks.grant import Grant, Shown
from interlock._protocol.locks.settings import checked_data
from interlock._protocol.locks.state import LockBreak, LossReason
from interlock._protocol.requests import Time
from interlock.errors import InterlockError

_log = logging.getLogger("interlock")


class Lock(Unshared):
    """A lock that is held; made by `LockClient.acquire`. To be shared as its client is.

    As a context manager it gives the lock back at the end. If the body ended well although the
    lock had been lost before its end, `LockLost` is raised: what the body did may have happened
    under another holder too. The body's own exception is never replaced.

    Keep it: a lock whose `Lock` has been dropped is not renewed any more, which a
    `ResourceWarning` reports, and ends with its lease, or with its client.
    """

    __slots__ = ("__weakref__", "_data", "_grant", "_held", "_on_lost")
    _instead = "hand it on by export() and adopt()"

    def __init__(self, held: "Keeper", grant: Grant, data: Any, on_lost: "OnLost | None") -> None:
        self._held = held
        self._grant = grant
        self._data = data
        self._on_lost = on_lost

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
        """The holder, as the record shows it to people."""
        return self._grant.owner

    @property
    def data(self) -> Any:
        """The payload that is stored with the lock.

        What it is set to is shown to others from the next heartbeat on, at the latest; it costs no
        call of its own. Set to another value, not changed in place. Raises `InvalidValue`, and
        `LockLost` if the lock is not held any more.
        """
        return self._data

    @data.setter
    def data(self, data: Any) -> None:
        attribute = checked_data(data)
        self.ensure()
        self._data = data
        self._grant.shown = Shown(self._grant.shown.number + 1, attribute)

    @property
    def after_break(self) -> LockBreak | None:
        """The break (`LockClient.break_lock`) of the grant right before this one, if it was broken.

        Its holder may not know yet, and what it does without a guard may still come.
        """
        return self._grant.after_break

    @property
    def lease(self) -> timedelta:
        """The time that the lock stays held without a heartbeat."""
        return timedelta(seconds=self._grant.lease)

    @property
    def remaining(self) -> timedelta:
        """The time that the lock is certainly held if no heartbeat succeeds from now on.

        Zero if it is not. Counted on this process's monotonic clock from before the last successful
        heartbeat.
        """
        self._grant.expired(now := self._held.clock())
        return self._grant.remaining(now)

    @property
    def renewing(self) -> bool:
        """Whether a heartbeat is under way or due: a commit that is guarded by the lock waits.

        Both write to the lock's row. `Transaction.guard` sees to it; a TransactWriteItems of one's
        own, with `guard()`, may do so too.
        """
        return self._grant.renewing(self._held.clock())

    @property
    def lost(self) -> "Loss":
        """An event that is set when the lock is lost: `is_set()`, `wait(timeout)`."""
        return Loss(self._held, self._grant)

    def ensure(self) -> None:
        """Return if the lock is held at this moment, else raise `LockLost` with the reason.

        It may be lost a moment later: what must not happen without the lock goes into a
        transaction with its `guard()`, or carries its `fencing_token`.
        """
        if self._grant.expired(self._held.clock()) or self._grant.closed:
            raise self._grant.error()

    def guard(self) -> Mapping[str, Any]:
        """Return the ConditionCheck by which a transaction commits only while the lock is held.

        `{"ConditionCheck": {...}}` in low-level form, as TransactWriteItems takes it;
        `Transaction.guard(lock)` adds it to a transaction of this library. The store decides, so
        it holds even if this process is paused or wrong about its lease.
        """
        held, grant = self._held, self._grant
        return held.in_table(record.guard(held.table, grant.name, grant.fence))

    def release_action(self) -> Mapping[str, Any]:
        """Return the Update by which a transaction gives the lock back when it commits.

        `{"Update": {...}}` in low-level form, refused unless the lock is still held, as `guard()`
        is, which it replaces; `Transaction.release(lock)` adds it to a transaction of this library.
        When the transaction has committed, or may have, call `released()`, else `kept()`: until
        then no heartbeat that is refused is taken for a loss, as the commit may be the cause.
        """
        held, grant = self._held, self._grant
        grant.in_commit = True
        time = held.time_of_day()
        return held.in_table(record.release_action(held.table, grant.name, grant.fence, time=time))

    def released(self) -> None:
        """Note that a transaction with `release_action()` has committed; no heartbeat follows."""
        self._held.released(self._grant)

    def kept(self) -> None:
        """Note that no transaction with `release_action()` has committed or will."""
        self._grant.in_commit = False

    async def extend(self, lease: timedelta | None = None) -> None:
        """Renew the lock now: it is held for `lease` (default its own) from now on.

        That is its lease from then on, longer or shorter, also for its heartbeats if it has them;
        `max_hold` goes on. One round trip. Raises `LockLost`; `Throttled` or `ServiceUnavailable`
        (after 5 s), `AccessDenied`, `RequestRefused`, with which the lock stays held, for as long
        as `remaining` says; `LeaseTooShort`, `InvalidValue`.
        """
        await self._held.extend(self._grant, lease)

    async def release(self) -> bool:
        """Give the lock back; return False if it is certain that it had been lost before.

        One round trip. It never touches the lock of a successor. A second call does nothing, nor
        does one of a lock that its client has given back by `close()`, or that was exported: it
        returns True, unless it is certain that the lock had been lost before. Raises
        `Throttled`, `ServiceUnavailable` (after 5 s), `AccessDenied`, `RequestRefused`, and
        `CorruptRecord` if something else has spoilt the record; then no heartbeat follows either,
        and the lock ends with its lease. A caller that is cancelled or interrupted leaves the
        release to the background.
        """
        return await self._held.release(self._grant)

    def export(self) -> str:
        """Let go of the lock without giving it back, and return what another process adopts.

        No heartbeat follows: the receiver of the text has the rest of the lease for
        `LockClient.adopt`. The fence goes with the lock, so `guard` cannot distinguish the
        receiver's writes from this process's: after an export, write nothing under the lock.
        Raises `LockLost` if it is not held any more.
        """
        self.ensure()
        return self._held.export(self._grant)

    async def __aenter__(self) -> Self:
        self.ensure()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._grant.expired(self._held.clock())
        too_long = self._grant.loss is LossReason.HELD_TOO_LONG
        if self._grant.closed and not too_long:
            return
        try:
            held = await self.release()
        except InterlockError as problem:
            # What the body did was done under the lock, which now ends with its lease.
            _log.warning("lock %r could not be given back: %s", self.name, problem)
            return
        if (too_long or not held) and kind is None:
            raise self._grant.error()

    def __repr__(self) -> str:
        state = "held" if not self._grant.over else (self._grant.loss or LossReason.RELEASED).value
        return f"<Lock {self.name!r}, fencing token {self.fencing_token}, {state}>"

    def __del__(self) -> None:
        # Nothing here may wait for a mutex: this runs wherever the garbage collector does.
        grant = getattr(self, "_grant", None)
        if grant is None or grant.over or grant.reserved:
            return
        grant.loss, grant.loss_reported = LossReason.ABANDONED, True
        message = f"{self!r} was dropped without a release: it is not renewed any more"
        warnings.warn(message, ResourceWarning, stacklevel=2, source=self)


ON_LOST = "a function that takes the lock and a LossReason"
OnLost: TypeAlias = Callable[[Lock, LossReason], Awaitable[None] | None]


class LockSet(tuple[Lock, ...]):
    """Locks that were taken together, in the order of their names; gives all back at its end."""

    __slots__ = ()

    async def release(self) -> bool:
        """Give all back; return False if it is certain of one that it had been lost before.

        Tries each, whatever becomes of the others, and then raises the first error.
        """
        held, errors = await self._release()
        if errors:
            raise errors[0]
        return held

    def ensure(self) -> None:
        """Return if all are held at this moment, else raise `LockLost`."""
        for lock in self:
            lock.ensure()

    async def __aenter__(self) -> Self:
        self.ensure()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        held, errors = await self._release()
        for problem in errors:
            _log.warning("a lock of several could not be given back: %s", problem)
        if not held and kind is None:
            raise next(lock._grant.error() for lock in self if lock._grant.loss is not None)  # noqa: SLF001 - its own

    async def _release(self) -> tuple[bool, list[Exception]]:
        if not self:
            return True, []
        results = await self[0]._held.release_all([lock._grant for lock in self])  # noqa: SLF001 - its own
        errors = [result for result in results if isinstance(result, Exception)]
        lost = any(result is False for result in results)
        return not lost, errors


class Loss:
    """Whether a lock is lost, as an event that can be waited for."""

    __slots__ = ("_grant", "_held")

    def __init__(self, held: "Keeper", grant: Grant) -> None:
        self._held = held
        self._grant = grant

    def is_set(self) -> bool:
        """Return whether the lock is lost; true too if its lease ran out only now."""
        return self._grant.expired(self._held.clock())

    async def wait(self, timeout: timedelta | None = None) -> bool:
        """Wait until the lock is lost; return False if it was given back, or the time is up."""
        return await self._held.wait_for_loss(self._grant, timeout)


class Keeper(Protocol):
    """The keeper of a client's locks, as a `Lock` uses it; see `HeldLocks`."""

    table: str
    clock: Callable[[], float]
    time_of_day: Callable[[], Time]
    wall_clock: Callable[[], float]

    def in_table(self, action: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return an action of a transaction in the names of the client's table."""
        ...

    async def extend(self, grant: Grant, lease: timedelta | None) -> None:
        """Renew a lock now, for a lease from now on."""
        ...

    async def release(self, grant: Grant) -> bool:
        """Give a lock back; return whether it was still held, as far as can be known."""
        ...

    async def release_all(self, grants: Sequence[Grant]) -> list[Any]:
        """Give several locks back; return what `release` returns or raises for each."""
        ...

    def released(self, grant: Grant) -> None:
        """Note that a lock was given back by a transaction."""

    def export(self, grant: Grant) -> str:
        """End a grant here, and return what another client adopts."""
        ...

    async def wait_for_loss(self, grant: Grant, timeout: timedelta | None) -> bool:
        """Wait until a lock is over, or the time is up; return whether it is lost."""
        ...
