"""Give back what a client holds, or may have been granted, whatever becomes of the caller."""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from interlock._drivers.awaitable.background import Background, Work
from interlock._drivers.awaitable.driver import Driver
from interlock._protocol.locks.acquire import Acquiring
from interlock._protocol.locks.client import LockOperations
from interlock._protocol.locks.grant import Grant
from interlock._protocol.locks.lease import RELEASING
from interlock._protocol.locks.together import LEFT

_log = logging.getLogger("interlock")


class GivingBack:
    """The releases of one client; `let_go` is called for each grant, however its release ends."""

    def __init__(
        self, operations: LockOperations, driver: Driver, let_go: Callable[[Grant], None]
    ) -> None:
        self.background = Background()
        self._operations = operations
        self._driver = driver
        self._let_go = let_go

    async def release(self, grant: Grant) -> bool:
        """Return whether a lock was still held; a caller that is gone leaves it to be done."""
        return await self.background.finish(partial(self._release, grant, RELEASING))

    async def release_all(self, grants: list[Grant]) -> list[Any]:
        """Return what `release` returns or raises for each; many are given back by one call."""
        return await self.background.finish(partial(self._release_all, grants))

    async def give_back(self, grant: Grant) -> None:
        """Give a lock back; a failure is logged."""
        await self._give_back(grant, RELEASING)

    def start(self, grant: Grant) -> None:
        """Give a lock back without waiting for it."""
        self.background.start(partial(self._give_back, grant, RELEASING))

    def undo(self, acquisition: Acquiring[Any]) -> Work | None:
        """Begin to give back what an acquisition was granted, or may have been, if anything."""
        if not (acquisition.granted or acquisition.leftovers):
            return None
        return self.background.start(partial(self._undo, acquisition))

    async def give_back_all(
        self, grants: list[Grant], clock: Callable[[], float], end: float
    ) -> None:
        """Give several locks back until a time; what is left ends with its lease."""

        async def give_back(grant: Grant) -> None:
            left = end - clock()
            if left > 0:
                await self._give_back(grant, min(RELEASING, left))
            else:
                _log.warning("lock %r is left to end with its lease", grant.name)
                self._let_go(grant)

        left = await self._left_by_batches(grants)
        await self.background.finish_all([partial(give_back, grant) for grant in left])

    async def _release_all(self, grants: list[Grant]) -> list[Any]:
        left = await self._left_by_batches(grants)
        took_time = any(grant.freed or grant.perhaps_freed for grant in grants)
        seconds = LEFT if took_time else RELEASING
        ended = await self.background.finish_all(
            [partial(self._release, grant, seconds) for grant in left]
        )
        results = dict(zip(left, ended, strict=True))
        return [results.get(grant, True) for grant in grants]

    async def _left_by_batches(self, grants: list[Grant]) -> list[Grant]:
        """Give back what batches do, and return the rest."""
        batches = self._operations.together.batches(grants)
        await self.background.finish_all([partial(self._free, batch) for batch in batches])
        for grant in grants:
            if grant.freed:
                self._let_go(grant)
        return [grant for grant in grants if not grant.freed]

    async def _free(self, batch: list[Grant]) -> None:
        await self._driver.run(self._operations.together.free(batch))

    async def _release(self, grant: Grant, seconds: float) -> bool:
        try:
            return await self._driver.run(self._operations.release(grant, seconds))
        finally:
            self._let_go(grant)

    async def _give_back(self, grant: Grant, seconds: float) -> None:
        try:
            await self._release(grant, seconds)
        except Exception as problem:  # noqa: BLE001 - one failure is not to keep the others held
            _log.warning("lock %r could not be given back: %s", grant.name, problem)

    async def _undo(self, acquisition: Acquiring[Any]) -> None:
        for grant in acquisition.granted:
            await self._give_back(grant, RELEASING)
        if acquisition.leftovers and not await self._driver.run(acquisition.abandon()):
            _log.warning("what an acquisition may have got ends with its lease")
