"""Acquire several locks together.

Several locks are taken by one transaction: all or none, so that no client waits while holding. A
transaction does not say which fences it has given, so they are read after it, by the version that
it wrote; and what blocks it is waited for one lock at a time, without having any.
"""

from collections.abc import Sequence

from interlock._protocol.faults import Fault, NoReply, NotSent, Refused
from interlock._protocol.locks.claim import Claim, abandoned
from interlock._protocol.locks.grant import Grant
from interlock._protocol.locks.item import LockItem, is_of, key_of, shows
from interlock._protocol.locks.observed import ObservedVersions
from interlock._protocol.locks.settings import GRACE, AcquireOptions, Settings
from interlock._protocol.requests import Call, Monotonic, NewId, Operation, TimeOfDay

MOST_LOCKS = 100  # actions of a transaction
_CONDITION_FAILED = "ConditionalCheckFailed"


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
        return (yield from abandoned(self._claims))

    def _attempt(self) -> Operation[str | None]:
        """Try to take all locks once; return the version they then have, None if they were not."""
        version, time, sent = (yield NewId()), (yield TimeOfDay()), (yield Monotonic())
        updates = [
            claim.request(version, time, sent, self._seen.get(index))
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
