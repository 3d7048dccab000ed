"""Hints among the instances: "something was changed, look now".

A hint is one UDP datagram, signed for one member, and is never trusted for more than a look at the
API, of which there are only so many a second. So it needs no answer, no connection and no time-out,
can neither delay a change nor fail it, and is not reachable by way of the load balancer, which
knows TCP alone. One that is lost costs the wait until the page looks by itself.
"""

import asyncio
import hmac
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, cast

from server.hint_keys import HintKeys
from server.members import Members

TELL_EVERY = 0.25
"""Seconds between two hints to a member, and between two looks that hints cause, at the least."""
FRESH = 60.0
"""Seconds, either way, by which a hint may be off this clock."""

_LARGEST = 512
_FORM = "interlock-hint-1"
_log = logging.getLogger("server.hints")


@dataclass(frozen=True, slots=True)
class Hint:
    """One hint: the names of two instances, and when it was sent, in milliseconds since 1970."""

    sender: str
    receiver: str
    hour: int
    sent: int

    def signed(self, key: bytes) -> bytes:
        """Return it as a datagram."""
        text = f"{_FORM} {self.hour} {self.sent} {self.sender} {self.receiver}".encode()
        return text + b" " + hmac.digest(key, text, "sha256").hex().encode()


def read(datagram: bytes, keys: HintKeys) -> Hint | None:
    """Return the hint in a datagram; None for what is none, or is not signed by a member."""
    text = datagram.rpartition(b" ")[0]
    try:
        form, hour, sent, sender, receiver = text.decode("ascii").split(" ")
        hint = Hint(sender, receiver, int(hour), int(sent))
    except ValueError:
        return None
    key = keys.get(hint.hour)
    if form != _FORM or key is None:
        return None
    genuine = hmac.compare_digest(datagram, hint.signed(key))
    return hint if genuine else None


class Hints(asyncio.DatagramProtocol):
    """Tells the other members of changes, and looks when they tell of theirs.

    `own` is this instance's name. `wall_clock` decides what is too old, `wait` paces.
    """

    def __init__(
        self,
        own: str,
        members: Members,
        keys: HintKeys,
        *,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._own = own
        self._members = members
        self._keys = keys
        self._clock = wall_clock
        self._changed, self._heard = asyncio.Event(), asyncio.Event()
        self._transport: asyncio.DatagramTransport | None = None

    def tell(self) -> None:
        """Have the other members look, soon. Never waits and never fails."""
        self._changed.set()

    @asynccontextmanager
    async def running(self, host: str, port: int, look: Callable[[], None]) -> AsyncIterator[None]:
        """Send hints, and call `look` for those that come to this address, while it is open."""
        loop = asyncio.get_running_loop()
        try:
            await loop.create_datagram_endpoint(lambda: self, local_addr=(host, port))
        except OSError as error:
            _log.error("no hints are sent or taken: %s", error)
            yield
            return
        tasks = [
            asyncio.create_task(_paced(self._changed, self._send), name="hints sent"),
            asyncio.create_task(_paced(self._heard, look), name="hints heard"),
        ]
        async with self._members.running(), self._keys.running():
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                if self._transport is not None:
                    self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the socket."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """Look, if this is a hint for this instance, signed by a member a moment ago."""
        hint = read(data, self._keys) if len(data) <= _LARGEST else None
        if hint is None or hint.receiver != self._own or not self._is_fresh(hint):
            _log.debug("not a hint", extra={"fields": {"from": str(addr)}})
            return
        self._heard.set()

    def error_received(self, exc: Exception) -> None:
        """Bear that a member is not there any more: Cloud Map will say so."""
        _log.debug("a hint was not taken: %s", exc)

    def _is_fresh(self, hint: Hint) -> bool:
        return abs(int(self._clock() * 1000) - hint.sent) <= FRESH * 1000

    def _send(self) -> None:
        hour, sent = self._keys.hour, int(self._clock() * 1000)
        key = self._keys.get(hour)
        if key is None or self._transport is None or self._transport.is_closing():
            return
        for member in self._members.others:
            datagram = Hint(self._own, member.name, hour, sent).signed(key)
            with suppress(OSError):
                self._transport.sendto(datagram, (member.address, member.port))


async def _paced(due: asyncio.Event, act: Callable[[], None]) -> None:
    """Act when it is due: at once, but not again for a while. What comes meanwhile is one."""
    while True:
        await due.wait()
        due.clear()
        try:
            act()
        except Exception:  # noqa: BLE001 - the loop outlives whatever it is
            _log.exception("hints go on after a failure")
        await asyncio.sleep(TELL_EVERY)
