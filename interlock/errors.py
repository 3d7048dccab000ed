"""Every exception that Interlock raises on purpose.

All derive from `InterlockError`. Each names the value at fault, the limit, and the way out.
"""

from collections.abc import Mapping
from typing import Any


class InterlockError(Exception):
    """Whatever Interlock raises; catch it to catch them all."""


class TableNotFound(InterlockError):
    """The coordination table does not exist in this account and region."""

    def __init__(self, table: str) -> None:
        super().__init__(
            f"table {table!r} does not exist in this account and region; deploy a "
            f"CoordinationTable and pass its name, or check AWS_REGION and AWS_ENDPOINT_URL"
        )
        self.table = table


class AccessDenied(InterlockError):
    """The caller's credentials do not allow the call; the text says which grant does."""


class Throttled(InterlockError):
    """The store kept refusing for its rate until the deadline; nothing was written."""


class ServiceUnavailable(InterlockError):
    """The store could not be reached until the deadline; nothing was written."""


class OutcomeUnknown(InterlockError):
    """A write was sent and its answer was lost: it may have happened, once, or not at all."""


class InvalidValue(InterlockError, ValueError):
    """A value that DynamoDB cannot hold, found before anything was sent."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path


class RequestRefused(InterlockError):
    """The store refused the request and would refuse it again; `code` is its error code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"DynamoDB refused the request as {code}: {message}")
        self.code = code
        self.message = message


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
    """The idempotency key has been used with another payload; nothing was written."""

    def __init__(self, key: str) -> None:
        super().__init__(f"idempotency key {key!r} was used before with another payload")
        self.key = key
