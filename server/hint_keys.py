"""The keys that members sign hints with: each hour's is made of a KMS key, by each for itself.

KMS makes the same MAC of the same words for all who may ask it (`kms:GenerateMac`), so that its MAC
is a key that all members have: no secret is configured, stored or sent, and one call an hour is all
that it costs. A key that leaks is worth nothing two hours later.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol

from server.beside import beside

HOUR = 3600
"""Seconds for which members sign with one key."""

_AGAIN = 30.0
_log = logging.getLogger("server.hint_keys")


class TokenMaker(Protocol):
    """As `interlock.aio.signing.Mac` is."""

    async def sign(self, claims: Mapping[str, Any]) -> str:
        """Return the claims with their MAC."""
        ...


class HintKeys:
    """The keys of the last hour, this one and the next.

    They are made ahead of time, in the background: nothing that arrives can cause a call of KMS.
    """

    def __init__(self, mac: TokenMaker, *, clock: Callable[[], float] = time.time) -> None:
        self._mac = mac
        self._clock = clock
        self._keys: dict[int, bytes] = {}

    @property
    def hour(self) -> int:
        """The hour of now."""
        return int(self._clock() // HOUR)

    def get(self, hour: int) -> bytes | None:
        """Return the key of an hour; None if it is none of the three, or not made yet."""
        return self._keys.get(hour)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the keys for as long as the context is open."""
        async with beside(self._keep(), "hint keys"):
            yield

    async def refresh(self) -> None:
        """Make the keys that are wanted now, and drop the others."""
        hour = self.hour
        for wanted in (hour, hour + 1, hour - 1):
            if wanted not in self._keys:
                token = await self._mac.sign({"purpose": "interlock hints", "hour": wanted})
                self._keys[wanted] = hashlib.sha256(token.encode()).digest()
        self._keys = {each: key for each, key in self._keys.items() if abs(each - hour) <= 1}

    async def _keep(self) -> None:
        while True:
            try:
                await self.refresh()
            except Exception:  # noqa: BLE001 - without a key pages look by themselves
                _log.exception("the key of hints could not be made; it is tried again")
            # Not until the hour ends: this process may be paused, or its clock be set.
            await asyncio.sleep(_AGAIN)
