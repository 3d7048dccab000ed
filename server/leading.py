"""Who leads the group: the lock `service/leader`, held by the instance that samples the history."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from interlock._protocol.locks.record import guard, key_of
from interlock.aio.locks import LeaderElection, Lock, LockClient
from server.store import Store

NAME = "service/leader"
LOCK: str = key_of(NAME)["pk"]["S"]
_RESIGNING = 2.0  # seconds that an instance takes at most to give the lead back when it stops
_log = logging.getLogger("server.leading")


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One time of leading: its fencing token, and since when (epoch seconds, to be shown)."""

    table: str
    fence: int
    since: float = field(default_factory=time.time)

    def guard(self) -> dict[str, Any]:
        """Return the ConditionCheck that fails once another term has begun or this one ended."""
        check: dict[str, Any] = guard(self.table, NAME, self.fence)["ConditionCheck"]
        return check


class Leading:
    """Campaigns, leads, and campaigns again when the lead was lost.

    `lease` is in seconds. `duty` is awaited over and over while this instance leads; it paces
    itself.
    """

    def __init__(
        self,
        store: Store,
        owner: str,
        lease: float,
        duty: Callable[[Term], Awaitable[None]],
    ) -> None:
        self._store = store
        self._owner = owner
        self._lease = lease
        self._duty = duty
        self.term: Term | None = None

    async def run(self) -> None:
        """Run until cancelled; then resign, so that nobody waits out the lease."""
        locks = LockClient(
            self._store.table,
            client=self._store.client(),
            lease=timedelta(seconds=self._lease),
            poll=timedelta(seconds=self._lease / 20),
            owner=self._owner,
        )
        election = LeaderElection(locks, NAME)
        try:
            while True:
                try:
                    await self._lead(await election.campaign())
                except Exception:  # noqa: BLE001 - whatever it is, the loop outlives it
                    _log.exception("the election failed; it goes on")
                    await asyncio.sleep(self._lease / 10)
        finally:
            try:
                async with asyncio.timeout(_RESIGNING):
                    await locks.close()
            except TimeoutError:
                _log.warning("the lead could not be given back; it ends with its lease")

    async def _lead(self, lock: Lock) -> None:
        self.term = Term(table=self._store.table, fence=lock.fencing_token)
        _log.info("leading", extra={"fields": {"fence": self.term.fence}})
        duty = asyncio.create_task(self._keep_at(self.term), name="duty")
        try:
            await lock.lost.wait()
        finally:
            duty.cancel()
            _log.warning("leads no longer", extra={"fields": {"fence": self.term.fence}})
            self.term = None

    async def _keep_at(self, term: Term) -> None:
        while True:
            try:
                await self._duty(term)
            except Exception:  # noqa: BLE001 - whatever it is, the loop outlives it
                _log.exception("the leader's duty failed; it goes on")
                await asyncio.sleep(1)
