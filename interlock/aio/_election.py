"""Elect one leader among processes, awaitable."""

import inspect
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from interlock._protocol.locks.record import LockRecord
from interlock.aio._keeping import Lock
from interlock.errors import LossReason

if TYPE_CHECKING:
    from interlock.aio.locks import LockClient

_log = logging.getLogger("interlock")


class LeaderElection:
    """Elects one leader among the clients that campaign under a name; as the blocking one.

    The callbacks may be coroutine functions.
    """

    def __init__(
        self,
        locks: "LockClient",
        name: str,
        *,
        on_gain: Callable[[Lock], Awaitable[None] | None] | None = None,
        on_loss: Callable[[Lock, LossReason], Awaitable[None] | None] | None = None,
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
        return self._lock is not None and self._lock.remaining > timedelta()

    async def campaign(self, timeout: timedelta | None = None) -> Lock:  # noqa: ASYNC109
        """Wait until this client leads, and return the lock of its term.

        Returns at once while it leads already. Raises what `LockClient.acquire` does.
        """
        if self._lock is not None and self.leading:
            return self._lock
        lock = await self._locks.acquire(
            self._name, timeout=timeout, data=self._data, on_lost=self._lost
        )
        self._lock = lock
        if self._on_gain is not None:
            try:
                await _awaited(self._on_gain(lock))
            except BaseException:
                await self.resign()
                raise
        return lock

    async def resign(self) -> bool:
        """Give the lead up; return False if this client did not lead any more."""
        lock, self._lock = self._lock, None
        if lock is None or lock.lost.is_set():
            return False
        held = True
        try:
            held = await lock.release()
        finally:
            if held and self._on_loss is not None:
                await _awaited(self._on_loss(lock, LossReason.RELEASED))
        return held

    async def observe(self) -> LockRecord | None:
        """Return who leads, as the store knows it; None if nobody ever did."""
        return await self._locks.inspect(self._name)

    async def _lost(self, lock: Lock, reason: LossReason) -> None:
        if self._lock is lock:
            self._lock = None
        if self._on_loss is not None:
            await _awaited(self._on_loss(lock, reason))


async def _awaited(result: Awaitable[None] | None) -> None:
    if inspect.isawaitable(result):
        await result
