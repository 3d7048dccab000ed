"""A DynamoDB in memory that is correct for the calls used, and can be compared to a real one.

It answers as the service does, with typed values in and out, and refuses with the service's error
codes. Time is what its `clock` says. A write is one indivisible step; a TransactWriteItems is
prepared (`begin`), and then writes its items one by one, each of which is occupied until then:
another write, or a transaction, that meets it gets a conflict, as in the service. `perform` takes
all these steps at once.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from interlock._protocol.faults import Refused
from interlock.testing._store.attributes import Item, exceeds, item_size
from interlock.testing._store.expressions import bind, compile_projection
from interlock.testing._store.paths import project
from interlock.testing._store.reads import Reader
from interlock.testing._store.statements import update_of
from interlock.testing._store.tables import Change, Contents, Place, Table
from interlock.testing._store.throttling import PartitionLimit
from interlock.testing._store.transactions import Prepared, TransactionLog, prepare, read_together
from interlock.testing._store.writes import parse_write, returned

CONFLICT = "Transaction is ongoing for the item"
_KB = 1024
_READ_UNIT = 4096


class Store:
    """All the tables of one account and region.

    `clock` gives seconds since the epoch as the service sees them. `stale` decides, for each item
    that an eventually consistent read returns, whether it is what the item was before its last
    write (as long as that write is less than `staleness` seconds old). `limit` throttles by
    partition key.
    """

    def __init__(
        self,
        *tables: Table,
        clock: Callable[[], float] = lambda: 0.0,
        stale: Callable[[], bool] = lambda: False,
        staleness: float = 1.0,
        limit: PartitionLimit | None = None,
    ) -> None:
        self.contents = Contents()
        for table in tables or (Table("coordination"),):
            self.create_table(table)
        self.clock = clock
        self.stale = stale
        self.staleness = staleness
        self.limit = limit
        self._log = TransactionLog()
        self._reader = Reader(self.contents, self._visible)
        self._operations: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            "GetItem": self._get,
            "PutItem": lambda params: self._write("PutItem", params),
            "UpdateItem": lambda params: self._write("UpdateItem", params),
            "DeleteItem": lambda params: self._write("DeleteItem", params),
            "TransactWriteItems": lambda params: self.begin(params).commit(),
            "TransactGetItems": self._transact_get,
            "BatchGetItem": self._batch_get,
            "BatchExecuteStatement": self._batch_statements,
            "Query": self._query,
            "Scan": self._reader.scan,
            "DescribeTable": self._describe,
        }

    @property
    def operations(self) -> list[str]:
        """The names of the calls that it knows."""
        return list(self._operations)

    def create_table(self, table: Table) -> None:
        """Add a table; one of the same name keeps its items."""
        self.contents.tables[table.name] = table

    def perform(self, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out one call and return its reply, or raise `Refused`."""
        perform = self._operations.get(operation)
        if perform is None:
            raise Refused("UnknownOperationException", operation)
        return perform(params)

    def begin(self, params: Mapping[str, Any]) -> Prepared:
        """Prepare a TransactWriteItems: its conditions hold, and its items are occupied.

        Raises `Refused` ("TransactionCanceledException") and occupies nothing otherwise.
        """
        if self.limit is not None:
            self.limit.admit_transaction(self.contents, params, self.clock())
        return prepare(self.contents, self._log, params, self.clock)

    # What a test looks at, without being a client.

    def item(self, table: str, *key: Any) -> Item | None:
        """Return an item as it is now, or None."""
        return self.contents.items.get(Place(table, key))

    def items(self, table: str) -> Iterable[Item]:
        """Return all items of a table as they are now."""
        return [item for place, item in self.contents.items.items() if place.table == table]

    def on_change(self, watcher: Callable[[Change], None]) -> None:
        """Have every change of an item shown to a watcher, in the order of the changes."""
        self.contents.watchers.append(watcher)

    def expired(self, now: float) -> list[Place]:
        """Return what TTL may delete by now: it does so at any time after, in any order.

        https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/TTL.html
        """
        found = []
        for place, item in self.contents.items.items():
            name = self.contents.tables[place.table].ttl
            text = item.get(name, {}).get("N") if name else None
            # Over five years old is taken for a mistake and left alone.
            if text is not None and now - 5 * 365 * 86400 < float(text) < now:
                found.append(place)
        return found

    def expire(self, place: Place) -> None:
        """Delete an item as TTL does, unless a transaction occupies it."""
        if place in self.contents.items and place not in self.contents.held:
            self.contents.write(place, None, self.clock())

    # The calls.

    def _visible(self, place: Place, *, consistent: bool) -> Item | None:
        current = self.contents.items.get(place)
        if consistent:
            return current
        replaced = self.contents.replaced.get(place)
        if replaced is None or self.clock() - replaced[0] > self.staleness or not self.stale():
            return current
        return replaced[1]

    def _describe(self, params: Mapping[str, Any]) -> dict[str, Any]:
        return {"Table": self.contents.table(params["TableName"]).description}

    def _get(self, params: Mapping[str, Any]) -> dict[str, Any]:
        table = self.contents.table(params["TableName"])
        place = Place(table.name, table.exact_key(params["Key"]))
        projection = None
        if (text := params.get("ProjectionExpression")) is not None:
            projection = compile_projection(text, params.get("ExpressionAttributeNames") or {})
        bind(params.get("ExpressionAttributeNames"), None, projection)
        consistent = bool(params.get("ConsistentRead", False))
        item = self._visible(place, consistent=consistent)
        if self.limit is not None:
            units = _units(item, _READ_UNIT) * (1 if consistent else 0.5)
            self.limit.admit_read(place, units, self.clock())
        reply = _consumed(params, table.name, _READ_UNIT, item)
        if item is not None:
            reply["Item"] = project(item, projection.paths) if projection else dict(item)
        return reply

    def _write(self, kind: str, params: Mapping[str, Any]) -> dict[str, Any]:
        write = parse_write(self.contents, kind, params)
        place = write.place
        if place in self.contents.held:
            raise Refused("TransactionConflictException", CONFLICT)
        before = self.contents.items.get(place)
        allowed = write.allowed(before)
        after = write.result(before) if allowed else before
        reply = returned(kind, params, write, before, after)
        if self.limit is not None:
            units = max(_units(before, _KB), _units(after, _KB))
            self.limit.admit_write(place, units, self.clock())
        if not allowed:
            raise Refused(
                "ConditionalCheckFailedException",
                "The conditional request failed",
                item=dict(before) if write.show_refuser and before is not None else None,
            )
        if after is not None or before is not None:
            self.contents.write(place, after, self.clock())
        return reply | _consumed(params, place.table, _KB, before, after)

    def _transact_get(self, params: Mapping[str, Any]) -> dict[str, Any]:
        return read_together(self.contents, params)

    def _batch_get(self, params: Mapping[str, Any]) -> dict[str, Any]:
        return self._reader.batch_get(params)

    def _batch_statements(self, params: Mapping[str, Any]) -> dict[str, Any]:
        return {"Responses": [self._statement(one) for one in params["Statements"]]}

    def _statement(self, statement: Mapping[str, Any]) -> dict[str, Any]:
        try:
            update = update_of(self.contents, statement)
            self._write("UpdateItem", update)
        except Refused as refusal:
            code = refusal.code.removesuffix("Exception").replace("Validation", "ValidationError")
            return {"Error": {"Code": code, "Message": refusal.message}}
        return {"TableName": update["TableName"]}

    def _query(self, params: Mapping[str, Any]) -> dict[str, Any]:
        return self._reader.query(params)


def _consumed(
    params: Mapping[str, Any], table: str, unit: int, *items: Item | None
) -> dict[str, Any]:
    if params.get("ReturnConsumedCapacity", "NONE") == "NONE":
        return {}
    units = max(_units(item, unit) for item in items)
    return {"ConsumedCapacity": {"TableName": table, "CapacityUnits": float(units)}}


def _units(item: Item | None, unit: int) -> int:
    return 1 if item is None or not exceeds(item, unit) else -(-item_size(item) // unit)
