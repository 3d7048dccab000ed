"""Reads of many items: Query, Scan and BatchGetItem, with paging as the service does it.

A page ends after `Limit` items or 1 MB, counted before the filter; the place to go on from is
the last item looked at.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Protocol, TypeAlias

from interlock.testing._store.attributes import Item, invalid, item_size
from interlock.testing._store.expressions import (
    bind,
    compile_condition,
    compile_projection,
)
from interlock.testing._store.indexes import keys_of
from interlock.testing._store.keyconditions import KeyCondition, compile_key_condition
from interlock.testing._store.parsing import Compiled, Values
from interlock.testing._store.paths import project
from interlock.testing._store.tables import Contents, Key, Place, Table

See: TypeAlias = Callable[[Key], Item | None]
"""What one read sees at a key."""

PAGE_BYTES = 1024 * 1024
MAX_BATCH = 100


class Look(Protocol):
    """The view that a read has of an item."""

    def __call__(self, place: Place, *, consistent: bool) -> Item | None:
        """Return what a read sees at a place."""


class Reader:
    """Reads of many items of some contents."""

    def __init__(self, contents: Contents, look: Look) -> None:
        self._contents = contents
        self._look = look

    def batch_get(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the items that exist, in the order of the keys."""
        requests = params["RequestItems"]
        count = sum(len(request["Keys"]) for request in requests.values())
        if not 0 < count <= MAX_BATCH:
            raise invalid("Too many items requested for the BatchGetItem call")
        responses: dict[str, list[Item]] = {}
        for name, request in requests.items():
            table = self._contents.table(name)
            names = request.get("ExpressionAttributeNames")
            text = request.get("ProjectionExpression")
            projection = None if text is None else compile_projection(text, names or {})
            bind(names, None, projection)
            keys = [table.exact_key(key) for key in request["Keys"]]
            if len(set(keys)) < len(keys):
                raise invalid("Provided list of item keys contains duplicates")
            consistent = bool(request.get("ConsistentRead", False))
            seen = (self._look(Place(name, key), consistent=consistent) for key in keys)
            responses[name] = [
                project(item, projection.paths) if projection else dict(item)
                for item in seen
                if item is not None
            ]
        return {"Responses": responses, "UnprocessedKeys": {}}

    def query(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return a page of one partition's items, in the order of the sort key.

        What a Query of an index returns is the keys alone, as the coordination table's has no more.
        """
        table = self._contents.table(params["TableName"])
        schema = keys_of(table, params.get("IndexName"))
        if schema is not table and params.get("ConsistentRead", False):
            raise invalid("Consistent reads are not supported on global secondary indexes")
        names = params.get("ExpressionAttributeNames") or {}
        text = params.get("KeyConditionExpression")
        if text is None:
            raise invalid(
                "Either the KeyConditions or KeyConditionExpression parameter must be specified"
            )
        condition = compile_key_condition(text, names, schema)
        filtering, projection = self._extras(params, names)
        values = bind(
            params.get("ExpressionAttributeNames"),
            params.get("ExpressionAttributeValues"),
            condition.compiled,
            filtering,
            projection,
        )
        for path in filtering.paths if filtering else ():
            if path[0] in schema.key_names:
                raise invalid(
                    "Filter Expression can only contain non-primary key attributes: "
                    f"Primary key attribute: {path[0]}"
                )
        listed = None if schema is table else self._listed(table, schema)
        keys = sorted(
            (
                key
                for key in (self._keys(table) if listed is None else listed)
                if self._selects(condition, schema, key, values)
            ),
            key=lambda key: _order(schema, key),
            reverse=not params.get("ScanIndexForward", True),
        )
        see = self._seen(table, params) if listed is None else listed.get
        return self._page(schema, keys, see, params, filtering, projection, values)

    def scan(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return a page of all items, in an order that is no caller's business."""
        table = self._contents.table(params["TableName"])
        names = params.get("ExpressionAttributeNames") or {}
        filtering, projection = self._extras(params, names)
        values = bind(
            params.get("ExpressionAttributeNames"),
            params.get("ExpressionAttributeValues"),
            filtering,
            projection,
        )
        keys = sorted(self._keys(table), key=lambda key: _order(table, key))
        total = params.get("TotalSegments", 1)
        if total > 1:
            segment = params["Segment"]
            # By the text of the key: Python's own hash differs from run to run.
            keys = [key for key in keys if sum(str(key[0]).encode()) % total == segment]
        see = self._seen(table, params)
        return self._page(table, keys, see, params, filtering, projection, values)

    def _keys(self, table: Table) -> list[Key]:
        # An item just deleted may still be seen by an eventually consistent read.
        places = dict.fromkeys(self._contents.items) | dict.fromkeys(self._contents.replaced)
        return [place.key for place in places if place.table == table.name]

    def _seen(self, table: Table, params: Mapping[str, Any]) -> See:
        consistent = bool(params.get("ConsistentRead", False))
        return lambda key: self._look(Place(table.name, key), consistent=consistent)

    def _listed(self, table: Table, index: Table) -> dict[Key, Item]:
        """Return what is in an index: the keys of the items that have its key attributes."""
        see = self._seen(table, {})
        items = (see(key) for key in self._keys(table))
        return {
            index.key_of(item): {name: item[name] for name in index.key_names}
            for item in items
            if item is not None and "S" in item.get(index.partition_key, ())
        }

    @staticmethod
    def _selects(condition: KeyCondition, table: Table, key: Key, values: Values) -> bool:
        return bool(condition.compiled.run(table.key_item(key), values))

    @staticmethod
    def _extras(
        params: Mapping[str, Any], names: Mapping[str, str]
    ) -> tuple[Compiled | None, Compiled | None]:
        filtering = projection = None
        if (text := params.get("FilterExpression")) is not None:
            filtering = compile_condition(text, names, "FilterExpression")
        if (text := params.get("ProjectionExpression")) is not None:
            projection = compile_projection(text, names)
        return filtering, projection

    def _page(  # noqa: PLR0917 - the parts of one request
        self,
        table: Table,
        keys: list[Key],
        see: See,
        params: Mapping[str, Any],
        filtering: Compiled | None,
        projection: Compiled | None,
        values: Values,
    ) -> dict[str, Any]:
        limit = params.get("Limit")
        if limit is not None and limit < 1:
            raise invalid("Limit must be greater than or equal to 1")
        found: list[Item] = []
        scanned = size = 0
        last: Key | None = None
        for key in _after(table, keys, params.get("ExclusiveStartKey"), params):
            item = see(key)
            if item is None:
                continue
            scanned += 1
            size += item_size(item)
            if filtering is None or filtering.run(item, values):
                found.append(project(item, projection.paths) if projection else dict(item))
            if scanned == limit or size >= PAGE_BYTES:
                last = key
                break
        reply: dict[str, Any] = {"Count": len(found), "ScannedCount": scanned}
        if params.get("Select") != "COUNT":
            reply["Items"] = found
        if last is not None:
            reply["LastEvaluatedKey"] = table.key_item(last)
        return reply


def _after(
    table: Table, keys: list[Key], start: Mapping[str, Any] | None, params: Mapping[str, Any]
) -> list[Key]:
    if start is None:
        return keys
    place = _order(table, table.exact_key(start))
    backward = not params.get("ScanIndexForward", True)
    passed: Callable[[Key], bool] = (
        (lambda key: _order(table, key) < place)
        if backward
        else (lambda key: _order(table, key) > place)
    )
    return [key for key in keys if passed(key)]


def _order(table: Table, key: Key) -> tuple[Any, ...]:
    kinds = (table.partition_type, table.sort_type)
    return tuple(
        Decimal(value) if kind == "N" else value for kind, value in zip(kinds, key, strict=False)
    )
