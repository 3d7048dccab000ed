"""The half of a transaction that needs no I/O, and is the same for blocking and awaitable use."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from interlock._protocol.transactions.attempt import Attempt
from interlock._protocol.transactions.guards import Guard

if TYPE_CHECKING:
    from boto3.dynamodb.conditions import ConditionBase


class Buffer:
    """Writes and demands that wait for the commit; none of these calls reaches the store.

    A `condition` is one of boto3's (`Attr("balance").gte(5)`), and is judged by the store at the
    commit against the item as it was *before* this transaction. One that does not hold raises
    `ConditionFailed` from `run`, and nothing is written.
    """

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt

    def put(
        self,
        table: str,
        key: Mapping[str, Any],
        attributes: Mapping[str, Any],
        *,
        condition: "ConditionBase | None" = None,
    ) -> None:
        """Write a whole item: `key` and `attributes` (which may repeat the key).

        Raises `InvalidValue` for what DynamoDB cannot hold.
        """
        self._attempt.put(table, key, attributes, condition)

    def update(
        self,
        table: str,
        key: Mapping[str, Any],
        values: Mapping[str, Any] | None = None,
        *,
        add: Mapping[str, Any] | None = None,
        remove: Iterable[str] = (),
        condition: "ConditionBase | None" = None,
    ) -> None:
        """Change top-level attributes of an item, which is made if it is not there.

        `values` are set, numbers and sets in `add` are added to what is there, attributes named in
        `remove` go. Raises `InvalidValue` for what DynamoDB cannot hold or add.
        """
        self._attempt.update(
            table, key, values=values or {}, add=add or {}, remove=remove, condition=condition
        )

    def delete(
        self, table: str, key: Mapping[str, Any], *, condition: "ConditionBase | None" = None
    ) -> None:
        """Delete an item; there need not be one."""
        self._attempt.delete(table, key, condition)

    def check(self, table: str, key: Mapping[str, Any], condition: "ConditionBase") -> None:
        """Commit only if the condition holds of an item, which is not written."""
        self._attempt.check(table, key, condition)

    def guard(self, lock: Guard) -> None:
        """Commit only if the lock is still held by this grant: `GuardFailed` if it is not.

        `GuardFailed` is a `LockLost`. For a guard that is not a lock it is a `ConditionFailed`.
        """
        self._attempt.guard(lock)
