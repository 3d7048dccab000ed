"""The knowledge that one acquisition has of one lock: its attempts, and the holder in the way."""

import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from interlock._protocol.faults import Fault, NoReply, NotSent, Refused
from interlock._protocol.locks import record
from interlock._protocol.locks.grant import Grant, lease_end
from interlock._protocol.locks.item import Item, LockItem, is_of, key_of, parse, shows, version_of
from interlock._protocol.locks.observed import ObservedVersions
from interlock._protocol.locks.settings import GRACE, AcquireOptions, Settings
from interlock._protocol.locks.ticket import first_of
from interlock._protocol.requests import (
    Monotonic,
    NewId,
    Operation,
    Time,
    TimeOfDay,
    draw,
    monotonic,
    sleep,
    time_of_day,
    wall_clock,
)
from interlock._protocol.retry import RetryBudget
from interlock.errors import InterlockError, LockTimeout

_log = logging.getLogger("interlock")

_MOST_UNCONFIRMED = 50  # attempts remembered that may yet be carried out; IN takes 100 operands
_RACES = 2  # times that a lock was free and then was not, before the deadline counts and it pauses
ARRIVED = -1
ABANDONING = 5.0  # seconds that giving back is tried


class Sent(NamedTuple):
    """An attempt: when it was sent, on the monotonic clock, and its `:asked`.

    `ARRIVED` in the place of that says that it has been carried out, so none is on its way.
    """

    at: float
    asked: int


class Claim:
    """One acquisition's knowledge of one lock: its own attempts, and the holder in the way."""

    def __init__(
        self,
        settings: Settings,
        options: AcquireOptions,
        observed: ObservedVersions,
        budget: RetryBudget,
    ) -> None:
        self.options = options
        self.name = options.name
        self.budget = budget
        self.contended = False
        self.waited = 0.0
        self.settings = settings
        self._observed = observed
        self._heartbeat_interval = (
            settings.heartbeat_interval(options.lease) if options.heartbeats else float("inf")
        )
        # A job's first lease is longer than those that its heartbeats bring.
        if options.at_least is not None:
            self._heartbeat_interval = settings.heartbeat_interval(settings.lease)
        # The attempts that may be in the record, now or later, by their versions.
        self._unconfirmed: dict[str, Sent] = {}
        self._void_before = 0  # the bound in the record, as far as it was seen
        self._void = 0  # what voids all attempts that are not remembered any more
        self._began = 0.0
        self._races = 0

    @property
    def leftovers(self) -> bool:
        """Whether an attempt may have been, or may yet be, carried out unseen."""
        return bool(self._unconfirmed) or self._void > 0

    def call_deadline(self, sent: float) -> float | None:
        """Until when a call that is sent then is waited for; None leaves it to the driver.

        The last look begins when the caller's time is up, and has a moment of its own.
        """
        deadline = self.budget.deadline
        if deadline == float("inf"):
            return None
        return min(max(deadline, sent + GRACE), deadline + GRACE)

    def begin(self, now: float) -> None:
        """Let the time of the caller count from here."""
        self._began = now
        if self.options.timeout is not None:
            self.budget.deadline = now + self.options.timeout

    def request(
        self, version: str, time: Time, sent: float, seen: LockItem | None
    ) -> dict[str, Any]:
        """Return the update that takes the lock, from `seen` too, and expect it to be made."""
        options = self.options
        seen_version = seen.version if seen is not None else None
        dead = seen_version or self._observed.expired(self.name, sent)
        own = tuple(self._unconfirmed)
        asked = max(int(time.wall * 1000), self._void_before)
        self._remember(version, Sent(sent, asked))
        return record.grant_update(
            self.settings.table,
            self.name,
            version=version,
            owner=options.owner,
            lease=options.lease,
            data=options.data,
            time=time,
            asked=asked,
            takeable=own if dead is None else (dead, *own),
            election=options.election,
        )

    def withdraw(self, version: str) -> None:
        """Forget an attempt that was certainly not carried out, and will not be."""
        self._unconfirmed.pop(version, None)

    def granted(self, item: Mapping[str, Any], version: str) -> Operation[Grant | None]:
        """Return the grant that an item shows, None if its lease is over already, or about to be.

        Of other attempts that may be on their way none can be carried out from now on.
        """
        options, sent = self.options, self._unconfirmed[version]
        self._unconfirmed[version] = Sent(sent.at, ARRIVED)
        found = parse(self.settings.table, item)
        void = self._bound()
        if void and (yield from self.void(GRACE)) is not None:
            void = 0
        now = yield Monotonic()
        ends = sent.at + options.max_hold
        until = min(lease_end(sent.at, options.lease), ends)
        if now + (options.at_least or 0.0) >= until:
            return None
        self._observed.forget(self.name)
        self.waited = now - self._began
        return Grant(
            self.name,
            found.fence,
            version,
            options.lease,
            self._heartbeat_interval,
            until,
            min(sent.at + self._heartbeat_interval, until),
            options.owner,
            void_before=void,
            after_break=found.last_break if found.follows_break else None,
            ends=ends,
            stays=None if options.at_least is None else float("-inf"),
            heir=found.waiters[0] if found.waiters else None,
        )

    def met(self, item: Mapping[str, Any] | None) -> Operation[LockItem | None]:
        """Take note of a holder; return its record, None if the lock is free or our own.

        Raises `CorruptRecord`.
        """
        self.budget.answered()
        if item is None:
            return None
        found = parse(self.settings.table, item)
        self._void_before = max(self._void_before, found.void_before)
        if found.version is None:
            return None
        if found.version in self._unconfirmed:  # granted, unanswered: the next attempt takes it
            return None
        self.contended = True
        now = yield from monotonic()
        self._observed.observe(self.name, found.version, found.lease, now)
        return found

    def look(self) -> Operation[LockItem | None]:
        """Read the record: cheaper than a write that is refused."""
        return (yield from self.met((yield from self.read())))

    def read(self) -> Operation[Item | None]:
        """Return the lock's item as it is now."""
        while True:
            try:
                deadline = self.call_deadline((yield Monotonic()))
                reply = yield record.read_call(self.settings.table, self.name, deadline)
                item = reply.get("Item")
                if item is not None and not is_of(item, self.name):
                    raise NoReply("the answer is not about this lock")
            except Fault as fault:
                yield from self.budget.after(fault)
            else:
                return None if item is None else dict(item)

    def takeable(self, item: LockItem) -> Operation[bool]:
        """Return whether the holder is dead for certain."""
        now = yield from monotonic()
        if now >= self._observed.expires_at(self.name, item.version):
            return True
        skew, until = self.settings.skew, item.held_until
        if skew is None or until is None:
            return False
        return bool((yield from wall_clock()) > until + skew)

    def pause(self, item: LockItem) -> Operation[None]:
        """Wait before the next look; raise `LockTimeout` if there is no time for one."""
        yield from self.in_time(item)
        now, deadline = (yield from monotonic()), self.budget.deadline
        expires = self._observed.expires_at(self.name, item.version)
        spread = self.settings.poll * (0.5 + (yield from draw()))
        yield from sleep(max(0.0, min(spread, expires - now, deadline - now)))

    def in_time(self, item: LockItem) -> Operation[None]:
        """Raise `LockTimeout` if the time of the caller is up."""
        now = yield from monotonic()
        if now >= self.budget.deadline:
            waited = timedelta(seconds=now - self._began)
            wall = yield from wall_clock()
            raise LockTimeout(self.name, waited, item.for_people(wall))

    def raced(self, item: Mapping[str, Any] | None) -> Operation[None]:
        """Go on after an attempt at a lock that was free just now, and then was not.

        Once or twice at once; then only in time, and after a pause.
        """
        self._races += 1
        if self._races <= _RACES:
            return
        free = item if item is not None else key_of(self.name)
        yield from self.in_time(parse(self.settings.table, free))
        yield from sleep(self.settings.poll * 0.1 * (yield from draw()))

    def attempt(self, seen: LockItem | None) -> Operation[tuple[Grant | None, LockItem | None]]:
        """Try to take a lock once: a grant, or the record that refused it, or neither."""
        version, time, sent = (yield NewId()), (yield TimeOfDay()), (yield Monotonic())
        update = self.request(version, time, sent, seen)
        try:
            reply = yield record.grant_call(update, self.call_deadline(sent))
            item = reply.get("Attributes")
            if not (is_of(item, self.name) and shows(item, version)):
                raise NoReply("the answer does not show the grant that was asked for")
        except Refused as refusal:
            if refusal.condition_failed and shows(refusal.item, version):
                # An earlier copy of this very call was carried out, and its reply lost.
                return (yield from self.granted(refusal.item or {}, version)), None
            if not refusal.resent:
                self.withdraw(version)
            return None, (yield from self._refused(refusal))
        except Fault as fault:
            if isinstance(fault, NotSent):
                self.withdraw(version)
            yield from self.budget.after(fault)
            return None, None
        self.budget.answered()
        return (yield from self.granted(item, version)), None

    def void(self, seconds: float = ABANDONING) -> Operation[Item | None]:
        """Void the attempts that may still be on their way; return the lock's item.

        Tries for so many seconds, and then returns None.
        """
        table, budget = self.settings.table, self.settings.budget()
        yield from budget.start(seconds)
        while True:
            time = yield from time_of_day()
            call = record.void_call(
                table, self.name, time=time, void_before=self._bound(), deadline=budget.deadline
            )
            try:
                reply = yield call
                item: Item = reply.get("Attributes", {})
                if not is_of(item, self.name):
                    raise NoReply("the answer is not about this lock")
            except Refused as refusal:
                if refusal.condition_failed:  # by a later bound
                    return refusal.item or {}
                fault: Fault = refusal
            except Fault as problem:
                fault = problem
            else:
                return item
            try:
                yield from budget.after(fault)
            except InterlockError as error:
                _log.warning("requests for lock %r may still be on their way: %s", self.name, error)
                return None

    def abandon(self, seconds: float = ABANDONING) -> Operation[bool]:
        """Give back what may have been granted unseen, now or later.

        Tries for so many seconds, and returns whether it is certain that nothing is left.
        """
        if not self.leftovers:
            return True
        if self._bound():
            item = yield from self.void(seconds)
            if item is None:
                return False
            # Where the store does not say what refused, it may be a version of ours.
            if item and version_of(item) not in self._unconfirmed:
                return True
        return (yield from self._give_back(seconds))

    def _give_back(self, seconds: float) -> Operation[bool]:
        """Free the lock if it has a version of ours; return whether it certainly has none."""
        own, time = tuple(self._unconfirmed), (yield from time_of_day())
        budget, heir = self.settings.budget(), None
        yield from budget.start(seconds)
        while True:
            call = record.release_call(
                self.settings.table,
                self.name,
                time=time,
                own=own,
                deadline=budget.deadline,
                heir=heir,
            )
            try:
                yield call
            except Fault as fault:
                if isinstance(fault, Refused) and fault.condition_failed:
                    first = first_of(fault.item)
                    if version_of(fault.item) in own and first != heir:
                        heir = first
                        continue
                    return True
                try:
                    yield from budget.after(fault)
                except InterlockError:
                    return False
            else:
                return True

    def _refused(self, refusal: Refused) -> Operation[LockItem | None]:
        """Return the record that refused an attempt, None if the next one may be made at once."""
        if not refusal.condition_failed:
            if refusal.code == "ValidationException":
                yield from self.look()  # raises what is wrong with an item that takes no update
            yield from self.budget.after(refusal)
            return None
        # A store that does not say what refused is asked.
        if refusal.item is None:
            found = yield from self.look()
        else:
            found = yield from self.met(refusal.item)
        if found is None:
            yield from self.raced(refusal.item)
        return found

    def _bound(self) -> int:
        """Return the `void_before` that voids every attempt on its way, 0 if there is none."""
        asked = max((sent.asked for sent in self._unconfirmed.values()), default=ARRIVED)
        return max(self._void, asked + 1)

    def _remember(self, version: str, sent: Sent) -> None:
        if len(self._unconfirmed) >= _MOST_UNCONFIRMED:
            oldest = next(iter(self._unconfirmed))
            self._void = max(self._void, self._unconfirmed.pop(oldest).asked + 1)
        self._unconfirmed[version] = sent


def abandoned(claims: Sequence[Claim], seconds: float = ABANDONING) -> Operation[bool]:
    """Give back what may have been granted unseen; return whether nothing is left for certain."""
    certain = True
    for claim in claims:
        certain = (yield from claim.abandon(seconds)) and certain
    return certain
