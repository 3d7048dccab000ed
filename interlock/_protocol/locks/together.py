"""Take several locks by one transaction: all of them or none, so that nobody waits while holding.

A transaction does not say which fences it has given, so they are read after it, by the version that
it wrote; and what blocks it is waited for one lock at a time, without having any.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from interlock._protocol.faults import Fault, NotSent, Refused
from interlock._protocol.locks import record
from interlock._protocol.locks.acquiring import Acquisition
from interlock._protocol.locks.grant import Grant
from interlock._protocol.locks.settings import Settings, Wish
from interlock._protocol.locks.sightings import Sightings
from interlock._protocol.requests import Call, Monotonic, NewId, Operation, WallClock
from interlock.errors import InvalidValue

MOST = 100  # actions of a transaction
_CONDITION_FAILED = "ConditionalCheckFailed"


class JointAcquisition:
    """One acquisition of several locks. `contended` says whether it met another holder."""

    def __init__(self, settings: Settings, wishes: Sequence[Wish], sightings: Sightings) -> None:
        names = {wish.name for wish in wishes}
        if not 0 < len(wishes) <= MOST or len(names) < len(wishes):
            raise InvalidValue("names", f"{len(wishes)} names are not 1 to {MOST} different ones")
        self._table = settings.table
        self._parts = [Acquisition(settings, wish, sightings) for wish in wishes]
        self._patience = self._parts[0].patience
        self._seen: dict[int, Mapping[str, Any]] = {}

    @property
    def contended(self) -> bool:
        """Whether any of the locks was held by another."""
        return any(part.contended for part in self._parts)

    @property
    def waited(self) -> float:
        """The seconds that it took."""
        return self._parts[0].waited

    def run(self) -> Operation[list[Grant]]:
        """Return the grants, in the order of the wishes; raises what `Acquisition.run` does.

        Two round trips if all are free: the transaction, and the reading of the fences.
        """
        now = yield Monotonic()
        for part in self._parts:
            part.begin(now)
            part.patience = self._patience
        while True:
            version = yield from self._attempt()
            if version is not None:
                grants = yield from self._read(version)
                if grants is not None:
                    return grants
            yield from self._wait()

    def abandon(self) -> Operation[None]:
        """Give back what an acquisition that failed may have been granted."""
        for part in self._parts:
            yield from part.abandon()

    def _attempt(self) -> Operation[str | None]:
        """Try to take all locks once; return the version they then have, None if they were not."""
        version, wall, sent = (yield NewId()), (yield WallClock()), (yield Monotonic())
        updates = [
            part.update(version, wall, sent, self._seen.get(index))
            for index, part in enumerate(self._parts)
        ]
        self._seen = {}
        items = [
            {"Update": {**update, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}}
            for update in updates
        ]
        try:
            yield Call(
                "TransactWriteItems", {"TransactItems": items, "ClientRequestToken": version}
            )
        except Refused as refusal:
            if any(record.version_of(reason.item) == version for reason in refusal.reasons):
                return str(version)  # an earlier copy of this very call was carried out
            if not refusal.resent:
                self._forget(version)
            blocked = False
            for index, reason in enumerate(refusal.reasons):
                if reason.code == _CONDITION_FAILED:
                    blocked = True
                    item = yield from self._parts[index].met(reason.item)
                    if item is not None:
                        self._seen[index] = item
            if not blocked:
                yield from self._patience.after(refusal)
            return None
        except Fault as fault:
            if isinstance(fault, NotSent):
                self._forget(version)
            yield from self._patience.after(fault)
            return None
        self._patience.answered()
        return str(version)

    def _wait(self) -> Operation[None]:
        """Wait until each lock that was in the way is free, or may be taken over."""
        for index, seen in list(self._seen.items()):
            part, item = self._parts[index], seen
            while not (yield from part.takeable(item)):
                yield from part.pause(item)
                found = yield from part.look()
                if found is None:
                    del self._seen[index]
                    break
                self._seen[index] = item = found

    def _read(self, version: str) -> Operation[list[Grant] | None]:
        """Return the grants that were made under a version, None if they are over already."""
        keys = [{"TableName": self._table, "Key": record.key_of(p.wish.name)} for p in self._parts]
        call = Call("TransactGetItems", {"TransactItems": [{"Get": key} for key in keys]})
        while True:
            try:
                reply = yield call
            except Fault as fault:
                yield from self._patience.after(fault)
            else:
                break
        self._patience.answered()
        grants = []
        for part, answer in zip(self._parts, reply["Responses"], strict=True):
            item = answer.get("Item")
            if record.version_of(item) != version:
                return None
            grant = yield from part.granted(item, version)
            if grant is None:
                return None
            grants.append(grant)
        return grants

    def _forget(self, version: str) -> None:
        for part in self._parts:
            del part.doubts[version]
