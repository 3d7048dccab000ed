"""Acquire the read side of a lock: a slot while the door is open. The protocol is in `door`."""

import logging

from interlock._protocol.locks import lease as leases
from interlock._protocol.locks import record
from interlock._protocol.locks.claim import Claim, abandoned
from interlock._protocol.locks.door import Door, SlotClaim, is_free, mark_slot, pass_door
from interlock._protocol.locks.grant import Grant
from interlock._protocol.locks.item import LockItem
from interlock._protocol.locks.observed import ObservedVersions
from interlock._protocol.locks.permits import PermitAcquisition
from interlock._protocol.locks.settings import AcquireOptions, Settings
from interlock._protocol.locks.state import LossReason
from interlock._protocol.requests import Monotonic, Operation
from interlock.errors import InterlockError

_log = logging.getLogger("interlock")

DOWNGRADING = 5.0  # seconds that a slot is tried for
_TIDYING = 1.0  # seconds for what may have been granted unseen, which a writer would wait for


class ReadAcquisition(PermitAcquisition):
    """One acquisition of any of a lock's slots, as a reader."""

    def __init__(
        self, settings: Settings, options: AcquireOptions, observed: ObservedVersions, door: Door
    ) -> None:
        self._door = door
        self._slots: list[SlotClaim] = []
        super().__init__(settings, options, door.agreement, observed)
        self._writer = Claim(settings, options, observed, self._budget)

    def _claim(self, options: AcquireOptions) -> SlotClaim:
        slot = SlotClaim(self._settings, options, self._observed, self._budget, self._door)
        self._slots.append(slot)
        return slot

    def _prepare(self) -> Operation[None]:
        """Agree on the slots; and look at the door, if nothing is known of it."""
        self._writer.begin(self._began)
        yield from super()._prepare()
        if not self._door.known:
            yield from pass_door(self._settings, self._door, self._writer, None)

    def _wait(self, tried: int) -> Operation[tuple[int, LockItem | None]]:
        """Wait until the door is open and a slot is free, or its reader dead."""
        if not self._is_shut(tried):
            tried, seen = yield from super()._wait(tried)
            if not self._is_shut(tried):
                return tried, seen
        # The writer would wait for what may have been granted unseen.
        yield from abandoned(self._claims, _TIDYING)
        yield from self._open(self._slots[tried])
        return tried, None

    def _open(self, slot: SlotClaim) -> Operation[None]:
        """Wait until the writer that has closed a slot is over; give the slot a door at first."""
        free = is_free(self._settings.table, self._door.name)
        while slot.mark is not None or not (
            yield from mark_slot(self._settings, self._door, slot, free)
        ):
            writer = yield from pass_door(self._settings, self._door, self._writer, slot.mark)
            if writer is not None:
                self.contended = True
                yield from self._writer.pause(writer)
            elif slot.mark is not None:
                return

    def _is_shut(self, number: int) -> bool:
        """Return whether a slot's door is to be opened; a corrupt one is left for another slot."""
        slot = self._slots[number]
        return not slot.corrupt and self._door.keeps_out(slot.mark)


class Downgrade(ReadAcquisition):
    """One acquisition of a slot by the writer itself, which then gives the write side back.

    In this order, so that no other writer is in between: the slot is granted only if no later
    writer has closed it, and one that comes afterwards waits for it. The slot stays closed for all
    others until the write side is over.
    """

    def __init__(
        self,
        settings: Settings,
        options: AcquireOptions,
        observed: ObservedVersions,
        slots: int,
        writing: Grant,
    ) -> None:
        super().__init__(settings, options, observed, _closed_by(writing, slots))
        self._writing = writing

    def run(self) -> Operation[Grant]:
        """Return the grant of a slot, when the write side has been given back.

        Two round trips. Raises `LockLost` if the write side was lost, and what `Acquisition.run`
        does, with which it stays held.
        """
        grant = yield from super().run()
        if (yield from self._has_left()):
            return grant
        raise self._writing.error()

    def _prepare(self) -> Operation[None]:
        yield from ()

    def _wait(self, tried: int) -> Operation[tuple[int, LockItem | None]]:
        slot = self._slots[tried]
        if slot.mark is not None and self._is_shut(tried) and self._writing.loss is None:
            self._writing.loss = LossReason.TAKEN_OVER  # by the writer that has closed it since
        if self._writing.expired((yield Monotonic())) or self._writing.closed:
            raise self._writing.error()
        if slot.mark is None and not slot.corrupt:
            guard = record.guard(self._settings.table, self._writing.name, self._writing.fence)
            yield from mark_slot(self._settings, self._door, slot, guard)
            return tried, None
        return (yield from super(ReadAcquisition, self)._wait(tried))

    def _has_left(self) -> Operation[bool]:
        """Give the write side back; return False if it was lost."""
        now = yield Monotonic()
        if self._writing.expired(now) or self._writing.closed:
            return False
        try:
            return (yield from leases.release(self._settings, self._writing))
        except InterlockError as problem:
            # It is renewed no more, and lets no one in before it is over.
            _log.warning(
                "the write side of %r ends with its lease: %s", self._writing.name, problem
            )
            return True


def _closed_by(writing: Grant, slots: int) -> Door:
    """Return the door as the writer knows it that has closed every slot."""
    door = Door(writing.name, slots)
    door.over = writing.fence
    return door
