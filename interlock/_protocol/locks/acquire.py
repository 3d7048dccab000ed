"""Acquire a lock: at once if it is free, else after its release or the end of its holder."""

from typing import Protocol, TypeVar

from interlock._protocol.locks.claim import Claim
from interlock._protocol.locks.grant import Grant
from interlock._protocol.locks.item import LockItem
from interlock._protocol.locks.observed import ObservedVersions
from interlock._protocol.locks.settings import GRACE, AcquireOptions, Settings
from interlock._protocol.requests import (
    Monotonic,
    Operation,
)

T_co = TypeVar("T_co", covariant=True)

# Most locks are free again in a moment: a waiter first looks by trying to take the lock, and saves
# a round trip when it is free. One that has waited for longer reads, at a fifth of the price.
_TRIES = 10


class Acquiring(Protocol[T_co]):
    """An acquisition: of one lock, of one of several permits, or of several locks."""

    @property
    def contended(self) -> bool:
        """Whether it met another holder."""

    @property
    def waited(self) -> float:
        """The seconds that it took."""

    @property
    def leftovers(self) -> bool:
        """Whether it may have been granted what it does not know of."""

    @property
    def granted(self) -> list[Grant]:
        """The grants, empty until there are any."""

    def run(self) -> Operation[T_co]:
        """Return what was granted."""

    def abandon(self) -> Operation[bool]:
        """Give back what an acquisition that failed may have been granted, now or later.

        Returns whether it is certain that nothing is left.
        """


class Acquisition:
    """One acquisition of one lock."""

    def __init__(
        self, settings: Settings, options: AcquireOptions, observed: ObservedVersions
    ) -> None:
        self._claim = Claim(settings, options, observed, settings.budget(grace=GRACE))
        self._looks = 0
        self._timeout = options.timeout
        self._began: float | None = None
        self.name = options.name
        self.queued = False
        self.granted: list[Grant] = []

    @property
    def waits(self) -> bool:
        """Whether it waits for a lock that another holds."""
        return self._timeout is None or self._timeout > 0

    @property
    def patient(self) -> bool:
        """Whether it waits for ever, if need be."""
        return self._timeout is None

    @property
    def contended(self) -> bool:
        """Whether it met another holder."""
        return self._claim.contended or self.queued

    @property
    def waited(self) -> float:
        """The seconds that it took."""
        return self._claim.waited

    @property
    def leftovers(self) -> bool:
        """Whether it may have been granted what it does not know of."""
        return self._claim.leftovers

    def run(self) -> Operation[Grant]:
        """Return the grant. One round trip if the lock is free.

        Raises `LockTimeout` and `CorruptRecord`; `TableNotFound`, `AccessDenied` or
        `RequestRefused` at once; `Throttled` or `ServiceUnavailable` when the store has not
        answered for too long.
        """
        now: float = yield Monotonic()
        self._claim.begin(now if self._began is None else self._began)
        seen: LockItem | None = None
        while True:
            grant, seen = yield from self._claim.attempt(seen)
            if grant is not None:
                self.granted = [grant]
                return grant
            seen = yield from self._wait(seen)

    def begin(self, now: float) -> float:
        """Let the caller's time count from now, before it runs; return when it is up."""
        self._began = now
        return float("inf") if self._timeout is None else now + self._timeout

    def abandon(self) -> Operation[bool]:
        """Give back what an acquisition that failed may have been granted, now or later."""
        return self._claim.abandon()

    def _wait(self, seen: LockItem | None) -> Operation[LockItem | None]:
        """Wait until the lock may be free or its holder is dead; return the dead one's record."""
        claim = self._claim
        while seen is not None and not (yield from claim.takeable(seen)):
            yield from claim.pause(seen)
            self._looks += 1
            seen = (yield from claim.look()) if self._looks > _TRIES else None
        return seen
