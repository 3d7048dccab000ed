"""Ask with a call what only its own answer has: the capacity that it used, and of which tables.

A broken proxy answers 200 with a page of its own, an empty body, `{}`, or the reply to another
request, and `{}` is what DynamoDB says of an item that is not there, and of a transaction that was
committed. The report of the capacity costs nothing.
"""

from collections.abc import Iterable, Mapping
from typing import Any

CAPACITY = {"ReturnConsumedCapacity": "TOTAL"}


def uses(capacity: Any, tables: Iterable[str]) -> bool:
    """Whether a ConsumedCapacity is that of one of the tables."""
    name = capacity.get("TableName") if isinstance(capacity, Mapping) else None
    # A table may be named by its ARN, in the request and in the reply.
    return isinstance(name, str) and _name(name) in {_name(table) for table in tables}


def answers_transaction(reply: Any, tables: Iterable[str]) -> bool:
    """Whether a reply is that to a TransactWriteItems on these tables."""
    used = reply.get("ConsumedCapacity") if isinstance(reply, Mapping) else None
    return isinstance(used, list) and all(uses(entry, tables) for entry in used)


def _name(table: str) -> str:
    return table.rpartition("/")[2]
