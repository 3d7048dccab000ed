"""Errors of transactions."""

from collections.abc import Mapping
from typing import Any

from interlock.errors._base import InterlockError


class ConditionFailed(InterlockError):
    """A condition that the caller set does not hold; nothing was written.

    `index` is the action's place in the transaction (items in the order of their first use, then
    guards), `key` the item's key, `item` what the store holds there (None: no item).
    """

    def __init__(
        self, index: int, table: str, key: Mapping[str, Any], item: Mapping[str, Any] | None
    ) -> None:
        super().__init__(f"action {index}: the condition on {dict(key)} in {table!r} does not hold")
        self.index = index
        self.table = table
        self.key = key
        self.item = item


class TransactionConflict(InterlockError):
    """Others kept writing the same items until attempts or time were used up; nothing was written.

    Raise `attempts` or `timeout`, touch fewer items, or spread the hot one.
    """

    def __init__(self, attempts: int) -> None:
        super().__init__(f"other transactions got in the way of all {attempts} attempts")
        self.attempts = attempts


class TransactionTooLarge(InterlockError):
    """More than one DynamoDB transaction takes: 100 items or 4 MB; nothing was sent."""


class ItemTooLarge(InterlockError):
    """An item over DynamoDB's 400 KB; nothing was written."""


class TransactionClosed(InterlockError):
    """A transaction was used after its function had returned."""

    def __init__(self) -> None:
        super().__init__(
            "this transaction is over; use it only inside the function it was given to"
        )


class IdempotencyMismatch(InterlockError):
    """The idempotency key has been used for something else; nothing was written.

    Of a transaction with another payload, or by another lambda, which has no name to keep their
    keys apart: pass `operation=`. Of a counter for another change.
    """

    def __init__(self, key: str, used: str = "for another change") -> None:
        super().__init__(
            f"idempotency key {key!r} was used before {used}; repeat a call with its key and its "
            "arguments, and give a new call a new key"
        )
        self.key = key
