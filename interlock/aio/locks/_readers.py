"""Let readers in together, and a writer alone."""

from datetime import timedelta
from functools import partial
from typing import Any, cast

from interlock._drivers.awaitable.acquiring import Acquiring
from interlock._drivers.awaitable.background import current
from interlock._protocol.locks.door import checked_readers
from interlock._protocol.locks.grant import Grant
from interlock._protocol.locks.settings import Cancel, checked_name
from interlock.aio.locks._held import AnyLockClient, HeldLocks, held_of
from interlock.aio.locks._lock import Lock, OnLost


class WriteLock(Lock):
    """The write side of a `ReadWriteLock` that is held; made by its `write`."""

    __slots__ = ("_keeper", "_readers")

    def __init__(
        self, held: HeldLocks, grant: Grant, data: Any, on_lost: OnLost | None, *, readers: int
    ) -> None:
        super().__init__(held, grant, data, on_lost)
        self._keeper = held
        self._readers = readers

    def downgrade(self, *, lease: timedelta | None = None, data: Any = None) -> Acquiring[Lock]:
        """Become a reader, and return the read side; no other writer is in between.

        Two round trips. The write side is given back; `lease` (default: its own) and `data` are the
        read side's. Raises `LockLost` if the write side was lost before; `Throttled`,
        `ServiceUnavailable`, `AccessDenied` or `RequestRefused`, with which it stays held.
        """
        return Acquiring(lambda: self._downgrade(lease, data))

    async def _downgrade(self, lease: timedelta | None, data: Any) -> Lock:
        self.ensure()
        grant = self._grant
        acquisition = self._keeper.operations.downgrade(
            grant, self._readers, lease=lease, data=data
        )
        try:
            (lock,) = await self._keeper.take(acquisition, data)
        finally:
            if grant.closed:
                self._keeper.released(grant)
        return lock


class ReadWriteLock:
    """Up to `readers` (1 to 100) readers at a time, or one writer, across all processes.

    A side that is held is a `Lock`: with a lease, heartbeats, a fencing token and `guard()`. A
    reader that was presumed dead cannot commit under its guard, nor a writer beside a reader. A
    writer that waits keeps new readers out, so it waits only for those that are in; readers may
    wait for as long as writers come one after the other.

    Every client passes the same number of `readers`, each of whom is a slot that a writer has to
    close. Raises `InvalidLockName` and `InvalidValue`. The name is no other lock's or semaphore's.
    """

    def __init__(self, locks: AnyLockClient, name: str, *, readers: int = 10) -> None:
        self._held = held_of(locks)
        self._name = checked_name(name)
        self._readers = checked_readers(readers)

    @property
    def name(self) -> str:
        """The lock's name."""
        return self._name

    @property
    def readers(self) -> int:
        """The number of readers that may be in at a time."""
        return self._readers

    def read(
        self,
        *,
        timeout: timedelta | None = None,
        lease: timedelta | None = None,
        data: Any = None,
        cancel: Cancel | None = None,
    ) -> Acquiring[Lock]:
        """Acquire the read side, waiting for it up to `timeout` (default: for ever).

        One round trip while most slots are free, and two more after a writer was in. Raises
        `ReadersMismatch`; `LockAlreadyHeld` for a thread or task that has a side of it already, as
        it might wait for itself; and what `LockClient.acquire` does. The holder that `LockTimeout`
        names is the writer, or a reader if all slots are taken.
        """
        return Acquiring(lambda: self._read(timeout, lease, data, cancel))

    def write(
        self,
        *,
        timeout: timedelta | None = None,
        lease: timedelta | None = None,
        data: Any = None,
        cancel: Cancel | None = None,
    ) -> Acquiring[WriteLock]:
        """Acquire the write side, waiting for it up to `timeout` (default: for ever).

        Three round trips while no other is in. New readers are kept out from the first one on, and
        let in again when it gives up. Raises `UpgradeRefused` for a thread or task that has the
        read side, `LockAlreadyHeld` for one that has the write side, and what `read` does.
        """
        return Acquiring(lambda: self._write(timeout, lease, data, cancel))

    async def _read(
        self,
        timeout: timedelta | None,
        lease: timedelta | None,
        data: Any,
        cancel: Cancel | None,
    ) -> Lock:
        acquisition = self._held.operations.read(
            self._name, self._readers, timeout=timeout, lease=lease, data=data, taker=current()
        )
        (lock,) = await self._held.take(acquisition, data, cancel=cancel)
        return lock

    async def _write(
        self,
        timeout: timedelta | None,
        lease: timedelta | None,
        data: Any,
        cancel: Cancel | None,
    ) -> WriteLock:
        acquisition = self._held.operations.write(
            self._name, self._readers, timeout=timeout, lease=lease, data=data, taker=current()
        )
        kind = partial(WriteLock, readers=self._readers)
        (lock,) = await self._held.take(acquisition, data, cancel=cancel, kind=kind)
        return cast("WriteLock", lock)
