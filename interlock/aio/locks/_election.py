"""Elect one leader among processes."""

from collections import deque
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

from interlock._drivers.awaitable.background import awaited
from interlock._drivers.awaitable.changes import Changes
from interlock._protocol.locks.settings import checked_name, seconds
from interlock._protocol.locks.state import LockRecord, LossReason
from interlock.aio.locks._lock import Lock, OnLost
from interlock.errors import LockTimeout

if TYPE_CHECKING:
    from interlock.aio.locks._client import LockClient

OnGain: TypeAlias = Callable[[Lock], Awaitable[None] | None]


class LeaderElection:
    """Elects one leader among the clients that campaign under a name, by a lock of that name.

    `on_gain(lock)` is called when this client begins to lead, before `campaign` returns;
    `on_loss(lock, reason)` is called once per term: by `resign` for its caller, otherwise on its
    own, where it may block and campaign again. An exception in `on_gain` ends the term and is
    raised by `campaign`. `data` is shown to observers.

    Two may believe that they lead for as long as one of them does not look (it was stopped, say):
    what only a leader may do goes into a transaction with `lock.guard()`.
    """

    def __init__(
        self,
        locks: "LockClient",
        name: str,
        *,
        on_gain: OnGain | None = None,
        on_loss: OnLost | None = None,
        data: Any = None,
    ) -> None:
        self._locks = locks
        self._clock = locks._held.clock  # noqa: SLF001 - of the same package
        self._name = checked_name(name)
        self._on_gain = on_gain
        self._on_loss = on_loss
        self._data = data
        self._lock: Lock | None = None
        self._turn = deque([True])  # empty while a thread or task campaigns
        self._changes = Changes()

    @property
    def lock(self) -> Lock | None:
        """The lock of this term, for its `guard()` and `fencing_token`; None when not leading."""
        lock = self._lock
        return lock if lock is not None and lock.remaining > timedelta() else None

    @property
    def leading(self) -> bool:
        """Whether this client leads at this moment, by its own clock."""
        return self.lock is not None

    async def campaign(self, timeout: timedelta | None = None) -> Lock:  # noqa: ASYNC109
        """Wait until this client leads, and return the lock of its term.

        Returns at once while it leads already; of several callers one campaigns for all. Raises
        what `LockClient.acquire` does.
        """
        began = self._clock()
        end = float("inf") if timeout is None else began + seconds("timeout", timeout)
        while (lock := self.lock) is None:
            try:
                self._turn.pop()
            except IndexError:
                await self._await_turn(began, end)
                continue
            try:
                return await self._campaign(None if timeout is None else end - self._clock())
            finally:
                self._turn.append(True)
                self._changes.notify()
        return lock

    async def resign(self) -> bool:
        """Give the lead up; return False if this client did not lead any more.

        Raises what `Lock.release` does.
        """
        lock, self._lock = self._lock, None
        if lock is None or lock.lost.is_set():
            return False
        held = True
        try:
            held = await lock.release()
        finally:
            if held and self._on_loss is not None:
                await awaited(self._on_loss(lock, LossReason.RELEASED))
        return held

    async def observe(self) -> LockRecord | None:
        """Return who leads, as the store knows it; None if no client ever did.

        Its `expired` says that the leader's lease is over by this machine's wall clock.
        """
        return await self._locks.inspect(self._name)

    async def _campaign(self, left: float | None) -> Lock:
        timeout = None if left is None else timedelta(seconds=max(0.0, left))
        lock = await self._locks.acquire(
            self._name, timeout=timeout, data=self._data, on_lost=self._lost
        )
        self._lock = lock
        if self._on_gain is not None:
            try:
                await awaited(self._on_gain(lock))
            except BaseException:
                await self.resign()
                raise
        return lock

    async def _await_turn(self, began: float, end: float) -> None:
        """Wait until another caller has campaigned, for this one too or in vain."""
        await self._changes.wait(
            lambda: bool(self._turn) or self.leading, max(0.0, end - self._clock())
        )
        if self._clock() >= end and not self.leading:
            waited = timedelta(seconds=self._clock() - began)
            free = LockRecord(self._name, held=False, fencing_token=0)
            raise LockTimeout(self._name, waited, await self.observe() or free)

    async def _lost(self, lock: Lock, reason: LossReason) -> None:
        if self._lock is lock:
            self._lock = None
        if self._on_loss is not None:
            await awaited(self._on_loss(lock, reason))
