"""Name the keys of a table that does not fit, beside those that are looked for."""

from collections.abc import Iterator, Mapping
from typing import Any

from interlock._protocol.faults import Fault
from interlock._protocol.layout import DEFAULT, looked_for
from interlock._protocol.requests import Call, Operation, monotonic
from interlock.errors import InterlockError, TableUnfit

_SECONDS = 1.0  # that a caller waits for it at most
_KINDS = {"HASH": "partition key", "RANGE": "sort key"}
_INDEX = "index"


def told(error: InterlockError) -> Operation[InterlockError]:
    """Return an error as its caller gets it: of a table that does not fit, with its keys.

    One DescribeTable, which few roles allow: without an answer the error says what it knows.
    """
    if not isinstance(error, TableUnfit):
        return error
    found: list[str] = []
    deadline = (yield from monotonic()) + _SECONDS
    try:
        reply = yield Call("DescribeTable", {"TableName": error.table}, deadline)
        found.extend(_found(reply["Table"], of_index=_INDEX in error.problems[0]))
    except (Fault, KeyError, TypeError):
        found = []
    return TableUnfit(error.table, [*error.problems, *found, looked_for(DEFAULT)])


def _found(table: Mapping[str, Any], *, of_index: bool) -> Iterator[str]:
    """Yield what a description says, and the layout that a client needs for its keys."""
    types = {one["AttributeName"]: one["AttributeType"] for one in table["AttributeDefinitions"]}
    names = {key["KeyType"]: key["AttributeName"] for key in table["KeySchema"]}
    if of_index:
        indexes = [repr(index["IndexName"]) for index in table.get("GlobalSecondaryIndexes", ())]
        yield f"it has {'the indexes ' + ', '.join(indexes) if indexes else 'no index'}"
    keys = [(kind, names[kind], types[names[kind]]) for kind in _KINDS if kind in names]
    yield f"its key is {' and '.join(f'the {_KINDS[kind]} {n!r} ({t})' for kind, n, t in keys)}"
    if of_index or any(kind != "S" for _, _, kind in keys):
        return
    sort = f", sort_key=({names['RANGE']!r}, 'interlock')" if "RANGE" in names else ""
    yield f"for such keys write layout=TableLayout(partition_key={names['HASH']!r}{sort})"
