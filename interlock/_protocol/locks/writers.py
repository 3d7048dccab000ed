"""Acquire the write side of a lock: the door first, then the readers out. See `door`."""

from collections.abc import Sequence
from contextlib import suppress

from interlock._dataclasses import replace
from interlock._protocol.faults import Fault, Refused
from interlock._protocol.locks import lease as leases
from interlock._protocol.locks.acquire import Acquisition
from interlock._protocol.locks.agreed import agree
from interlock._protocol.locks.door import Door, SlotClaim, close_call, end
from interlock._protocol.locks.grant import Grant
from interlock._protocol.locks.item import LockItem, key_of
from interlock._protocol.locks.observed import ObservedVersions
from interlock._protocol.locks.permits import permit, rows_of
from interlock._protocol.locks.settings import AcquireOptions, Settings
from interlock._protocol.requests import Monotonic, NewId, Operation, TimeOfDay, draw, sleep
from interlock.errors import CorruptRecord, InterlockError

_LEAVING = 1.0  # seconds that a door whose lease is over is tried to be given back
_CONDITION_FAILED = "ConditionalCheckFailed"


class WriteAcquisition(Acquisition):
    """One acquisition of a lock as its writer.

    Round trips while no reader is in: the writer's lock, the door of all slots, a look at them.
    """

    def __init__(
        self, settings: Settings, options: AcquireOptions, observed: ObservedVersions, door: Door
    ) -> None:
        super().__init__(settings, options, observed)
        self._settings = settings
        self._observed = observed
        self._door = door
        self._slots = [
            SlotClaim(
                settings,
                replace(options, name=permit(options.name, number)),
                observed,
                self._claim.budget,
                door,
            )
            for number in range(door.slots)
        ]
        self._waited = 0.0

    @property
    def contended(self) -> bool:
        """Whether it met another writer, or readers."""
        return super().contended or any(slot.contended for slot in self._slots)

    @property
    def waited(self) -> float:
        """The seconds that it took."""
        return self._waited

    def run(self) -> Operation[Grant]:
        """Return the grant of the writer's lock, when no reader is in.

        Raises what `Acquisition.run` does, and `ReadersMismatch`. Then the door may be closed: what
        is `granted` is to be given back.
        """
        now: float = yield Monotonic()
        began = self._began = now if self._began is None else self._began
        for claim in (self._claim, *self._slots):
            claim.begin(began)
        yield from agree(self._settings, self._door.agreement, self._claim)
        while True:
            grant: Grant = yield from super().run()
            if (yield from self._is_alone(grant)):
                self._waited = (yield Monotonic()) - began
                return grant
            # The lease ran out, or another client ended it.
            self.granted = []
            with suppress(InterlockError):
                yield from leases.release(self._settings, grant, _LEAVING)

    def _is_alone(self, grant: Grant) -> Operation[bool]:
        """Close the door and wait for the readers; return False if the writer's lock was lost."""
        left: Sequence[SlotClaim] = self._slots
        yield from self._close(grant, left)
        while left:
            inside, unmarked = yield from self._look(grant, left)
            left = [*unmarked, *inside]
            yield from self._close(grant, unmarked)
            if inside and not unmarked:
                yield from self._wait_for(grant, inside)
            if not (yield from self._is_held(grant)):
                return False
        return True

    def _close(self, grant: Grant, slots: Sequence[SlotClaim]) -> Operation[None]:
        """Close slots as far as it goes: by one transaction, or else one by one."""
        left, together = list(slots), True
        while left and (yield from self._is_held(grant)):
            named = left if together else left[:1]
            time, token, now = (yield TimeOfDay()), (yield NewId()), (yield Monotonic())
            deadline = self._claim.call_deadline(now)
            names = [slot.name for slot in named]
            try:
                yield close_call(
                    self._settings.table,
                    names,
                    grant.fence,
                    time=time,
                    token=token,
                    deadline=deadline,
                )
            except Refused as refusal:
                codes = {reason.code for reason in refusal.reasons}
                if refusal.condition_failed or _CONDITION_FAILED in codes:
                    return  # a later writer has closed it: the next look says so
                if len(named) > 1 and not refusal.throttled:
                    together = False  # readers come, go and commit all the time
                else:
                    yield from self._claim.budget.after(refusal)
            except Fault as fault:
                yield from self._claim.budget.after(fault)
            else:
                self._claim.budget.answered()
                left = left[len(named) :]

    def _look(
        self, grant: Grant, slots: Sequence[SlotClaim]
    ) -> Operation[tuple[dict[SlotClaim, LockItem], list[SlotClaim]]]:
        """Return the slots that have readers, with their records, and those that are not closed."""
        found = yield from rows_of(self._settings.table, slots)
        inside: dict[SlotClaim, LockItem] = {}
        unmarked = []
        for slot in slots:
            item = found.get(key_of(slot.name)["pk"]["S"])
            reader = yield from slot.met(item)
            if slot.mark is not None and slot.mark > grant.fence:
                yield from self._superseded(grant, slot)
            if slot.mark != grant.fence:
                unmarked.append(slot)
            elif reader is not None:
                inside[slot] = reader
        return inside, unmarked

    def _superseded(self, grant: Grant, slot: SlotClaim) -> Operation[None]:
        """Learn that this writer is over, as a later one has closed a slot; else raise."""
        yield from leases.renew(self._settings, grant)
        if grant.failures:
            yield from sleep(self._settings.poll * (yield from draw()))
        elif not grant.over:
            key = key_of(slot.name)["pk"]["S"]
            raise CorruptRecord(self._settings.table, key, "door", {"N": str(slot.mark)})

    def _wait_for(self, grant: Grant, inside: dict[SlotClaim, LockItem]) -> Operation[None]:
        """End the readers that are dead, or wait a little for the others; raise `LockTimeout`."""
        dead = False
        for slot, reader in inside.items():
            if (yield from slot.takeable(reader)):
                yield from end(self._settings, slot, reader)
                dead = True
        if dead:
            return
        expires, slot = min(
            ((self._observed.expires_at(s.name, r.version), s) for s, r in inside.items()),
            key=lambda one: one[0],
        )
        yield from slot.in_time(inside[slot])
        now: float = yield Monotonic()
        until = min(expires, grant.due, self._claim.budget.deadline)
        spread = self._settings.poll * (0.5 + (yield from draw()))
        yield from sleep(max(0.0, min(spread, until - now)))

    def _is_held(self, grant: Grant) -> Operation[bool]:
        """Return whether the writer's lock is held, renewed if that is due."""
        now: float = yield Monotonic()
        if now >= grant.due and not grant.over:
            yield from leases.renew(self._settings, grant)
            now = yield Monotonic()
        return not (grant.over or grant.expired(now))
