"""Acquire a lock in the order of arrival, over all processes. The protocol is in `queue`."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from interlock._protocol.faults import Fault, NoReply, NotSent, Refused
from interlock._protocol.locks import queue
from interlock._protocol.locks.acquire import Acquisition
from interlock._protocol.locks.claim import ABANDONING, ARRIVED, Claim, Sent
from interlock._protocol.locks.grant import Grant
from interlock._protocol.locks.item import Item, LockItem, is_of, parse
from interlock._protocol.locks.observed import ObservedVersions
from interlock._protocol.locks.reading import look
from interlock._protocol.locks.settings import GRACE, AcquireOptions, Settings
from interlock._protocol.locks.ticket import ACCEPTANCE, Ticket, identity_of, read
from interlock._protocol.requests import (
    Call,
    Monotonic,
    NewId,
    Operation,
    Time,
    WallClock,
    draw,
    monotonic,
    sleep,
)
from interlock._protocol.retry import RetryBudget
from interlock.errors import CorruptRecord, InterlockError, QueueFull


class FairClaim(Claim):
    """One acquisition's knowledge of one lock and its queue, and its own tickets in there.

    Its tickets count as attempts: they may become the record's version, and are given back as such.
    """

    def __init__(
        self,
        settings: Settings,
        options: AcquireOptions,
        observed: ObservedVersions,
        budget: RetryBudget,
    ) -> None:
        super().__init__(settings, options, observed, budget)
        self.row: LockItem | None = None  # as it was seen last
        self._sleeps = 0.0  # for how long the others know that this waiter may not look
        self._pace = queue.Pace(0.0)
        self._near: dict[str, float] = {}  # since when a ticket was seen near the front
        self._lying: tuple[Any, float] = (None, 0.0)  # what lies there for the first, since when

    def begin(self, now: float) -> None:
        """Let the time of the caller count from here."""
        super().begin(now)
        self._pace = queue.Pace(now)

    @property
    def granted_unseen(self) -> bool:
        """Whether the lock was this acquisition's own when it was seen last: as heir, or unseen."""
        return self.row is not None and self.row.version in self._unconfirmed

    @property
    def rank(self) -> int | None:
        """The place of its ticket in the queue, as it was seen last; None if it has none."""
        waiters = self.row.waiters if self.row is not None else ()
        return next((rank for rank, one in enumerate(waiters) if one in self._unconfirmed), None)

    def request(
        self, version: str, time: Time, sent: float, seen: LockItem | None
    ) -> dict[str, Any]:
        """Return the update that takes the lock: in its turn, or if there is no queue."""
        update = super().request(version, time, sent, seen)
        if self.granted_unseen:
            return queue.grant_to_heir(update)
        if self.rank == 0 and self.row is not None:
            return queue.grant_to_first(update, self.row.waiters[0])
        return queue.grant_without_queue(update)

    def met(self, item: Mapping[str, Any] | None) -> Operation[LockItem | None]:
        """Take note of a holder, and of the queue."""
        if not is_of(item, self.name):
            item = None
        now: float = yield Monotonic()
        self.row = None if item is None else parse(self.settings.table, item)
        if self.row is not None:
            self._pace.saw(self.row.fence, now)
            front = (*self.row.waiters[: queue.NEAR], self.row.version or "")
            self._near = {ticket: self._near.get(ticket, now) for ticket in front}
        return (yield from super().met(item))

    def granted(self, item: Mapping[str, Any], version: str) -> Operation[Grant | None]:
        """Return the grant that an item shows; no other ticket of this acquisition is left."""
        self.row = parse(self.settings.table, item)
        grant = yield from super().granted(item, version)
        if grant is None or self.rank is None:
            return grant
        yield from self.leave(GRACE)
        return None if (yield from monotonic()) >= grant.until else grant

    def void(self, seconds: float = ABANDONING) -> Operation[Item | None]:
        """Void the attempts and entries that may still be on their way; return the lock's item."""
        item = yield from super().void(seconds)
        if item:
            with suppress(CorruptRecord):  # leaving shows it, too
                self.row = parse(self.settings.table, item)
        return item

    def takeable(self, item: LockItem) -> Operation[bool]:
        """Return whether the holder, or the heir, is dead for certain."""
        heir = item.version or ""
        if read(heir) is not None and heir in self._near:
            now = yield from monotonic()
            named = self._observed.expires_at(self.name, heir) - item.lease
            if now >= max(named, self._awake(heir)) + ACCEPTANCE:
                return True
        return (yield from super().takeable(item))

    def enter(self, row: LockItem) -> Operation[None]:
        """Stand at the end of the queue; what came of it shows in `row`. Raises `QueueFull`."""
        if len(row.waiters) >= queue.MOST_WAITERS:
            wall = yield WallClock()
            raise QueueFull(self.name, queue.MOST_WAITERS, row.for_people(wall))
        wall, sent, unique = (yield WallClock()), (yield Monotonic()), (yield NewId())
        identity = identity_of(unique, self.options.holds)
        last = queue.last_place(len(row.waiters))
        self._sleeps = queue.longest_pause(last)
        ticket = Ticket(
            identity, int(wall * 1000), round(self._sleeps * 1000), self.options.owner
        ).text
        asked = max(int(wall * 1000), self._void_before)
        self._remember(ticket, Sent(sent, asked))
        call = queue.entry_call(
            self.settings.table,
            self.name,
            ticket=ticket,
            last=last,
            asked=asked,
            deadline=self.call_deadline(sent),
        )
        if (yield from self._changed(call, ticket)):
            self._unconfirmed[ticket] = Sent(sent, ARRIVED)

    def pass_over(self, row: LockItem) -> Operation[bool]:
        """Take out a dead first of the queue, for whom the lock lies; return False if it is none.

        What came of it shows in `row`.
        """
        first, now = row.waiters[0], (yield Monotonic())
        lying = (row.fence, row.version, first)
        if self._lying[0] != lying:
            self._lying = lying, now
        if now < max(self._lying[1], self._awake(first)) + ACCEPTANCE:
            return False
        yield from self._changed(
            queue.passing_call(
                self.settings.table,
                self.name,
                ticket=first,
                fence=row.fence,
                deadline=self.call_deadline(now),
            )
        )
        return True

    def rest(self, row: LockItem, rank: int) -> Operation[None]:
        """Let the time pass until the next look, of a waiter of this place."""
        now: float = yield Monotonic()
        lies = row.version is None or read(row.version) is not None
        pause = self._pace.pause(rank, len(row.waiters), now, lies=lies)
        # Of those who wait for long no two keep looking at the same time.
        pause *= 0.8 + 0.2 * (yield from draw())
        longest = min(self._sleeps or pause, self.budget.deadline - now)
        yield from sleep(max(0.0, min(pause, longest)))

    def leave(self, seconds: float) -> Operation[bool]:
        """Leave the queue; return whether it is certain that no ticket is in it."""
        budget = self.settings.budget()
        yield from budget.start(seconds)
        while (place := self.rank) is not None and self.row is not None:
            ticket = self.row.waiters[place]
            try:
                yield from self._out(ticket, place, budget.deadline)
            except CorruptRecord:
                return False
            except Fault as fault:
                try:
                    yield from budget.after(fault)
                except InterlockError:
                    return False
        return True

    def abandon(self, seconds: float = ABANDONING) -> Operation[bool]:
        """Leave the queue, and give back what may have been granted unseen, now or later."""
        left = yield from self.leave(seconds)
        if self._bound():
            if (yield from self.void(seconds)) is None:
                return False
            left = yield from self.leave(seconds)
        return (yield from super().abandon(seconds)) and left

    def _out(self, ticket: str, place: int, deadline: float) -> Operation[None]:
        """Take a ticket out of its place; whether it was there shows in `row`."""
        table = self.settings.table
        call = queue.leaving_call(table, self.name, ticket=ticket, place=place, deadline=deadline)
        try:
            item: Item | None = (yield call).get("Attributes")
        except Refused as refusal:
            if not refusal.condition_failed:
                raise
            # Without a record if it was deleted meanwhile, or if the store does not say it.
            item = refusal.item or (yield from look(table, self.name, deadline))
            if item is None:
                self.row = None
                return
        if item is None or not is_of(item, self.name):
            raise NoReply("the answer is not about this lock")
        self.row = parse(table, item)

    def _awake(self, ticket: str) -> float:
        """Return from when on the waiter with a ticket looks often, if it lives."""
        known = read(ticket)
        sleeps = 0.0 if known is None else known.sleeps / 1000
        return self._near.get(ticket, float("inf")) + sleeps

    def _changed(self, call: Call, ticket: str | None = None) -> Operation[bool]:
        """Make a change of the queue; return whether an answer shows a ticket in it."""
        try:
            item: Item | None = (yield call).get("Attributes")
            if not is_of(item, self.name):
                raise NoReply("the answer is not about this lock")
        except Refused as refusal:
            if not refusal.condition_failed:
                yield from self.budget.after(refusal)
            elif ticket is not None and not refusal.resent:
                self.withdraw(ticket)
            if not refusal.condition_failed or refusal.item is None:
                yield from self.look()
                return False
            item = refusal.item
        except Fault as fault:
            if ticket is not None and isinstance(fault, NotSent):
                self.withdraw(ticket)
            yield from self.budget.after(fault)
            yield from self.look()
            return False
        yield from self.met(item)
        return self.row is not None and ticket in self.row.waiters


class FairAcquisition(Acquisition):
    """One acquisition of one lock in its turn."""

    _claim: FairClaim

    def __init__(
        self, settings: Settings, options: AcquireOptions, observed: ObservedVersions
    ) -> None:
        super().__init__(settings, options, observed)
        self._claim = FairClaim(settings, options, observed, settings.budget(grace=GRACE))

    @property
    def waits(self) -> bool:
        """Whether it waits behind others of its client: never, as all have the one queue."""
        return False

    @property
    def place(self) -> float:
        """The place in the queue as it was seen last; less than that of all for the heir."""
        if self._claim.granted_unseen:
            return -1.0
        rank = self._claim.rank
        return float("inf") if rank is None else float(rank)

    def _wait(self, _seen: LockItem | None) -> Operation[LockItem | None]:
        """Wait until it is its turn; return the record of the dead holder, if it is one's."""
        claim = self._claim
        while (row := claim.row) is not None and not claim.granted_unseen:
            rank = claim.rank
            held = row.version is not None and not (yield from claim.takeable(row))
            holder = row if row.version is not None else None
            if not held and (rank == 0 or not row.waiters):
                return holder
            yield from claim.in_time(row)
            # A full queue for which the lock lies may be one of the dead: they are passed over.
            if rank is None and (held or len(row.waiters) < queue.MOST_WAITERS):
                yield from claim.enter(row)
            elif held or not (yield from claim.pass_over(row)):
                yield from claim.rest(row, queue.NEAR if rank is None else rank)
                yield from claim.look()
        return None
