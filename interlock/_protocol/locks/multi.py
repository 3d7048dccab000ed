"""Acquire several locks together, or any one of several permits.

Several locks are taken by one transaction: all or none, so that no client waits while holding. A
transaction does not say which fences it has given, so they are read after it, by the version that
it wrote; and what blocks it is waited for one lock at a time, without having any.

Each permit of a semaphore is a lock of its own, `lock#<name>#<number>`, and any will do. So a
permit has a lease, a fence and a guard like every lock, and a dead holder loses its permit only.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from interlock._protocol.faults import Fault, NoReply, NotSent, Refused
from interlock._protocol.locks.claim import ABANDONING, Claim
from interlock._protocol.locks.grant import Grant
from interlock._protocol.locks.item import LockItem, is_of, key_of, shows
from interlock._protocol.locks.observed import ObservedVersions
from interlock._protocol.locks.settings import GRACE, AcquireOptions, Settings
from interlock._protocol.requests import Call, Monotonic, NewId, Operation, WallClock, draw
from interlock.errors import CorruptRecord, InvalidValue

_log = logging.getLogger("interlock")

MOST_LOCKS = 100  # actions of a transaction
MOST_PERMITS = 100  # items of one BatchGetItem
_TIDYING = 1.0  # seconds for each permit that an attempt may have got beside the one granted
_CONDITION_FAILED = "ConditionalCheckFailed"
_UNPROCESSED = Refused("ProvisionedThroughputExceededException", "keys were left unprocessed")


class MultiAcquisition:
    """One acquisition of several locks."""

    def __init__(
        self, settings: Settings, options: Sequence[AcquireOptions], observed: ObservedVersions
    ) -> None:
        self._table = settings.table
        self._budget = settings.budget(grace=GRACE)
        self._claims = [Claim(settings, one, observed, self._budget) for one in options]
        self._seen: dict[int, LockItem] = {}
        self.granted: list[Grant] = []

    @property
    def contended(self) -> bool:
        """Whether any of the locks was held by another."""
        return any(claim.contended for claim in self._claims)

    @property
    def waited(self) -> float:
        """The seconds that it took."""
        return self._claims[0].waited

    @property
    def leftovers(self) -> bool:
        """Whether it may have been granted what it does not know of."""
        return any(claim.leftovers for claim in self._claims)

    def run(self) -> Operation[list[Grant]]:
        """Return the grants, in the order of the names; raises what `Acquisition.run` does.

        Two round trips if all are free: the transaction, and the reading of the fences.
        """
        now = yield Monotonic()
        for claim in self._claims:
            claim.begin(now)
        while True:
            version = yield from self._attempt()
            if version is not None:
                grants = yield from self._read(version)
                if grants is not None:
                    self.granted = grants
                    return grants
            yield from self._wait()

    def abandon(self) -> Operation[bool]:
        """Give back what an acquisition that failed may have been granted, now or later."""
        return (yield from _abandon(self._claims))

    def _attempt(self) -> Operation[str | None]:
        """Try to take all locks once; return the version they then have, None if they were not."""
        version, wall, sent = (yield NewId()), (yield WallClock()), (yield Monotonic())
        updates = [
            claim.request(version, wall, sent, self._seen.get(index))
            for index, claim in enumerate(self._claims)
        ]
        self._seen = {}
        items = [
            {"Update": {**update, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}}
            for update in updates
        ]
        params = {"TransactItems": items, "ClientRequestToken": version}
        try:
            yield Call("TransactWriteItems", params, self._claims[0].call_deadline(sent))
        except Refused as refusal:
            if any(shows(reason.item, version) for reason in refusal.reasons):
                return str(version)  # an earlier copy of this very call was carried out
            if not refusal.resent:
                self._withdraw(version)
            yield from self._refused(refusal)
            return None
        except Fault as fault:
            if isinstance(fault, NotSent):
                self._withdraw(version)
            yield from self._budget.after(fault)
            return None
        self._budget.answered()
        return str(version)

    def _refused(self, refusal: Refused) -> Operation[None]:
        """Note which locks are held by others; all else is tried again, or raised."""
        raced, blocked = None, False
        for index, reason in enumerate(refusal.reasons):
            if reason.code != _CONDITION_FAILED:
                continue
            blocked = True
            found = yield from self._claims[index].met(reason.item)
            if found is None:
                raced = index
            else:
                self._seen[index] = found
        if not blocked:
            yield from self._budget.after(refusal)
        elif raced is not None and not self._seen:
            yield from self._claims[raced].raced(refusal.reasons[raced].item)

    def _wait(self) -> Operation[None]:
        """Wait until each lock that was in the way is free, or may be taken over."""
        for index, seen in list(self._seen.items()):
            claim, item = self._claims[index], seen
            while not (yield from claim.takeable(item)):
                yield from claim.pause(item)
                found = yield from claim.look()
                if found is None:
                    del self._seen[index]
                    break
                self._seen[index] = item = found

    def _read(self, version: str) -> Operation[list[Grant] | None]:
        """Return the grants that were made under a version, None if they are over already."""
        gets = [
            {"Get": {"TableName": self._table, "Key": key_of(claim.name)}} for claim in self._claims
        ]
        while True:
            deadline = self._claims[0].call_deadline((yield Monotonic()))
            try:
                reply = yield Call("TransactGetItems", {"TransactItems": gets}, deadline)
                answers = reply.get("Responses", [])
                if len(answers) != len(gets):
                    raise NoReply("the answer is not about these locks")
            except Fault as fault:
                yield from self._budget.after(fault)
            else:
                break
        self._budget.answered()
        grants = []
        for claim, answer in zip(self._claims, answers, strict=True):
            item = answer.get("Item")
            if not (is_of(item, claim.name) and shows(item, version)):
                return None
            grant = yield from claim.granted(item, version)
            if grant is None:
                return None
            grants.append(grant)
        return grants

    def _withdraw(self, version: str) -> None:
        for claim in self._claims:
            claim.withdraw(version)


class PermitAcquisition:
    """One acquisition of any of a semaphore's permits."""

    def __init__(
        self, settings: Settings, options: AcquireOptions, permits: int, observed: ObservedVersions
    ) -> None:
        self._table = settings.table
        self._budget = settings.budget(grace=GRACE)
        self._observed = observed
        self._claims = [
            Claim(
                settings,
                replace(options, name=permit(options.name, number)),
                observed,
                self._budget,
            )
            for number in range(permits)
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

        Raises what `Acquisition.run` does.
        """
        self._began = yield Monotonic()
        for claim in self._claims:
            claim.begin(self._began)
        chosen = yield from self._any(range(len(self._claims)))
        seen: LockItem | None = None
        while True:
            grant = yield from self._attempt(chosen, seen)
            if grant is not None:
                self.granted = [grant]
                return grant
            yield from self._claims[0].raced(None)
            chosen, seen = yield from self._wait()

    def abandon(self) -> Operation[bool]:
        """Give back what an acquisition that failed may have been granted, now or later."""
        return (yield from _abandon(self._claims))

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
        if not (yield from _abandon(others, _TIDYING)):
            _log.warning("permits of %r may be left to end with their leases", claim.name)
        now = yield Monotonic()
        if now >= grant.until:  # it is not renewed before it is returned
            return None
        self.waited = now - self._began
        return grant

    def _any(self, numbers: Sequence[int]) -> Operation[int]:
        return numbers[int((yield from draw()) * len(numbers))]

    def _wait(self) -> Operation[tuple[int, LockItem | None]]:
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
        found = yield from self._read()
        items: dict[int, LockItem | None] = {}
        problem: CorruptRecord | None = None
        for number, claim in enumerate(self._claims):
            try:
                items[number] = yield from claim.met(found.get(key_of(claim.name)["pk"]["S"]))
            except CorruptRecord as error:
                problem = error
        if problem is not None and not items:
            raise problem
        return items

    def _read(self) -> Operation[dict[str, Mapping[str, Any]]]:
        keys = [key_of(claim.name) for claim in self._claims]
        found: dict[str, Mapping[str, Any]] = {}
        while keys:
            request = {self._table: {"Keys": keys, "ConsistentRead": True}}
            deadline = self._claims[0].call_deadline((yield Monotonic()))
            try:
                reply = yield Call("BatchGetItem", {"RequestItems": request}, deadline)
                if "Responses" not in reply:
                    raise NoReply("the answer is not about these permits")
            except Fault as fault:
                yield from self._budget.after(fault)
                continue
            # A table that was named by its ARN answers under its name.
            for items in reply["Responses"].values():
                found |= {item["pk"]["S"]: item for item in items}
            left = [group["Keys"] for group in reply.get("UnprocessedKeys", {}).values()]
            keys = left[0] if left else []
            if keys:
                yield from self._budget.after(_UNPROCESSED)
        self._budget.answered()
        return found


def permit(name: str, number: int) -> str:
    """Return the name of one permit's lock. No name of a lock has a '#' of its own."""
    return f"{name}#{number}"


def checked_permits(permits: int) -> int:
    """Return the number of permits, or raise `InvalidValue`."""
    valid = isinstance(permits, int) and not isinstance(permits, bool)
    if not valid or not 0 < permits <= MOST_PERMITS:
        raise InvalidValue("permits", f"{permits!r} is not an integer from 1 to {MOST_PERMITS}")
    return permits


def _abandon(claims: Sequence[Claim], seconds: float = ABANDONING) -> Operation[bool]:
    certain = True
    for claim in claims:
        certain = (yield from claim.abandon(seconds)) and certain
    return certain
