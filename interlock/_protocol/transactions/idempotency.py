"""The record that makes a transaction happen once: written by the commit that it is about.

| attribute | meaning |
|---|---|
| `pk` S | `once#<operation>#<key>` |
| `format` N | the version of this layout, 2; a newer one is refused |
| `operation` S | what the key belongs to |
| `attempt` S | the attempt that was committed |
| `fingerprint` S | a SHA-256 of the payload |
| `result` | what the function returned |
| `expires` N | epoch seconds, for TTL; until then the key counts, |
| `until` N | or only until then, where that is sooner than a copy of a request may arrive |

There is no "in progress" record, so none can be left behind, expire under its owner or be taken
over. Of two concurrent duplicates one commits; the other is refused by the record and returns the
result that it finds there.

Before keys belonged to operations the record was `once#<key>`, without `format` and `operation`.
Such a record still counts, for any operation, and one is written beside the new one for processes
of that version, unless another operation has it; `unscoped=False` ends both.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from interlock._dataclasses import dataclass
from interlock._protocol.kinds import checked_key
from interlock._protocol.layout import DEFAULT, TableLayout, unfit
from interlock._protocol.requests import Operation, Time, time_of_day
from interlock._protocol.retry import RetryBudget
from interlock._protocol.transactions.actions import Action
from interlock._protocol.transactions.expressions import Expression
from interlock._protocol.transactions.fingerprint import fingerprint, unscoped_fingerprint
from interlock._protocol.transactions.items import Address
from interlock._protocol.transactions.reads import Images, by_address, read_one
from interlock._protocol.transactions.writes import size
from interlock._protocol.values import Item, from_attribute, to_attribute
from interlock.errors import (
    CorruptRecord,
    IdempotencyMismatch,
    InvalidValue,
    RequestRefused,
    TableUnfit,
)

PREFIX = "once#"
FORMAT = 2
MAX_KEY_BYTES = 1024
# A copy of a request is accepted as long as its signature is valid, five minutes by clocks that may
# differ by as many; a record that refuses it has to be there for longer.
LONGEST_FLIGHT = 15 * 60
_POSITIVE = re.compile(r"[1-9][0-9]{0,14}")  # more seconds than any timedelta has
_USED = "with another payload, or by another lambda (pass operation= to keep their keys apart)"


@dataclass(frozen=True, slots=True)
class Committed:
    """The transaction has happened, now or when the same key was used before."""

    value: Any
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Findings:
    """A key as it was found: the result, and the attempt that was committed.

    `occupied` says that another operation has the unscoped record.
    """

    committed: Committed | None = None
    occupied: bool = False
    attempt: str | None = None


@dataclass(frozen=True, slots=True)
class Once:
    """An idempotency key, what it stands for, and how long it is kept (seconds).

    `unscoped` is the fingerprint in records of the older format, None if there are none any more.
    """

    table: str
    key: str
    operation: str
    fingerprint: str
    retention: float
    unscoped: str | None = None
    layout: TableLayout = DEFAULT

    @classmethod
    def of(
        cls,
        table: str,
        key: str,
        payload: Any,
        retention: float,
        *,
        operation: str,
        code: str | None = None,
        unscoped: bool = False,
        layout: TableLayout = DEFAULT,
    ) -> "Once":
        """Check the key and take the payload's fingerprint.

        `code` is what stands for a function that has no name.
        """
        checked_key(key, MAX_KEY_BYTES)
        if retention < 1:
            raise InvalidValue("retention", "is less than a second: every call would count")
        parts = () if code is None else (code,)
        older = unscoped_fingerprint(payload) if unscoped else None
        told = fingerprint(payload, *parts)
        return cls(table, key, operation, told, retention, older, layout)

    @property
    def address(self) -> Address:
        """The table and the key of the record."""
        return Address.of(self.table, self.layout.key(f"{PREFIX}{self.operation}#{self.key}"))

    @property
    def unscoped_address(self) -> Address:
        """The table and the key of the record of the older format."""
        return Address.of(self.table, self.layout.key(PREFIX + self.key))

    def find(self, budget: RetryBudget) -> Operation[Findings]:
        """Look whether the transaction has happened before."""
        try:
            record = yield from read_one(budget, self.address, laid_out=True)
        except TableUnfit as error:
            raise unfit(self.layout, error) from error.__cause__
        if record is None and self.unscoped is not None:
            record = yield from read_one(budget, self.unscoped_address)
        return (yield from self._judged(record))

    def find_with(
        self, budget: RetryBudget, reads: Sequence[Address]
    ) -> Operation[tuple[Findings, Images]]:
        """Look whether the transaction has happened before, and read items, by one call."""
        own = [self.address] if self.unscoped is None else [self.address, self.unscoped_address]
        try:
            items = yield from by_address(budget, [*own, *reads])
        except RequestRefused:
            # It does not tell of which of the tables; of the record's own this does.
            yield from self.find(budget)
            raise
        record = next((items[address] for address in own if items[address] is not None), None)
        return (yield from self._judged(record)), items

    def _judged(self, record: Mapping[str, Any] | None) -> Operation[Findings]:
        # DynamoDB deletes what has expired days late; until then it is as good as deleted.
        if record is None or self._until(record) <= (yield from time_of_day()).past:
            return Findings()
        return self.read(record)

    def read(self, record: Mapping[str, Any]) -> Findings:
        """Return what a record says. Raises `IdempotencyMismatch` and `CorruptRecord`."""
        expected = self.fingerprint
        if not self.address.is_of(record):
            if "operation" in record and self._field(record, "operation", "S") != self.operation:
                return Findings(occupied=True)
            expected = self.unscoped or ""
        elif (version := self._integer(record, "format")) != FORMAT:
            raise self._corrupt(record, "format", newer=version > FORMAT)
        elif self._field(record, "operation", "S") != self.operation:
            raise self._corrupt(record, "operation")
        if self._field(record, "fingerprint", "S") != expected:
            raise IdempotencyMismatch(self.key, _USED)
        if "result" not in record:
            raise self._corrupt(record, "result")
        committed = Committed(from_attribute(record["result"]), replayed=True)
        return Findings(committed, attempt=record.get("attempt", {}).get("S"))

    def actions(
        self, attempt_id: str, result: Any, time: Time, *, occupied: bool
    ) -> tuple[Action, ...]:
        """Return the actions that record the result, unless a record is there already."""
        item: Item = {
            "operation": {"S": self.operation},
            "attempt": {"S": attempt_id},
            "fingerprint": {"S": self.fingerprint},
            "result": to_attribute(result, "result"),
            self.layout.ttl: {"N": str(int(time.service + max(self.retention, LONGEST_FLIGHT)))},
        }
        if self.retention < LONGEST_FLIGHT:
            item["until"] = {"N": str(int(time.service + self.retention))}
        scoped = _put(self.layout, self.address, {**item, "format": {"N": str(FORMAT)}}, time.past)
        if self.unscoped is None or occupied:
            return (scoped,)
        older = {**item, "fingerprint": {"S": self.unscoped}}
        return scoped, _put(self.layout, self.unscoped_address, older, time.past)

    def _until(self, record: Mapping[str, Any]) -> int:
        return self._integer(record, "until" if "until" in record else self.layout.ttl)

    def _integer(self, record: Mapping[str, Any], name: str) -> int:
        text = self._field(record, name, "N")
        if not _POSITIVE.fullmatch(text):
            raise self._corrupt(record, name)
        return int(text)

    def _field(self, record: Mapping[str, Any], name: str, kind: str) -> Any:
        attribute = record.get(name)
        value = attribute.get(kind) if isinstance(attribute, Mapping) else None
        if not isinstance(value, str):
            raise self._corrupt(record, name)
        return value

    def _corrupt(
        self, record: Mapping[str, Any], name: str, *, newer: bool = False
    ) -> CorruptRecord:
        key = record.get(self.layout.partition_key, {}).get("S", "")
        return CorruptRecord(self.table, key, name, record.get(name), newer=newer)


def _put(layout: TableLayout, address: Address, attributes: Item, past: float) -> Action:
    """Put a record where there is none that counts."""
    item = {**address.key, **attributes}
    expression = Expression()
    names = (layout.partition_key, "until", layout.ttl)
    pk, until, expires = (expression.name(name) for name in names)
    over = expression.value({"N": str(int(past))})
    expression.require_text(
        f"attribute_not_exists({pk}) OR {until} <= {over}"
        f" OR (attribute_not_exists({until}) AND {expires} <= {over})"
    )
    params = {"TableName": address.table, "Item": item, **expression.params()}
    return Action(
        "Put", params, address.table, address.native_key, bytes=size(item), is_record=True
    )
