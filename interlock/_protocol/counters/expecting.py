"""Change a counter only while it is as it was read: the comparison is a condition of the write."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from interlock._protocol.counters.layout import Handle, Snapshot, integer
from interlock._protocol.counters.reading import CounterState, state_of
from interlock.errors import CounterChanged

if TYPE_CHECKING:
    from interlock._protocol.values import Item

_VALUE, _REVISION = "#value = :unchanged", "revision = :unchanged_revision"


def check(handle: Handle, expected: CounterState | None, seen: Snapshot | None) -> None:
    """Raise `CounterChanged` if a state is expected and is not what was seen."""
    if expected is None:
        return
    if seen is None or state_of(handle.name, seen) != expected:
        raise CounterChanged(handle.name)


def unchanged(
    actions: Sequence[dict[str, Any]], handle: Handle, seen: Snapshot
) -> list[dict[str, Any]]:
    """Return the actions of a transaction that also requires every item to be as it was seen."""
    written = {
        params["Key"]["pk"]["S"]: params
        for action in actions
        for params in action.values()
        if "Key" in params
    }
    checks = []
    for index, item in enumerate(seen.items):
        key = handle.key(index)
        params = written.get(key["pk"]["S"])
        if params is None:
            params = {"TableName": handle.table, "Key": key}
            checks.append({"ConditionCheck": params})
        conditions = [params["ConditionExpression"]] if "ConditionExpression" in params else []
        values: Item = {":unchanged": item["value"]}
        conditions.append(_VALUE)
        if index == 0:
            conditions.append(_REVISION)
            values[":unchanged_revision"] = {"N": str(integer(item, "revision"))}
        params["ConditionExpression"] = " AND ".join(conditions)
        params["ExpressionAttributeNames"] = {
            **params.get("ExpressionAttributeNames", {}),
            "#value": "value",
        }
        params["ExpressionAttributeValues"] = {
            **params.get("ExpressionAttributeValues", {}),
            **values,
        }
    return [*actions, *checks]
