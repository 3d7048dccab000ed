"""Acquire any one of several permits.

Each permit of a semaphore is a lock of its own, `lock#<name>#<number>`, and any will do. So a
permit has a lease, a fence and a guard like every lock, and a dead holder loses its permit only.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from interlock._dataclasses import replace
from interlock._protocol.faults import Fault, NoReply, Refused
from interlock._protocol.kinds import written
from interlock._protocol.locks.agreed import Agreement, agree
from interlock._protocol.locks.claim import Claim, abandoned
from interlock._protocol.locks.grant import Grant
from interlock._protocol.locks.item import LockItem, key_of
from interlock._protocol.locks.observed import ObservedVersions
from interlock._protocol.locks.settings import GRACE, AcquireOptions, Settings
from interlock._protocol.requests import Call, Monotonic, Operation, draw
from interlock.errors import CorruptRecord, InvalidValue

_log = logging.getLogger("interlock")

MOST_PERMITS = 100  # items of one BatchGetItem
_TIDYING = 1.0  # seconds for each permit that an attempt may have got beside the one granted
_UNPROCESSED = Refused("ProvisionedThroughputExceededException", "keys were left unprocessed")


class PermitAcquisition:
    """One acquisition of any of a semaphore's permits."""

    def __init__(
        self,
        settings: Settings,
        options: AcquireOptions,
        agreement: Agreement,
        observed: ObservedVersions,
    ) -> None:
        self._settings = settings
        self._agreement = agreement
        self._budget = settings.budget(grace=GRACE)
        self._observed = observed
        self._claims = [
            self._claim(replace(options, name=permit(options.name, number)))
            for number in range(agreement.number)
        ]
        self._began = 0.0
        self.granted: list[Grant] = []
        self.contended = False
        self.waited = 0.0

    @property
    def leftovers(self) -> bool:
        """Whether it may have been granted what it does not know of."""
        return any(claim.leftovers for claim in self._claims)

    def run(self) -> Operation[Grant]:
        """Return the grant of one permit. One round trip while most of them are free.

        Raises what `Acquisition.run` and `agree` do.
        """
        self._began = yield Monotonic()
        for claim in self._claims:
            claim.begin(self._began)
        yield from self._prepare()
        chosen = yield from self._any(range(len(self._claims)))
        seen: LockItem | None = None
        while True:
            grant = yield from self._attempt(chosen, seen)
            if grant is not None:
                self.granted = [grant]
                return grant
            yield from self._claims[0].raced(None)
            chosen, seen = yield from self._wait(chosen)

    def abandon(self) -> Operation[bool]:
        """Give back what an acquisition that failed may have been granted, now or later."""
        return (yield from abandoned(self._claims))

    def _attempt(self, chosen: int, seen: LockItem | None) -> Operation[Grant | None]:
        """Try to take one permit; give back what earlier attempts may have got of the others."""
        claim = self._claims[chosen]
        try:
            grant, _ = yield from claim.attempt(seen)
        except CorruptRecord as problem:
            # The others are usable. What this attempt may have got is given back in the end.
            _log.warning("a permit is not usable: %s", problem)
            return None
        if grant is None:
            return None
        others = [other for other in self._claims if other is not claim]
        if not (yield from abandoned(others, _TIDYING)):
            _log.warning("permits of %r may be left to end with their leases", claim.name)
        now = yield Monotonic()
        if now >= grant.until:  # it is not renewed before it is returned
            return None
        self.waited = now - self._began
        return grant

    def _any(self, numbers: Sequence[int]) -> Operation[int]:
        return numbers[int((yield from draw()) * len(numbers))]

    def _claim(self, options: AcquireOptions) -> Claim:
        """Return what is to be known of one permit."""
        return Claim(self._settings, options, self._observed, self._budget)

    def _prepare(self) -> Operation[None]:
        """Do what comes before the first attempt: agree on how many permits there are."""
        yield from agree(self._settings, self._agreement, self._claims[0])

    def _wait(self, tried: int) -> Operation[tuple[int, LockItem | None]]:  # noqa: ARG002 - of use to readers
        """Wait until a permit is free or its holder dead; return it, with its record."""
        while True:
            items = yield from self._look()
            usable = []
            for number, item in items.items():
                if item is None or (yield from self._claims[number].takeable(item)):
                    usable.append(number)
            if usable:
                chosen = yield from self._any(usable)
                return chosen, items[chosen]
            self.contended = True
            _, first, item = min(
                (self._observed.expires_at(self._claims[number].name, item.version), number, item)
                for number, item in items.items()
                if item is not None
            )
            yield from self._claims[first].pause(item)

    def _look(self) -> Operation[dict[int, LockItem | None]]:
        """Read all permits, but those whose records are corrupt; None for one that is free."""
        found = yield from rows_of(self._settings.table, self._claims)
        items: dict[int, LockItem | None] = {}
        problem: CorruptRecord | None = None
        for number, claim in enumerate(self._claims):
            try:
                seen = yield from claim.met(found.get(key_of(claim.name)["pk"]["S"]))
                if seen is not None:
                    yield from claim.takeable(seen)  # raises what is wrong with its end
                items[number] = seen
            except CorruptRecord as error:
                problem = error
        if problem is not None and not items:
            raise problem
        return items


def rows_of(table: str, claims: Sequence[Claim]) -> Operation[dict[str, Mapping[str, Any]]]:
    """Return the items of several locks by their keys, as they are now."""
    keys = [key_of(claim.name) for claim in claims]
    budget = claims[0].budget
    found: dict[str, Mapping[str, Any]] = {}
    while keys:
        request = {table: {"Keys": keys, "ConsistentRead": True}}
        deadline = claims[0].call_deadline((yield Monotonic()))
        try:
            reply = yield Call("BatchGetItem", {"RequestItems": request}, deadline)
            if "Responses" not in reply:
                raise NoReply("the answer is not about these permits")
        except Fault as fault:
            yield from budget.after(fault)
            continue
        # A table that was named by its ARN answers under its name.
        for items in reply["Responses"].values():
            found |= {item["pk"]["S"]: item for item in items}
        left = [group["Keys"] for group in reply.get("UnprocessedKeys", {}).values()]
        keys = left[0] if left else []
        if keys:
            yield from budget.after(_UNPROCESSED)
    return found


def permit(name: str, number: int) -> str:
    """Return the name of one permit's lock. No name of a lock has a '#' of its own."""
    return f"{name}#{number}"


def checked_permits(permits: int) -> int:
    """Return the number of permits, or raise `InvalidValue`."""
    valid = isinstance(permits, int) and not isinstance(permits, bool)
    if not valid or not 0 < permits <= MOST_PERMITS:
        wanted = f"an integer from 1 to {MOST_PERMITS}"
        raise InvalidValue("permits", f"{written(permits)} is not {wanted}")
    return permits
