"""Credentials at hand: fetched once, renewed ahead of their end by one task."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial

from interlock._drivers.awaitable.connections import Stream
from interlock._drivers.profile import botocore_source
from interlock._protocol.faults import Fault, NoReply, NotSent
from interlock._wire.credentials import Credentials, Fetch, Source, source_of
from interlock._wire.endpoints import Endpoint
from interlock._wire.http1 import Response
from interlock._wire.renewal import Kept
from interlock._wire.settings import Settings

_log = logging.getLogger("interlock")
_RENEWAL = 10.0  # seconds that a fetch may take, however long its waiters wait


class CredentialsCache:
    """The credentials of this process, for the tasks of one loop at a time.

    `connect` opens a connection to an endpoint within so many seconds, or raises `NotSent`.
    """

    def __init__(
        self,
        settings: Settings,
        connect: Callable[[Endpoint, float], Awaitable[Stream]],
        *,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._connect = connect
        self._wall_clock = wall_clock
        self._fetch: Callable[[], Awaitable[Credentials]] | None = None
        self.forget()

    def forget(self) -> None:
        """Start from nothing, as a restored snapshot does, whose credentials are long over."""
        self._kept: Kept | None = None
        self._task: asyncio.Task[Credentials] | None = None

    async def get(self, timeout: float) -> Credentials:
        """Return credentials that are good now, within so many seconds.

        Raises `Refused` if there are none, `NotSent` if they could not be had this time.
        """
        kept, now = self._kept, self._wall_clock()
        if kept is None or not kept.good(now):
            return await self._fetched(timeout)
        if kept.due(now):
            self._fetching().add_done_callback(_report)
        return kept.credentials

    def rejected(self, credentials: Credentials) -> None:
        """Note that the service did not accept credentials: the next call fetches others."""
        kept = self._kept
        if kept is not None and kept.credentials is credentials:
            self._kept = None

    def close(self) -> None:
        """End a fetch that is under way."""
        if self._task is not None and not self._task.get_loop().is_closed():
            self._task.get_loop().call_soon_threadsafe(self._task.cancel)

    async def _fetched(self, timeout: float) -> Credentials:
        task = self._fetching()
        # All who wait share one fetch, which goes on if one of them is cancelled.
        done, _ = await asyncio.wait({task}, timeout=max(0.0, timeout))
        if not done:
            raise NotSent(f"no credentials within {timeout:.1f} s")
        if task.cancelled():
            raise NotSent("the fetch of credentials was cancelled")
        return task.result()

    def _fetching(self) -> asyncio.Task[Credentials]:
        loop = asyncio.get_running_loop()
        task = self._task
        if task is None or task.done() or task.get_loop() is not loop:
            self._task = task = loop.create_task(self._new(), name="interlock-credentials")
            task.add_done_callback(_retrieve)
        return task

    async def _new(self) -> Credentials:
        if self._fetch is None:
            self._fetch = self._chosen()
        credentials = await self._fetch()
        self._kept = Kept.of(credentials, self._wall_clock())
        return credentials

    def _chosen(self) -> Callable[[], Awaitable[Credentials]]:
        source = source_of(self._settings)
        if source is None:
            ask = botocore_source(self._settings)
            return lambda: asyncio.to_thread(ask)
        return lambda: self._run(source())

    async def _run(self, source: Source) -> Credentials:
        """Perform a source's fetches, all of them within a fixed time."""
        end = time.monotonic() + _RENEWAL
        step: Callable[[], Fetch] = partial(next, source)
        while True:
            try:
                fetch = step()
            except StopIteration as found:
                credentials: Credentials = found.value
                return credentials
            except NoReply as failure:
                raise NotSent(f"no credentials at present: {failure}") from failure
            try:
                response = await self._perform(fetch, min(fetch.timeout, end - time.monotonic()))
                step = partial(source.send, response)
            except Fault as fault:
                step = partial(source.throw, fault)

    async def _perform(self, fetch: Fetch, timeout: float) -> Response:
        end = time.monotonic() + timeout

        def left(_carried: int) -> float:
            return end - time.monotonic()

        if timeout <= 0:
            raise NoReply("the time for fetching credentials is up")
        stream = await self._connect(fetch.endpoint, timeout)
        try:
            return await stream.exchange(fetch.encode(), left)
        finally:
            stream.close()


def _retrieve(task: asyncio.Task[Credentials]) -> None:
    """Take the result, so that asyncio does not complain if all who waited for it have left."""
    if not task.cancelled():
        task.exception()


def _report(task: asyncio.Task[Credentials]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.warning("the credentials could not be renewed yet, and are still good: %s", error)
