"""Election of the instance that records the history, and of the one that stands by for it.

Two locks: only the holder of `service/standby` campaigns for `service/leader`, and gives the first
back once it leads. So an instance that comes to lead has watched the counters since it stood by,
and can record the ticks for which no instance led; all others do nothing.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import timedelta

from interlock.aio.locks import LeaderElection, Lock, LockClient, LockRecord
from interlock.metrics import Metric, Metrics
from server.store import Store

LEADER = "service/leader"
STANDBY = "service/standby"
_RESIGNING = 2.0  # seconds that an instance takes at most to give the lead back when it stops
_TELLING = 20.0
"""Seconds between two words of the leader that it leads; the alarm looks at whole minutes."""
_TOLD = frozenset(Metric) - {Metric.LOCK_WAIT_TIME, Metric.LOCK_HOLD_TIME}
_log = logging.getLogger("server.leader")


class _WithoutWaits:
    """Passes on what happens to locks, but not how long they were waited for, or held.

    An instance waits for the lead as long as another one leads, of which no alarm should hear.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def record(self, values: Mapping[Metric, float], dimensions: Mapping[str, str]) -> None:
        """Pass on what is of a loss."""
        kept = {metric: value for metric, value in values.items() if metric in _TOLD}
        if kept:
            self._metrics.record(kept, dimensions)


class Leader:
    """Stands by, leads, and stands by again when the lead was lost.

    `lease` is in seconds. `watch` is awaited while this instance stands by or leads, `duty` over
    and over while it leads; both pace themselves. `metrics` hears that this instance leads, and of
    locks that it takes or loses.
    """

    def __init__(
        self,
        store: Store,
        owner: str,
        lease: float,
        *,
        watch: Callable[[], Awaitable[None]],
        duty: Callable[[Lock], Awaitable[None]],
        metrics: Metrics | None = None,
    ) -> None:
        self._store = store
        self._owner = owner
        self._lease = lease
        self._watch = watch
        self._duty = duty
        self._metrics = metrics
        self._locks: LockClient | None = None
        self.lock: Lock | None = None
        """The lock of this term; None while another instance leads."""

    async def records(self) -> tuple[LockRecord | None, LockRecord | None]:
        """Return the leader's and the standby's record; each None if there never was one."""
        if self._locks is None:
            return None, None
        leader, standby = await asyncio.gather(
            self._locks.inspect(LEADER), self._locks.inspect(STANDBY)
        )
        return leader, standby

    async def run(self) -> None:
        """Run until cancelled; then resign, so that no instance waits for the lease to end."""
        self._locks = LockClient(
            self._store.table,
            client=self._store.client(),
            lease=timedelta(seconds=self._lease),
            poll=timedelta(seconds=self._lease / 20),
            owner=self._owner,
            metrics=_WithoutWaits(self._metrics) if self._metrics else None,
        )
        try:
            while True:
                try:
                    await self._serve(self._locks)
                except Exception:  # noqa: BLE001 - the loop outlives every failure of the table
                    _log.exception("the election failed; it goes on")
                    await asyncio.sleep(self._lease / 10)
        finally:
            try:
                async with asyncio.timeout(_RESIGNING):
                    await self._locks.close()
            except TimeoutError:
                _log.warning("the lead could not be given back; it ends with its lease")

    async def _serve(self, locks: LockClient) -> None:
        """Stand by, then lead, until one of the two is lost."""
        standby = await locks.acquire(STANDBY)
        watching = asyncio.create_task(self._keep_watching(), name="watch")
        try:
            lock = await self._campaign(LeaderElection(locks, LEADER), standby)
            if lock is not None:
                await standby.release()
                await self._lead(lock)
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching

    async def _campaign(self, election: LeaderElection, standby: Lock) -> Lock | None:
        """Return the lock of the lead, or None if another instance came to stand by meanwhile."""
        campaign = asyncio.create_task(election.campaign(), name="campaign")
        displaced = asyncio.create_task(standby.lost.wait(), name="displaced")
        try:
            await asyncio.wait({campaign, displaced}, return_when=asyncio.FIRST_COMPLETED)
            return campaign.result() if campaign.done() else None
        finally:
            for task in (campaign, displaced):
                task.cancel()

    async def _lead(self, lock: Lock) -> None:
        self.lock = lock
        _log.info("leading", extra={"fields": {"fence": lock.fencing_token}})
        duty = asyncio.create_task(self._keep_at(lock), name="duty")
        telling = asyncio.create_task(self._keep_telling(), name="telling")
        try:
            await lock.lost.wait()
        finally:
            duty.cancel()
            telling.cancel()
            _log.warning("leads no longer", extra={"fields": {"fence": lock.fencing_token}})
            self.lock = None

    async def _keep_at(self, lock: Lock) -> None:
        while True:
            try:
                await self._duty(lock)
            except Exception:  # noqa: BLE001 - the loop outlives every failure of the table
                _log.exception("the leader's duty failed; it goes on")
                await asyncio.sleep(1)

    async def _keep_telling(self) -> None:
        while self._metrics is not None:
            self._metrics.record({Metric.LEADING: 1}, {"Table": self._store.table})
            await asyncio.sleep(_TELLING)

    async def _keep_watching(self) -> None:
        while True:
            try:
                await self._watch()
            except Exception:  # noqa: BLE001 - the loop outlives every failure of the API
                _log.exception("the counters are not watched; it is tried again")
                await asyncio.sleep(1)
