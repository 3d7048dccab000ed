"""Credentials at hand: fetched once, renewed ahead of their end on one thread."""

import logging
import threading
import time
from collections.abc import Callable
from functools import partial

from interlock._drivers.blocking.connections import Connection, Socket
from interlock._drivers.profile import botocore_source
from interlock._protocol.faults import Fault, NoReply, NotSent
from interlock._wire.credentials import Credentials, Fetch, Source, source_of
from interlock._wire.endpoints import Endpoint
from interlock._wire.http1 import Response
from interlock._wire.renewal import Kept
from interlock._wire.settings import Settings

_log = logging.getLogger("interlock")
_RENEWAL = 10.0  # seconds that a renewal ahead of time may take


class CredentialsCache:
    """The credentials of this process. Safe to share between threads.

    `connect` opens a socket to an endpoint within so many seconds, or raises `NotSent`.
    """

    def __init__(
        self,
        settings: Settings,
        connect: Callable[[Endpoint, float], Socket],
        *,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._connect = connect
        self._wall_clock = wall_clock
        self._fetch: Callable[[float], Credentials] | None = None
        self.forget()

    def forget(self) -> None:
        """Start from nothing, as a restored snapshot does, whose credentials are long over."""
        self._kept: Kept | None = None
        self._lock = threading.Lock()

    def get(self, timeout: float) -> Credentials:
        """Return credentials that are good now, within so many seconds.

        Raises `Refused` if there are none, `NotSent` if they could not be had this time.
        """
        kept, now = self._kept, self._wall_clock()
        if kept is None or not kept.good(now):
            return self._fetched(timeout)
        if kept.due(now):
            self._renew()
        return kept.credentials

    def rejected(self, credentials: Credentials) -> None:
        """Note that the service did not accept credentials: the next call fetches others."""
        kept = self._kept
        if kept is not None and kept.credentials is credentials:
            self._kept = None

    def _fetched(self, timeout: float) -> Credentials:
        end = time.monotonic() + timeout
        lock = self._lock
        if not lock.acquire(timeout=max(0.0, timeout)):
            raise NotSent(f"no credentials within {timeout:.1f} s: another call waits for them")
        try:
            kept, now = self._kept, self._wall_clock()
            if kept is not None and kept.good(now):
                return kept.credentials
            return self._new(end - time.monotonic())
        finally:
            lock.release()

    def _renew(self) -> None:
        try:
            threading.Thread(
                target=self._renew_now, name="interlock-credentials", daemon=True
            ).start()
        except RuntimeError:  # no thread can be had; the credentials are good for a while
            _log.warning("the credentials are not renewed yet: no thread can be started")

    def _renew_now(self) -> None:
        lock = self._lock
        if not lock.acquire(blocking=False):
            return
        try:
            self._new(_RENEWAL)
        except Fault as fault:
            _log.warning("the credentials could not be renewed yet, and are still good: %s", fault)
        finally:
            lock.release()

    def _new(self, timeout: float) -> Credentials:
        if self._fetch is None:
            self._fetch = self._chosen()
        credentials = self._fetch(timeout)
        self._kept = Kept.of(credentials, self._wall_clock())
        return credentials

    def _chosen(self) -> Callable[[float], Credentials]:
        source = source_of(self._settings)
        if source is None:
            ask = botocore_source(self._settings)
            return lambda _timeout: ask()
        return lambda timeout: self._run(source(), timeout)

    def _run(self, source: Source, timeout: float) -> Credentials:
        """Perform a source's fetches, all of them within so many seconds."""
        end = time.monotonic() + timeout
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
                response = self._perform(fetch, min(fetch.timeout, end - time.monotonic()))
                step = partial(source.send, response)
            except Fault as fault:
                step = partial(source.throw, fault)

    def _perform(self, fetch: Fetch, timeout: float) -> Response:
        end = time.monotonic() + timeout

        def left(_carried: int) -> float:
            return end - time.monotonic()

        if timeout <= 0:
            raise NoReply("the time for fetching credentials is up")
        connection = Connection(self._connect(fetch.endpoint, timeout), 0.0)
        try:
            return connection.exchange(fetch.encode(), left)
        finally:
            connection.close()
