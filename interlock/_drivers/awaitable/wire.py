"""Carry calls over connections of the library's own."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from interlock._drivers.awaitable.connections import Pool, Stream, connect
from interlock._drivers.awaitable.credentials import CredentialsCache
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

    The environment is read at the first call. Safe to share between the tasks of a loop; another
    loop, and a forked child, have connections of their own. `connect` opens one to an endpoint
    within so many seconds, or raises `NotSent`.
    """

    at_once = AT_ONCE

    def __init__(
        self,
        service: str,
        *,
        environ: Mapping[str, str] | None = None,
        connect: Callable[[Endpoint, float], Awaitable[Stream]] | None = None,
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
        self._exchange: Exchange | None = None
        self._pools: dict[asyncio.AbstractEventLoop, Pool] = {}
        self._disowned: list[Pool] = []
        self._process = os.getpid()
        watch_forks(self)

    async def send(self, call: Call, timeout: float | None) -> Mapping[str, Any]:
        """Return the reply to a call, or raise `Refused`, `NotSent` or `NoReply`.

        It takes `timeout` seconds in all at most, and not more than `limits.allowance`.
        """
        began = self._monotonic()

        def left(carried: int) -> float:
            most = limits.allowance(carried)
            total = most if timeout is None else min(timeout, most)
            return total - (self._monotonic() - began)

        exchange = self._exchange or self._ready()
        pool = self._pools.get(asyncio.get_running_loop()) or self._pool(exchange)
        while True:
            credentials = await self._credentials.get(left(0))
            signed_by, sent = self._skew.correction, self.clock.now()
            request = exchange.request(call, credentials, self._wall_clock() + signed_by)
            response = await pool.exchange(request, left, once=isinstance(call, CallOnce))
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
        self._credentials.close()
        for loop, pool in list(self._pools.items()):
            if not loop.is_closed():
                loop.call_soon_threadsafe(pool.drop_idle)  # it may be another thread's

    def forked(self) -> None:
        """Share nothing with the process that this one is a copy of."""
        pools, self._pools = self._pools, {}
        for loop, pool in pools.items():
            if self._process != os.getpid():
                pool.disown()
                self._disowned.append(pool)  # its transports are not to be ended by this process
            elif not loop.is_closed():  # a restored snapshot, in which the loop goes on
                loop.call_soon_threadsafe(pool.drop_all)
        self._process = os.getpid()
        self._credentials.forget()
        self.clock.forget()

    def _ready(self) -> Exchange:
        endpoint = resolve(self._service.name, self._settings)
        self._exchange = exchange = Exchange(self._service, endpoint, self._settings.environ)
        return exchange

    def _pool(self, exchange: Exchange) -> Pool:
        for loop, ended in list(self._pools.items()):
            if loop.is_closed():
                ended.disown()
                del self._pools[loop]
        pool = Pool(partial(self._connect, exchange.endpoint), self._monotonic)
        self._pools[asyncio.get_running_loop()] = pool
        return pool

    async def _open(self, endpoint: Endpoint, timeout: float) -> Stream:
        if not endpoint.tls:
            return await connect(endpoint, timeout)
        if self._trust is None:
            from interlock._drivers.tls import Trust  # only for TLS

            self._trust = Trust(self._settings.get("AWS_CA_BUNDLE", "ca_bundle"), endpoint.host)
        trust, began = self._trust, self._monotonic()
        try:
            return await connect(endpoint, timeout, trust.context)
        except NotSent as failure:
            if not trust.explains(failure):
                raise
        trust.widen()
        return await connect(endpoint, timeout - (self._monotonic() - began), trust.context)
