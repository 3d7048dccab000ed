"""Move an amount from one counter to another: one transaction, the bounds of both hold.

Without a key, a copy that was not answered is known by its token; where that is refused, it may
yet be carried out, and the outcome is unknown. With a key, the record is part of the transaction,
which also demands and ends the era of the key's home in the source: so the key is in no ledger, no
increment with the same key is written at the same time, and a late copy finds the era ended, or
finds it ended by `fence` before a refusal is believed.
"""

from collections.abc import Mapping
from typing import Any

from interlock._dataclasses import dataclass
from interlock._exports import public_in
from interlock._protocol.counters import checking, ledger
from interlock._protocol.counters.committing import transact
from interlock._protocol.counters.escrow import Write, borrowing, updates
from interlock._protocol.counters.layout import Handle, Snapshot, era_of, integer, new_era, number
from interlock._protocol.counters.ledger import CounterChange, Once
from interlock._protocol.counters.reading import record_item, snapshot
from interlock._protocol.counters.sending import Kind, outpaced, send, unknown
from interlock._protocol.counters.settling import fence, settle
from interlock._protocol.faults import Refused
from interlock._protocol.requests import Operation, draw, time_of_day
from interlock._protocol.retry import RetryBudget
from interlock.errors import (
    CounterLimitExceeded,
    CounterNotFound,
    IdempotencyMismatch,
    InterlockError,
    InvalidValue,
    OutcomeUnknown,
)


@public_in("interlock.counters")
@dataclass(frozen=True, slots=True)
class Transfer:
    """The effect of a transfer: the change of either counter, as `increment` returns it."""

    source: CounterChange
    target: CounterChange
    replayed: bool = False


def transfer(
    source: Handle, target: Handle, amount: int, once: Once | None, budget: RetryBudget
) -> Operation[Transfer]:
    """Take an amount from one counter and add it to another, or change neither.

    Raises `CounterNotFound`, and `CounterLimitExceeded` with the name of the counter that has no
    room.
    """
    if source.name == target.name:
        raise InvalidValue("target", "a transfer needs two different counters")
    if once is None:
        return (yield from _plainly(source, target, amount, budget))
    keyed = _Keyed(source, target, amount, once, budget)
    try:
        return (yield from keyed.run())
    except (IdempotencyMismatch, OutcomeUnknown):
        raise
    except InterlockError as error:
        if keyed.in_doubt:
            raise unknown(error) from error
        raise


def _plainly(
    source: Handle, target: Handle, amount: int, budget: RetryBudget
) -> Operation[Transfer]:
    while True:
        legs = []
        for handle, difference in ((source, -amount), (target, amount)):
            seen = yield from snapshot(handle, budget)
            index = int((yield from draw()) * seen.shards) if seen else 0
            leg = _leg(handle, seen, index, difference)
            if leg is None:
                raise _impossible(handle, seen)
            legs.append(leg)
        writes = [write for _, writes in legs for write in writes]
        refused = yield from transact(updates(writes), budget)
        if refused is None:
            return Transfer(legs[0][0], legs[1][0])
        if refused.resent:
            raise unknown(refused) from refused
        yield from outpaced(budget)


class _Keyed:
    """One transfer with a key. `in_doubt` while a copy may have been, or may be, carried out."""

    def __init__(
        self, source: Handle, target: Handle, amount: int, once: Once, budget: RetryBudget
    ) -> None:
        self.source, self.target, self.amount = source, target, amount
        self.once, self.budget = once, budget
        self.in_doubt = False

    def run(self) -> Operation[Transfer]:
        source, target, budget = self.source, self.target, self.budget
        while True:
            seen = yield from snapshot(source, budget)
            if seen is not None and not seen.settled:
                yield from settle(source, budget)
                continue
            home = self.once.home(seen.shards) if seen else 0
            if seen is not None and ledger.entry(seen.items[home], self.once):
                raise IdempotencyMismatch(self.once.key)
            leg = _leg(source, seen, home, -self.amount)
            other = yield from snapshot(target, budget)
            index = int((yield from draw()) * other.shards) if other else 0
            other_leg = _leg(target, other, index, self.amount)
            if seen is None or leg is None or other_leg is None:
                if found := (yield from self._recorded()):
                    return found
                handle, what = (target, other) if leg else (source, seen)
                raise _impossible(handle, what)
            done = Transfer(leg[0], other_leg[0])
            era = era_of(seen.items[home]) or ""
            fresh = yield from self._demand(leg[1][0], era, seen.shards)
            actions = [
                (yield from self._record(done)),
                *updates([*leg[1], *other_leg[1]]),
            ]
            try:
                yield from send(
                    Kind.FENCED, budget, "TransactWriteItems", {"TransactItems": actions}
                )
            except Refused as refused:
                found = yield from self._understand(refused, home, era)
                if found is not None:
                    return found
            else:
                source.eras[home] = fresh
                return done

    def _demand(self, write: Write, era: str, shards: int) -> Operation[str]:
        """Let the source's write demand that the key is in no ledger, and end the era."""
        fresh = yield from new_era(shards)
        write.sets.append("era = :next")
        write.conditions += ["era = :era", "attribute_not_exists(#call)"]
        write.names["#call"] = ledger.CALL + self.once.digest
        write.values |= {":era": {"S": era}, ":next": {"S": fresh}}
        return fresh

    def _understand(self, refused: Refused, home: int, era: str) -> Operation[Transfer | None]:
        self.in_doubt = refused.resent
        record, leg = refused.reasons[0].item, refused.reasons[1]
        if record:
            return self._replayed(checking.record(self.source.table, dict(record)))
        if leg.item and ledger.CALL + self.once.digest in leg.item:
            raise IdempotencyMismatch(self.once.key)
        if self.in_doubt:
            yield from fence(self.source, home, era, self.budget)
            if found := (yield from self._recorded()):
                return found
            self.in_doubt = False
        yield from outpaced(self.budget)
        return None

    def _record(self, done: Transfer) -> Operation[dict[str, Any]]:
        content: dict[str, Any] = {
            **self.source.record_key(self.once.key),
            "target": {"S": self.target.name},
            "amount": number(self.amount),
            "source_value": number(done.source.value),
            "target_value": number(done.target.value),
            "expires": number(int((yield from time_of_day()).service + self.once.remembered)),
        }
        for side, change in (("source", done.source), ("target", done.target)):
            if change.shard is not None:
                content[f"{side}_shard"] = number(change.shard)
        return {
            "Put": {
                "TableName": self.source.table,
                "Item": content,
                "ConditionExpression": "attribute_not_exists(pk)",
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        }

    def _recorded(self) -> Operation[Transfer | None]:
        # The transfer may be seen in a counter already, and its record not yet.
        item = yield from record_item(self.source, self.once, self.budget)
        return self._replayed(item) if item else None

    def _replayed(self, item: Mapping[str, Any]) -> Transfer:
        same_target = item.get("target") == {"S": self.target.name}
        if not same_target or integer(item, "amount") != self.amount:
            raise IdempotencyMismatch(self.once.key)
        source_change, target_change = (
            CounterChange(
                integer(item, f"{side}_value"),
                difference,
                integer(item, f"{side}_shard") if f"{side}_shard" in item else None,
                replayed=True,
            )
            for side, difference in (("source", -self.amount), ("target", self.amount))
        )
        return Transfer(source_change, target_change, replayed=True)


def _leg(
    handle: Handle, seen: Snapshot | None, index: int, difference: int
) -> tuple[CounterChange, list[Write]] | None:
    """Return a counter's part of the transfer; None if there is no counter, or no room."""
    writes = borrowing(handle, seen, index, difference) if seen else None
    if seen is None or writes is None:
        return None
    shard = index if len(seen.items) > 1 else None
    value = integer(seen.items[index], "value") + difference
    return CounterChange(value, difference, shard), writes


def _impossible(handle: Handle, seen: Snapshot | None) -> Exception:
    if seen is None:
        return CounterNotFound(handle.name)
    return CounterLimitExceeded(
        seen.value, seen.bounds.floor, seen.bounds.ceiling, name=handle.name
    )
