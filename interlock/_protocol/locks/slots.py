"""A semaphore's permits: each is a lock of its own, `lock#<name>#<number>`, and any will do.

So a permit has a lease, a fence and a guard like every lock, and a holder that dies loses its
permit after its lease and nobody else's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from interlock._protocol.faults import Fault
from interlock._protocol.locks import record
from interlock._protocol.locks.acquiring import Acquisition
from interlock._protocol.locks.grant import Grant
from interlock._protocol.locks.settings import Settings, Wish
from interlock._protocol.locks.sightings import Sightings
from interlock._protocol.requests import Call, Monotonic, Operation, draw
from interlock.errors import InvalidValue

MOST = 100  # items of one BatchGetItem


def slot(name: str, number: int) -> str:
    """Return the name of one permit's lock. No name of a lock has a '#' of its own."""
    return f"{name}#{number}"


def checked_permits(permits: int) -> int:
    """Return the number of permits, or raise `InvalidValue`."""
    if not isinstance(permits, int) or isinstance(permits, bool) or not 0 < permits <= MOST:
        raise InvalidValue("permits", f"{permits!r} is not an integer from 1 to {MOST}")
    return permits


class SlotAcquisition:
    """One acquisition of any of a semaphore's permits. `contended`: all were held once."""

    def __init__(self, settings: Settings, wish: Wish, permits: int, sightings: Sightings) -> None:
        self._settings = settings
        self._sightings = sightings
        self._parts = [
            Acquisition(settings, replace(wish, name=slot(wish.name, number)), sightings)
            for number in range(permits)
        ]
        self._patience = self._parts[0].patience
        self._began = 0.0
        self.contended = False
        self.waited = 0.0

    def run(self) -> Operation[Grant]:
        """Return the grant of one permit. One round trip while most of them are free.

        Raises what `Acquisition.run` does.
        """
        self._began = yield Monotonic()
        for part in self._parts:
            part.begin(self._began)
            part.patience = self._patience
        chosen, seen = (yield from self._any(range(len(self._parts)))), None
        while True:
            grant, _ = yield from self._parts[chosen].attempt(seen)
            if grant is not None:
                yield from self._tidy(chosen)
                now = yield Monotonic()
                if now < grant.until:  # it is not renewed before it is returned
                    self.waited = now - self._began
                    return grant
            chosen, seen = yield from self._wait()

    def abandon(self) -> Operation[None]:
        """Give back what an acquisition that failed may have been granted."""
        for part in self._parts:
            yield from part.abandon()

    def _tidy(self, chosen: int) -> Operation[None]:
        """Give back the permits that earlier attempts may have got unseen."""
        for number, part in enumerate(self._parts):
            if number != chosen:
                yield from part.abandon()

    def _any(self, numbers: Sequence[int]) -> Operation[int]:
        return numbers[int((yield from draw()) * len(numbers))]

    def _wait(self) -> Operation[tuple[int, Mapping[str, Any] | None]]:
        """Wait until a permit is free or its holder dead; return it, with its record."""
        while True:
            items = yield from self._look()
            usable = []
            for number, item in items.items():
                if item is None or (yield from self._parts[number].takeable(item)):
                    usable.append(number)
            if usable:
                chosen = yield from self._any(usable)
                return chosen, items[chosen]
            self.contended = True
            first = min(items, key=self._dead_at(items).__getitem__)
            yield from self._parts[first].pause(items[first] or {})

    def _dead_at(self, items: Mapping[int, Mapping[str, Any] | None]) -> dict[int, float]:
        return {
            number: self._sightings.dead_at(
                self._parts[number].wish.name, record.version_of(item) or ""
            )
            for number, item in items.items()
        }

    def _look(self) -> Operation[dict[int, Mapping[str, Any] | None]]:
        """Read all permits; None for one that is free."""
        table = self._settings.table
        keys = [record.key_of(part.wish.name) for part in self._parts]
        found: dict[str, Mapping[str, Any]] = {}
        while keys:
            request = {table: {"Keys": keys, "ConsistentRead": True}}
            try:
                reply = yield Call("BatchGetItem", {"RequestItems": request})
            except Fault as fault:
                yield from self._patience.after(fault)
                continue
            self._patience.answered()
            found |= {item["pk"]["S"]: item for item in reply["Responses"].get(table, [])}
            keys = reply.get("UnprocessedKeys", {}).get(table, {}).get("Keys", [])
        items: dict[int, Mapping[str, Any] | None] = {}
        for number, part in enumerate(self._parts):
            key = record.key_of(part.wish.name)["pk"]["S"]
            items[number] = yield from part.met(found.get(key))
        return items
