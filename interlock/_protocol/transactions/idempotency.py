"""The record that makes a transaction happen once: written by the commit that it is about.

There is no "in progress" record, so none can be left behind, expire under its owner or be taken
over. Of two concurrent duplicates one commits; the other is refused by the record and returns the
result that it finds there.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from interlock._protocol.requests import Operation, wall_clock
from interlock._protocol.transactions.attempt import Action
from interlock._protocol.transactions.expressions import Expression
from interlock._protocol.transactions.items import Address
from interlock._protocol.transactions.reads import read_one
from interlock._protocol.transactions.sending import Patience
from interlock._protocol.transactions.writes import size
from interlock._protocol.values import Item, from_attribute, to_attribute
from interlock.errors import IdempotencyMismatch, InvalidValue

PREFIX = "once#"
MAX_KEY_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Committed:
    """The transaction has happened, now or when the same key was used before."""

    value: Any
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Once:
    """An idempotency key, the fingerprint of its payload, and how long it is kept (seconds)."""

    table: str
    key: str
    fingerprint: str
    retention: float

    @classmethod
    def of(cls, table: str, key: str, payload: Any, retention: float) -> "Once":
        """Check the key and take the payload's fingerprint."""
        if not isinstance(key, str) or not key:
            raise InvalidValue("idempotency_key", "is a string that is not empty")
        if len(key.encode()) > MAX_KEY_BYTES:
            raise InvalidValue("idempotency_key", f"is longer than {MAX_KEY_BYTES} bytes")
        if retention < 1:
            raise InvalidValue("retention", "is less than a second: every call would count")
        return cls(table, key, fingerprint(payload), retention)

    @property
    def address(self) -> Address:
        """Where the record is."""
        return Address.of(self.table, {"pk": PREFIX + self.key})

    def find(self, patience: Patience) -> Operation[Committed | None]:
        """Return the result of the transaction if it has happened before: one round trip."""
        record = yield from read_one(patience, self.address)
        # DynamoDB deletes what has expired days late; until then it is as good as deleted.
        if record is None or float(record["expires"]["N"]) <= (yield from wall_clock()):
            return None
        return self.replay(dict(record))

    def replay(self, record: Item) -> Committed:
        """Return the recorded result, if it is of the same payload."""
        if record["fingerprint"]["S"] != self.fingerprint:
            raise IdempotencyMismatch(self.key)
        return Committed(from_attribute(record["result"]), replayed=True)

    def action(self, attempt_id: str, result: Any, now: float) -> Action:
        """Return the action that records the result, unless a record is there already."""
        item = {
            **self.address.key,
            "attempt": {"S": attempt_id},
            "fingerprint": {"S": self.fingerprint},
            "result": to_attribute(result, "result"),
            "expires": {"N": str(int(now + self.retention))},
        }
        expression = Expression()
        expires = expression.name("expires")
        expression.require_text(
            f"attribute_not_exists({expression.name('pk')})"
            f" OR {expires} <= {expression.value({'N': str(int(now))})}"
        )
        params = {"TableName": self.table, "Item": item, **expression.params()}
        return Action("Put", params, self.table, self.address.native_key, bytes=size(item))


def fingerprint(payload: Any) -> str:
    """Return a SHA-256 that is the same for equal payloads, whatever their order of keys."""

    def binary(value: bytes) -> dict[str, str]:
        return {"hex": value.hex()}

    typed = to_attribute(payload, "payload")
    text = json.dumps(typed, sort_keys=True, separators=(",", ":"), default=binary)
    return hashlib.sha256(text.encode()).hexdigest()
