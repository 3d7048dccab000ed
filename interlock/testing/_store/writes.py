"""PutItem, UpdateItem, DeleteItem and ConditionCheck: what one write would do to one item.

The same for a write of its own and for an action of a transaction.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from interlock.testing._store.attributes import Item, canonical_item, invalid
from interlock.testing._store.expressions import bind, compile_condition
from interlock.testing._store.parsing import Compiled, Values
from interlock.testing._store.paths import project
from interlock.testing._store.tables import Contents, Place, Table, refuse_oversize
from interlock.testing._store.updates import compile_update, updated

_RETURNS = {
    "PutItem": ("NONE", "ALL_OLD"),
    "DeleteItem": ("NONE", "ALL_OLD"),
    "UpdateItem": ("NONE", "ALL_OLD", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW"),
}
_NOTHING: Item = {}


class Write(NamedTuple):
    """A write that has been read and found valid, whatever the item is."""

    place: Place
    condition: Compiled | None
    update: Compiled | None
    values: Values
    transform: Callable[[Item | None], Item | None] | None
    show_refuser: bool

    def allowed(self, current: Item | None) -> bool:
        """Whether the condition holds for the item as it is (None: there is none)."""
        if self.condition is None:
            return True
        return bool(self.condition.run(_NOTHING if current is None else current, self.values))

    def result(self, current: Item | None) -> Item | None:
        """Return the item after the write; refuse one that cannot be."""
        return current if self.transform is None else self.transform(current)


def parse_write(contents: Contents, kind: str, params: Mapping[str, Any]) -> Write:
    """Read a write ("PutItem", "UpdateItem", "DeleteItem" or "ConditionCheck")."""
    table = contents.table(params["TableName"])
    names = params.get("ExpressionAttributeNames")
    named = names or {}
    condition = update = None
    if (text := params.get("ConditionExpression")) is not None:
        condition = compile_condition(text, named)
    if kind == "UpdateItem" and (text := params.get("UpdateExpression")) is not None:
        update = compile_update(text, named)
    values = bind(names, params.get("ExpressionAttributeValues"), condition, update)
    if kind == "PutItem":
        new = canonical_item(params["Item"])
        key = table.key_of(new)
        refuse_oversize(new)
    else:
        key = table.exact_key(params["Key"])
    transform: Callable[[Item | None], Item | None] | None = None
    match kind:
        case "PutItem":
            transform = lambda _: new  # noqa: E731 - one line says it
        case "DeleteItem":
            transform = lambda _: None  # noqa: E731 - one line says it
        case "UpdateItem":
            transform = _updater(table, table.key_item(key), update, values)
        case "ConditionCheck":
            if condition is None:
                raise invalid("The expression can not be empty;")
    show = params.get("ReturnValuesOnConditionCheckFailure", "NONE")
    if show not in ("NONE", "ALL_OLD"):
        raise invalid("1 validation error detected: ReturnValuesOnConditionCheckFailure")
    return Write(Place(table.name, key), condition, update, values, transform, show == "ALL_OLD")


def _updater(
    table: Table, key: Item, update: Compiled | None, values: Values
) -> Callable[[Item | None], Item]:
    if update is not None:
        fixed = table.key_names
        for path in update.paths:
            if path[0] in fixed:
                raise invalid(
                    "One or more parameter values were invalid: Cannot update attribute "
                    f"{path[0]}. This attribute is part of the key"
                )

    def transform(current: Item | None) -> Item:
        start = key if current is None else current
        if update is None:
            return dict(start)
        after = updated(start, update, values)
        refuse_oversize(after, "Item size to update has exceeded the maximum allowed size")
        return after

    return transform


def returned(
    kind: str, params: Mapping[str, Any], write: Write, before: Item | None, after: Item | None
) -> dict[str, Any]:
    """Return the reply that `ReturnValues` asks for."""
    wanted = params.get("ReturnValues", "NONE")
    if wanted == "NONE":
        return {}
    if wanted not in _RETURNS[kind]:
        raise invalid("Return values set to invalid value")
    item = before if wanted.endswith("OLD") else after
    if item is None:
        return {}
    if wanted.startswith("UPDATED"):
        item = project(item, write.update.paths if write.update else ())
        if not item:
            return {}
    return {"Attributes": dict(item)}
