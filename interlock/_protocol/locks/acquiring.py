"""Take a lock: at once if it is free, else wait for its release or for the end of its holder.

    holder   grant v1 ......... heartbeat v2 ....... (dies)
    waiter        refused: v1    poll: v2            poll: v2     v2 unseen to change for a lease:
                  watch v1       watch v2 from here               take over, if it still is v2

The holder counts its lease from before it sent v2, the waiter from after it saw v2: whatever the
network did, the holder has stopped first. The update that takes over is refused if the holder was
only slow. No wall clock decides, unless `skew` says how far apart wall clocks may be.
"""

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Protocol, TypeVar

from interlock._protocol.faults import Fault, NotSent, Refused
from interlock._protocol.locks import record
from interlock._protocol.locks.grant import Grant, lease_end
from interlock._protocol.locks.patience import Patience
from interlock._protocol.locks.record import LockRecord
from interlock._protocol.locks.settings import Settings, Wish
from interlock._protocol.locks.sightings import Sightings
from interlock._protocol.requests import (
    Monotonic,
    NewId,
    Operation,
    WallClock,
    draw,
    monotonic,
    sleep,
    wall_clock,
)
from interlock.errors import LockTimeout

T_co = TypeVar("T_co", covariant=True)

_log = logging.getLogger("interlock")
# Most locks are free again in a moment: who has just begun to wait looks by trying to take it, and
# saves a round trip when it is. Who has waited for longer reads, at a fifth of the price.
_TRIES = 10
_MOST_DOUBTS = 50  # attempts remembered that may yet be carried out; IN takes 100 operands


class Taking(Protocol[T_co]):
    """An acquisition, of one lock or of several."""

    @property
    def contended(self) -> bool:
        """Whether it met another holder."""

    @property
    def waited(self) -> float:
        """The seconds that it took."""

    def run(self) -> Operation[T_co]:
        """Return what was granted."""

    def abandon(self) -> Operation[None]:
        """Give back what an acquisition that failed may have been granted. One try, no promise."""


class Acquisition:
    """One acquisition of one lock. `contended` says whether it met another holder."""

    def __init__(self, settings: Settings, wish: Wish, sightings: Sightings) -> None:
        self._settings = settings
        self.wish = wish
        self._sightings = sightings
        self.beat = settings.beat(wish.lease) if wish.heartbeats else float("inf")
        self.patience = Patience(settings.table)
        # Versions that we sent and that may be in the record, now or later.
        self.doubts: dict[str, float] = {}
        self._began = 0.0
        self._looks = 0
        self.contended = False
        self.waited = 0.0

    def run(self) -> Operation[Grant]:
        """Return the grant. One round trip if the lock is free.

        Raises `LockTimeout`; `TableNotFound`, `AccessDenied` or `RequestRefused` at once;
        `Throttled` or `ServiceUnavailable` when the store has not answered for too long.
        """
        self.begin((yield Monotonic()))
        item: Mapping[str, Any] | None = None
        while True:
            grant, item = yield from self.attempt(item)
            if grant is not None:
                return grant
            while item is not None and not (yield from self.takeable(item)):
                yield from self.pause(item)
                self._looks += 1
                item = (yield from self.look()) if self._looks > _TRIES else None

    def begin(self, now: float) -> None:
        """Let the time of the caller count from here."""
        self._began = now
        if self.wish.timeout is not None:
            self.patience.deadline = now + self.wish.timeout

    def abandon(self) -> Operation[None]:
        """Give back what an acquisition that failed may have been granted. One try, no promise."""
        if not self.doubts:
            return
        wall = yield from wall_clock()
        own = tuple(self.doubts)
        try:
            yield record.release_call(self._settings.table, self.wish.name, wall=wall, own=own)
        except Fault as fault:
            _log.debug("nothing to give back of lock %r: %s", self.wish.name, fault)

    def attempt(
        self, seen: Mapping[str, Any] | None
    ) -> Operation[tuple[Grant | None, Mapping[str, Any] | None]]:
        """Try to take the lock once: a grant, or the record that refused it, or neither."""
        version, wall, sent = (yield NewId()), (yield WallClock()), (yield Monotonic())
        update = self.update(version, wall, sent, seen)
        try:
            reply = yield record.grant_call(update)
        except Refused as refusal:
            if refusal.condition_failed and record.version_of(refusal.item) == version:
                # An earlier copy of this very call was carried out, and its reply lost.
                return (yield from self.granted(refusal.item, version)), None
            if not refusal.resent:
                del self.doubts[version]
            if not refusal.condition_failed:
                yield from self.patience.after(refusal)
                return None, None
            if refusal.item is None:  # a store that does not say what refused
                return None, (yield from self.look())
            return None, (yield from self.met(refusal.item))
        except Fault as fault:
            if isinstance(fault, NotSent):
                del self.doubts[version]
            yield from self.patience.after(fault)
            return None, None
        self.patience.answered()
        return (yield from self.granted(reply["Attributes"], version)), None

    def update(
        self, version: str, wall: float, sent: float, seen: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        """Return the update that takes the lock, from `seen` too, and expect it to be made."""
        wish = self.wish
        dead = record.version_of(seen) or self._sightings.dead(wish.name, sent)
        takeable = tuple(self.doubts) if dead is None else (dead, *self.doubts)
        self.doubt(version, sent)
        return record.grant_update(
            self._settings.table,
            wish.name,
            version=version,
            owner=wish.owner,
            lease=wish.lease,
            data=wish.data,
            wall=wall,
            takeable=takeable,
        )

    def granted(self, item: Mapping[str, Any] | None, version: str) -> Operation[Grant | None]:
        """Return the grant, unless its reply came so late that its lease is over."""
        wish, sent = self.wish, self.doubts[version]
        now = yield Monotonic()
        until = lease_end(sent, wish.lease)
        if item is None or now >= until:
            return None
        self._sightings.forget(wish.name)
        self.waited = now - self._began
        return Grant(
            wish.name,
            record.fence_of(item),
            version,
            wish.lease,
            self.beat,
            until,
            min(sent + self.beat, until),
            wish.owner,
        )

    def met(self, item: Mapping[str, Any] | None) -> Operation[Mapping[str, Any] | None]:
        """Take note of a holder; return its record, None if the lock is free."""
        self.patience.answered()
        version = record.version_of(item)
        if item is None or version is None:
            return None
        if version in self.doubts:  # our own grant, unanswered: the next attempt takes it over
            return None
        self.contended = True
        lease = record.lease_of(item) or self._settings.lease
        self._sightings.see(self.wish.name, version, lease, (yield from monotonic()))
        return item

    def look(self) -> Operation[Mapping[str, Any] | None]:
        """Read the record: cheaper than a write that is refused."""
        name = self.wish.name
        while True:
            try:
                reply = yield record.read_call(self._settings.table, name)
            except Fault as fault:
                yield from self.patience.after(fault)
            else:
                return (yield from self.met(reply.get("Item")))

    def takeable(self, item: Mapping[str, Any]) -> Operation[bool]:
        """Say whether the holder is dead for certain."""
        version = record.version_of(item) or ""
        now = yield from monotonic()
        if now >= self._sightings.dead_at(self.wish.name, version):
            return True
        skew, until = self._settings.skew, item.get("held_until")
        if skew is None or until is None:
            return False
        return bool((yield from wall_clock()) > int(until["N"]) / 1000 + skew)

    def pause(self, item: Mapping[str, Any]) -> Operation[None]:
        """Wait before the next look; raise `LockTimeout` if there is no time for one."""
        deadline = self.patience.deadline
        now = yield from monotonic()
        if now >= deadline:
            waited = timedelta(seconds=now - self._began)
            raise LockTimeout(self.wish.name, waited, LockRecord.of(item))
        version = record.version_of(item) or ""
        dead_at = self._sightings.dead_at(self.wish.name, version)
        spread = self._settings.poll * (0.5 + (yield from draw()))
        yield from sleep(max(0.0, min(spread, dead_at - now, deadline - now)))

    def doubt(self, version: str, sent: float) -> None:
        if len(self.doubts) >= _MOST_DOUBTS:
            del self.doubts[next(iter(self.doubts))]
        self.doubts[version] = sent
