"""Carry calls over connections of the library's own."""

import os
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from interlock._drivers.blocking.connections import Pool, Socket, connect
from interlock._drivers.blocking.credentials import CredentialsCache
from interlock._drivers.lifecycle import watch_forks
from interlock._drivers.load import AT_ONCE
from interlock._drivers.service_clock import ServiceClock
from interlock._protocol.faults import NotSent, Refused
from interlock._protocol.requests import Call, CallOnce
from interlock._wire import limits
from interlock._wire.credentials import REJECTED
from interlock._wire.endpoints import Endpoint, resolve
from interlock._wire.exchange import SERVICES, Exchange
from interlock._wire.settings import Settings
from interlock._wire.skew import Skew

if TYPE_CHECKING:
    from interlock._drivers.tls import Trust


class WireTransport:
    """Sends each call once, over a kept connection, signed by the process's credentials.

    The environment is read at the first call. Safe to share between threads, and over a fork: a
    child has connections of its own. `connect` opens a socket to an endpoint within so many
    seconds, or raises `NotSent`.
    """

    at_once = AT_ONCE

    def __init__(
        self,
        service: str,
        *,
        environ: Mapping[str, str] | None = None,
        connect: Callable[[Endpoint, float], Socket] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._service = SERVICES[service]
        self._settings = Settings(os.environ if environ is None else environ)
        self._connect = connect or self._open
        self._monotonic = monotonic
        self._wall_clock = wall_clock
        self._skew = Skew()
        self.clock = ServiceClock()
        self._trust: Trust | None = None
        self._credentials = CredentialsCache(self._settings, self._connect, wall_clock=wall_clock)
        self._opened: tuple[Exchange, Pool] | None = None
        watch_forks(self)

    def send(self, call: Call, timeout: float | None) -> Mapping[str, Any]:
        """Return the reply to a call, or raise `Refused`, `NotSent` or `NoReply`.

        It takes `timeout` seconds in all at most, and not more than `limits.allowance`.
        """
        began = self._monotonic()

        def left(carried: int) -> float:
            most = limits.allowance(carried)
            total = most if timeout is None else min(timeout, most)
            return total - (self._monotonic() - began)

        exchange, pool = self._opened or self._ready()
        while True:
            credentials = self._credentials.get(left(0))
            signed_by, sent = self._skew.correction, self.clock.now()
            request = exchange.request(call, credentials, self._wall_clock() + signed_by)
            response = pool.exchange(request, left, once=isinstance(call, CallOnce))
            wall = self._wall_clock()
            date = self._skew.learn(response, wall)
            try:
                reply = exchange.reply(call, response)
            except Refused as refusal:
                self.clock.learn(date, wall, sent)
                if self._skew.explains(refusal, signed_by):
                    continue  # refused, so nothing was done: once more, by the service's clock
                if refusal.code in REJECTED:
                    self._credentials.rejected(credentials)
                raise
            self.clock.learn(date, wall, sent)
            return reply

    def close(self) -> None:
        """Close the connections that no call is using; another call opens new ones."""
        if self._opened is not None:
            self._opened[1].drop_idle()

    def forked(self) -> None:
        """Share nothing with the process that this one is a copy of."""
        if self._opened is not None:
            self._opened[1].forget()
        self._credentials.forget()
        self.clock.forget()

    def _ready(self) -> tuple[Exchange, Pool]:
        endpoint = resolve(self._service.name, self._settings)
        exchange = Exchange(self._service, endpoint, self._settings.environ)
        pool = Pool(partial(self._connect, endpoint), self._monotonic)
        # Of two threads here at once, both use the pool of one: nothing is left open.
        self._opened = self._opened or (exchange, pool)
        return self._opened

    def _open(self, endpoint: Endpoint, timeout: float) -> Socket:
        if not endpoint.tls:
            return connect(endpoint, timeout)
        if self._trust is None:
            from interlock._drivers.tls import Trust  # only for TLS

            self._trust = Trust(self._settings.get("AWS_CA_BUNDLE", "ca_bundle"), endpoint.host)
        trust, began = self._trust, self._monotonic()
        try:
            return connect(endpoint, timeout, trust.context)
        except NotSent as failure:
            if not trust.explains(failure):
                raise
        trust.widen()
        return connect(endpoint, timeout - (self._monotonic() - began), trust.context)
