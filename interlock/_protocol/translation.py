"""Say what an operation asks in the names of another layout, and understand the answers.

The one step between the protocols and the drivers, for both halves: it wraps the operations of a
client of locks or counters, all of whose calls are about the library's own items of one table. A
transaction is not wrapped: what it carries is the caller's, and only its records, which it names
itself, are the library's.
"""

import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, TypeVar

from interlock._dataclasses import replace
from interlock._protocol.faults import Fault, Refused
from interlock._protocol.layout import (
    LISTING,
    OWN_PREFIXES,
    PARTITION_KEY,
    TTL,
    TableLayout,
    attribute_in,
    unfit,
)
from interlock._protocol.locks.reading import LockPage
from interlock._protocol.requests import Call, Operation
from interlock.errors import CorruptRecord, TableUnfit

T = TypeVar("T")

_EXPRESSIONS = (
    "ConditionExpression",
    "FilterExpression",
    "KeyConditionExpression",
    "ProjectionExpression",
    "UpdateExpression",
)
# A name that stands there by itself: no placeholder, and no part of another name or of a path.
_BARE = re.compile(rf"(?<![#:\w.])({PARTITION_KEY}|{TTL}|{LISTING})(?!\w)")
# Values of expressions that are keys, or begin one.
_KEY_VALUES = (":prefix", ":listing")
# A name in a PartiQL statement, and not that of the table, which may be called so too.
_QUOTED = re.compile(rf'(?<!^UPDATE )"({PARTITION_KEY}|{TTL}|{LISTING})"')
_SORT, _SORT_VALUE = "#in_sort", ":in_sort"


class Translation:
    """The two directions between the names of the protocols and those of a layout."""

    def __init__(self, layout: TableLayout) -> None:
        self.layout = layout
        self._out = {name: attribute_in(layout, name) for name in (PARTITION_KEY, TTL, LISTING)}
        self._in = {there: name for name, there in self._out.items()}
        self._sorted = {} if layout.sort_key is None else _typed(*layout.sort_key)

    def operation(self, operation: Operation[T]) -> Operation[T]:
        """Run an operation of a client, so that its calls and its errors are in the layout."""
        reply: Any = None
        fault: Fault | None = None
        while True:
            try:
                request = operation.send(reply) if fault is None else operation.throw(fault)
            except StopIteration as end:
                result: T = self._result(end.value)
                return result
            except CorruptRecord as error:
                raise self.corrupt(error) from error.__cause__
            except TableUnfit as error:
                raise unfit(self.layout, error) from error.__cause__
            reply = fault = None
            try:
                if isinstance(request, Call):
                    reply = self.reply((yield self.call(request)))
                else:
                    reply = yield request
            except Fault as problem:
                fault = self.fault(problem)

    def _result(self, result: Any) -> Any:
        """Return a result, with the corrupt records in it by their names in the table."""
        if isinstance(result, LockPage):
            return replace(result, corrupt=tuple(map(self.corrupt, result.corrupt)))
        return result

    def call(self, call: Call) -> Call:
        """Return a call as it is sent."""
        params = self._params(call.params)
        for name, value in self._sorted.items() if call.operation == "Scan" else ():
            params["FilterExpression"] = f"{params['FilterExpression']} AND {_SORT} = {_SORT_VALUE}"
            params["ExpressionAttributeNames"][_SORT] = name
            params["ExpressionAttributeValues"][_SORT_VALUE] = value
        return replace(call, params=params)

    def action(self, action: Mapping[str, Any]) -> dict[str, Any]:
        """Return an action of a transaction (`{"Update": {...}}`) as it is sent."""
        return {kind: self._params(params) for kind, params in action.items()}

    def reply(self, reply: Any) -> Any:
        """Return an answer as the protocols understand it; what is none is left to them."""
        if not isinstance(reply, Mapping):
            return reply
        translated = dict(reply)
        for name in ("Item", "Attributes"):
            _change(translated, name, self._item)
        _change(translated, "LastEvaluatedKey", self._page_end)
        _change(translated, "Items", self._items)
        _change(translated, "Responses", self._responses)
        _change(translated, "UnprocessedKeys", self._unprocessed)
        return translated

    def fault(self, fault: Fault) -> Fault:
        """Return a fault in which the items that refused a call are understood."""
        if isinstance(fault, Refused):
            fault.item = self._item(fault.item)
            fault.reasons = tuple(
                replace(reason, item=self._item(reason.item)) for reason in fault.reasons
            )
        return fault

    def corrupt(self, error: CorruptRecord) -> CorruptRecord:
        """Return the error of a record under the names that it has in the table."""
        key, attribute = self.layout.prefix + error.key, attribute_in(self.layout, error.attribute)
        return CorruptRecord(error.table, key, attribute, error.value, newer=error.newer)

    def _params(self, params: Mapping[str, Any]) -> dict[str, Any]:
        translated = dict(params)
        _change(translated, "Key", self._sent)
        _change(translated, "Item", self._sent)
        _change(translated, "ExclusiveStartKey", self._page_start)
        _change(translated, "IndexName", lambda _: self.layout.listing_index)
        _change(translated, "TransactItems", lambda actions: [self.action(one) for one in actions])
        _change(
            translated,
            "RequestItems",
            lambda tables: {name: self._batch(wanted) for name, wanted in tables.items()},
        )
        _change(translated, "ExpressionAttributeValues", self._values)
        _change(translated, "Statements", lambda them: [self._statement(one) for one in them])
        self._name(translated)
        return translated

    def _statement(self, statement: Mapping[str, Any]) -> dict[str, Any]:
        """Return a PartiQL statement as it is sent; its last parameter is the key."""
        *others, key = statement["Parameters"]
        text = _QUOTED.sub(lambda name: _quoted(self._out[name[1]]), statement["Statement"])
        sorts = "".join(f" AND {_quoted(name)} = ?" for name in self._sorted)
        keys = [{"S": self.layout.prefix + key["S"]}, *self._sorted.values()]
        return {"Statement": text + sorts, "Parameters": [*others, *keys]}

    def _name(self, params: dict[str, Any]) -> None:
        """Put placeholders for the names that expressions have by themselves, and say them all."""
        names = {
            placeholder: self._out.get(name, name)
            for placeholder, name in params.get("ExpressionAttributeNames", {}).items()
        }
        for expression in _EXPRESSIONS:
            if expression in params:
                params[expression], bare = _aliased(params[expression])
                names |= {f"#in_{name}": self._out[name] for name in bare}
        if names:
            params["ExpressionAttributeNames"] = names

    def _values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        prefixed = {
            name: {"S": self.layout.prefix + values[name]["S"]}
            for name in _KEY_VALUES
            if name in values
        }
        return {**values, **prefixed}

    def _sent(self, item: Mapping[str, Any]) -> dict[str, Any]:
        """Return an item, or a key, as it is sent."""
        sent = {self._out.get(name, name): value for name, value in item.items()}
        for name in (PARTITION_KEY, LISTING):
            if name in item:
                sent[self._out[name]] = {"S": self.layout.prefix + item[name]["S"]}
        return sent | self._sorted

    def _item(self, item: Any) -> Any:
        if not isinstance(item, Mapping):
            return item
        kept = [name for name in item if name not in self._sorted]
        found: dict[str, Any] = {self._in.get(name, name): item[name] for name in kept}
        for name in (PARTITION_KEY, LISTING):
            _change(found, name, self._stripped)
        return found

    def _stripped(self, attribute: Any) -> Any:
        text = attribute.get("S") if isinstance(attribute, Mapping) else None
        if not isinstance(text, str):
            return attribute
        return {"S": text.removeprefix(self.layout.prefix)}

    def _items(self, items: Any) -> Any:
        """Return items without those of another layout, which an index may have beside them."""
        if not isinstance(items, list):
            return items
        return [self._item(item) for item in items if self._is_sorted(item)]

    def _is_sorted(self, item: Any) -> bool:
        """Return whether an item, as far as it is shown, has the sort key of this layout."""
        return not isinstance(item, Mapping) or all(
            item.get(name, value) == value for name, value in self._sorted.items()
        )

    def _responses(self, responses: Any) -> Any:
        """Return what answers a BatchGetItem, by table, or a TransactGetItems, by action."""
        if isinstance(responses, Mapping):
            return {table: self._items(items) for table, items in responses.items()}
        if not isinstance(responses, list):
            return responses
        return [
            {**answer, "Item": self._item(answer["Item"])}
            if isinstance(answer, Mapping) and "Item" in answer
            else answer
            for answer in responses
        ]

    def _batch(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        batch = {**wanted, "Keys": [self._sent(key) for key in wanted["Keys"]]}
        self._name(batch)
        return batch

    def _unprocessed(self, tables: Any) -> Any:
        """Return the keys that are to be asked for again, as they were asked for."""
        if not isinstance(tables, Mapping):
            return tables
        return {
            table: {**left, "Keys": self._items(left.get("Keys", []))}
            for table, left in tables.items()
        }

    def _page_end(self, key: Any) -> Any:
        """Return where a page ended: with an item of the library's, or with another one.

        Another one's key goes into the place of ours as a text, which the next page brings back.
        """
        if not isinstance(key, Mapping) or self._is_own(key):
            return self._item(key)
        return {PARTITION_KEY: {"S": json.dumps(key)}}

    def _page_start(self, key: Mapping[str, Any]) -> dict[str, Any]:
        try:
            another = json.loads(key[PARTITION_KEY]["S"])
        except ValueError:
            return self._sent(key)
        return another if isinstance(another, dict) else self._sent(key)

    def _is_own(self, key: Mapping[str, Any]) -> bool:
        partition = key.get(self.layout.partition_key, {}).get("S", "")
        own = tuple(self.layout.prefix + prefix for prefix in OWN_PREFIXES)
        sort = {name: key.get(name) for name in self._sorted}
        return partition.startswith(own) and sort == self._sorted


def _quoted(name: str) -> str:
    escaped = name.replace('"', '""')
    return f'"{escaped}"'


def _typed(name: str, text: str) -> dict[str, Any]:
    return {name: {"S": text}}


def _change(mapping: dict[str, Any], name: str, change: Callable[[Any], Any]) -> None:
    if name in mapping:
        mapping[name] = change(mapping[name])


@lru_cache(maxsize=512)
def _aliased(expression: str) -> tuple[str, tuple[str, ...]]:
    """Return an expression with placeholders for the names of a layout, and these names."""
    return _BARE.sub(r"#in_\1", expression), tuple(dict.fromkeys(_BARE.findall(expression)))
