"""Elect one leader among processes."""

import logging
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeAlias

from interlock._drivers.awaitable.background import awaited, current
from interlock._drivers.awaitable.changes import Changes
from interlock._drivers.awaitable.functions import result_of
from interlock._protocol.durations import as_duration, patience
from interlock._protocol.kinds import checked_function, optional_function
from interlock._protocol.locks.settings import Cancel, checked_data, checked_name
from interlock._protocol.locks.state import LockRecord, LossReason
from interlock.aio.locks._held import AnyLockClient, held_of
from interlock.aio.locks._lock import ON_LOST, Lock, OnLost
from interlock.aio.locks._term import Lead, Stop, Term, checked_renew_deadline
from interlock.errors import (
    InterlockError,
    LockTimeout,
    LockWaitCancelled,
    ServiceUnavailable,
    Throttled,
    TooManyLocks,
    TransactionConflict,
)

OnGain: TypeAlias = Callable[[Lock], Awaitable[None] | None]

_log = logging.getLogger("interlock")
_PASSING = (ServiceUnavailable, Throttled, TooManyLocks, TransactionConflict)


class LeaderElection:
    """Elects one leader among the clients that campaign under a name, by a lock of that name.

    `run(lead)` leads for good: over and over, until `stop()`. `campaign` and `resign` are the same
    by hand.

    `on_gain(lock)` is called when this client begins to lead, before `campaign` returns;
    `on_loss(lock, reason)` is called once per term: by `resign` for its caller, otherwise on its
    own, where it may block and campaign again. An exception in `on_gain` ends the term and is
    raised by `campaign`. `data` is shown to observers.

    Two may believe that they lead for as long as one of them does not look (it was stopped, say):
    what only a leader may do goes into a transaction with `lock.guard()`.
    """

    def __init__(
        self,
        locks: AnyLockClient,
        name: str,
        *,
        on_gain: OnGain | None = None,
        on_loss: OnLost | None = None,
        data: Any = None,
    ) -> None:
        self._held = held_of(locks)
        self._clock = self._held.clock
        self._name = checked_name(name)
        self._on_gain = optional_function("on_gain", on_gain, "one that takes the lock")
        self._on_loss = optional_function("on_loss", on_loss, ON_LOST)
        checked_data(data)
        self._data = data
        self._lock: Lock | None = None
        self._turn = deque([True])  # empty while a thread or task campaigns
        self._changes = Changes()
        self._stop = Stop()

    @property
    def lock(self) -> Lock | None:
        """The lock of this term, for its `guard()` and `fencing_token`; None when not leading."""
        lock = self._lock
        return lock if lock is not None and lock.remaining > timedelta() else None

    @property
    def leading(self) -> bool:
        """Whether this client leads at this moment, by its own clock."""
        return self.lock is not None

    async def run(self, lead: Lead, *, renew_deadline: timedelta | None = None) -> None:
        """Campaign, call `lead(term)`, resign when it returns, campaign again; until `stop()`.

        `lead` leads as long as it does not return: it looks at `term.over`, or waits by
        `term.wait()`, and returns when the term is over. Another client may lead as soon as the
        lease is over, whether it has returned or not. `renew_deadline` (default two thirds of the
        lease; more than a heartbeat, less than the lease) is for how long heartbeats may go
        unanswered until the term is over: what is left of the lease is the time that `lead` has
        for its return.

        A store that does not answer is asked again. What `lead` raises ends the term and is raised;
        so are `AccessDenied`, `TableNotFound`, `RequestRefused`, `CorruptRecord`,
        `LockClientClosed`, and `InvalidValue` for a `renew_deadline` out of bounds.
        """
        checked_function("lead", lead, "one that takes a Term, and leads until it is over")
        deadline = checked_renew_deadline(self._held.operations.settings, renew_deadline)
        try:
            while not self._stop.is_set():
                try:
                    lock = await self._campaign_until(None, self._stop)
                except LockWaitCancelled:
                    return
                except _PASSING as problem:
                    _log.warning("campaigning for %r goes on: %s", self._name, problem)
                else:
                    await self._lead(lead, Term(self._held, lock, deadline, self._stop))
                # Those who have waited come first.
                poll = self._held.operations.settings.poll
                await self._held.wait(self._changes, self._stop.is_set, poll)
        except Exception:
            raise
        except BaseException:
            await self._leave()  # interrupted before its term, or after it, it has the lock still
            raise

    def stop(self) -> None:
        """Have `run` return, for good: the term is over, a campaign is given up.

        Call it from any thread for the blocking client, on its event loop for the awaitable one.
        """
        self._stop.set()
        self._changes.notify()
        self._held.notify()

    async def campaign(self, timeout: timedelta | None = None) -> Lock:
        """Wait until this client leads, and return the lock of its term.

        Returns at once while it leads already; of several callers one campaigns for all. Raises
        what `LockClient.acquire` does.
        """
        return await self._campaign_until(timeout, None)

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
        inspection = self._held.operations.inspect(self._name)
        record: LockRecord | None = await self._held.run(inspection)
        return record

    async def _lead(self, lead: Lead, term: Term) -> None:
        try:
            await result_of(lead(term))
        finally:
            await self._leave()

    async def _leave(self) -> None:
        """Give the lead up, if it has it; a failure is logged."""
        try:
            await self.resign()
        except InterlockError as problem:
            _log.warning("the lead of %r ends with its lease: %s", self._name, problem)

    async def _campaign_until(
        self,
        timeout: timedelta | None,
        cancel: Cancel | None,
    ) -> Lock:
        began = self._clock()
        end = float("inf") if timeout is None else began + patience(timeout)
        while (lock := self.lock) is None:
            try:
                self._turn.pop()
            except IndexError:
                await self._await_turn(began, end, cancel)
                continue
            try:
                try:
                    return await self._campaign(
                        None if timeout is None else end - self._clock(), cancel
                    )
                finally:
                    self._turn.append(True)
                    self._changes.notify()
            except Exception:
                raise  # by now another caller may lead
            except BaseException:
                await self._leave()  # no one would know that it leads
                raise
        return lock

    async def _campaign(self, left: float | None, cancel: Cancel | None) -> Lock:
        timeout = None if left is None else as_duration(max(0.0, left))
        acquisition = self._held.operations.campaign(
            self._name, timeout=timeout, data=self._data, taker=current()
        )
        (lock,) = await self._held.take(acquisition, self._data, self._lost, cancel)
        try:
            self._lock = lock
            if self._on_gain is not None:
                await awaited(self._on_gain(lock))
        except BaseException:
            await self.resign()
            raise
        return lock

    async def _await_turn(self, began: float, end: float, cancel: Cancel | None) -> None:
        """Wait until another caller has campaigned, for this one too or in vain."""
        # Without a time-out it is for what others do, whatever a test's clock shows.
        wait = Changes.wait if end == float("inf") else self._held.wait
        await wait(
            self._changes,
            lambda: bool(self._turn) or self.leading or (cancel is not None and cancel.is_set()),
            max(0.0, end - self._clock()),
        )
        if cancel is not None and cancel.is_set():
            raise LockWaitCancelled
        if self._clock() >= end and not self.leading:
            waited = timedelta(seconds=self._clock() - began)
            free = LockRecord(self._name, held=False, fencing_token=0)
            raise LockTimeout(self._name, waited, await self.observe() or free)

    async def _lost(self, lock: Lock, reason: LossReason) -> None:
        if self._lock is lock:
            self._lock = None
        if self._on_loss is not None:
            await awaited(self._on_loss(lock, reason))
