"""TransactWriteItems in its steps, its idempotency tokens, and TransactGetItems.

The conditions are judged together, and from then on the items are occupied. Each is then written
and let go on its own: a reader of single items may see one as it is after the transaction and then
another as it was before, which AWS excludes for TransactGetItems alone.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from interlock._protocol.faults import CancellationReason, Refused
from interlock.testing._store.attributes import Item, at_most, invalid, item_size
from interlock.testing._store.expressions import bind, compile_projection
from interlock.testing._store.paths import project
from interlock.testing._store.tables import Contents, Place
from interlock.testing._store.writes import Write, parse_write

TOKEN_LIFETIME = 600.0
MAX_ACTIONS = 100
MAX_BYTES = 4 * 1024 * 1024

_KINDS = {
    "ConditionCheck": "ConditionCheck",
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
}
_TWICE = "Transaction request cannot include multiple operations on one item"
_NOT_AT_FAULT = CancellationReason("None")


@dataclass(slots=True)
class TransactionLog:
    """The tokens of transactions committed or in flight: when, and for which request."""

    committed: dict[str, tuple[float, Any]] = field(default_factory=dict)
    in_flight: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Prepared:
    """A transaction whose conditions hold, and whose items are occupied until each is written."""

    contents: Contents
    log: TransactionLog
    clock: Callable[[], float]
    token: str | None
    request: Any
    results: list[tuple[Place, Item | None, bool]]
    reply: dict[str, Any]
    replayed: bool = False

    @property
    def left(self) -> int:
        """The number of items that are still occupied."""
        return len(self.results)

    def write_one(self, index: int = 0) -> None:
        """Write one of the items that are left, and let go of it."""
        place, after, changes = self.results.pop(index)
        del self.contents.held[place]
        if changes and (after is not None or place in self.contents.items):
            self.contents.write(place, after, self.clock())

    def commit(self) -> dict[str, Any]:
        """Write what is left, and return the reply."""
        while self.left:
            self.write_one()
        if self.token is not None and not self.replayed:
            self.log.in_flight.pop(self.token, None)
            self.log.committed[self.token] = (self.clock(), self.request)
        return self.reply


def prepare(
    contents: Contents,
    log: TransactionLog,
    params: Mapping[str, Any],
    clock: Callable[[], float],
) -> Prepared:
    """Check every condition and occupy every item, or refuse and occupy none."""
    writes = _actions(contents, params)
    token = params.get("ClientRequestToken")
    request = _frozen(params["TransactItems"]) if token is not None else None
    reply = consumed(params, [write.place.table for write in writes])
    if token is not None and (known := _replay(log, token, request, clock())):
        if known == "committed":
            return Prepared(contents, log, clock, token, request, [], reply, replayed=True)
        raise Refused(
            "TransactionInProgressException",
            "The transaction with the given request token is already in progress.",
        )
    reasons: list[CancellationReason] = []
    results: list[tuple[Place, Item | None, bool]] = []
    for write in writes:
        reason, after = _verdict(contents, write)
        reasons.append(reason)
        results.append((write.place, after, write.transform is not None))
    if any(reason.code != "None" for reason in reasons):
        raise _cancelled(reasons)
    written = [after for _, after, _ in results if after is not None]
    if sum(map(at_most, written)) > MAX_BYTES and sum(map(item_size, written)) > MAX_BYTES:
        raise invalid("Collection size of items in transaction exceeded 4 MB")
    prepared = Prepared(contents, log, clock, token, request, results, reply)
    for write in writes:
        contents.held[write.place] = prepared
    if token is not None:
        log.in_flight[token] = request
    return prepared


def read_together(contents: Contents, params: Mapping[str, Any]) -> dict[str, Any]:
    """TransactGetItems: all items at one instant, or a conflict."""
    requests = params["TransactItems"]
    if not 0 < len(requests) <= MAX_ACTIONS:
        raise invalid("Member must have length less than or equal to 100")
    responses: list[dict[str, Any]] = []
    reasons: list[CancellationReason] = []
    places: set[Place] = set()
    for request in requests:
        get = request["Get"]
        table = contents.table(get["TableName"])
        place = Place(table.name, table.exact_key(get["Key"]))
        names = get.get("ExpressionAttributeNames")
        text = get.get("ProjectionExpression")
        projection = None if text is None else compile_projection(text, names or {})
        bind(names, None, projection)
        if place in places:
            raise invalid(_TWICE)
        places.add(place)
        occupied = place in contents.held
        reasons.append(_CONFLICT if occupied else _NOT_AT_FAULT)
        item = contents.items.get(place)
        if item is None:
            responses.append({})
        else:
            responses.append(
                {"Item": project(item, projection.paths) if projection else dict(item)}
            )
    if any(reason.code != "None" for reason in reasons):
        raise _cancelled(reasons)
    tables = [place.table for place in places]
    return {"Responses": responses, **consumed(params, tables)}


def consumed(params: Mapping[str, Any], tables: Sequence[str]) -> dict[str, Any]:
    """Return what a transaction's reply says of the tables that it used, if it was asked to."""
    if params.get("ReturnConsumedCapacity", "NONE") == "NONE":
        return {}
    units = Counter(tables)
    capacity = [{"TableName": name, "CapacityUnits": 2.0 * units[name]} for name in units]
    return {"ConsumedCapacity": capacity}


def _replay(log: TransactionLog, token: str, request: Any, now: float) -> str | None:
    """Say whether a token is known ("committed", "in flight"); refuse it for another request."""
    since, known = log.committed.get(token, (float("-inf"), None))
    state = "committed"
    if now - since > TOKEN_LIFETIME:
        if token not in log.in_flight:
            return None
        state, known = "in flight", log.in_flight[token]
    if known != request:
        raise Refused(
            "IdempotentParameterMismatchException",
            "Provided idempotency token was used with different parameters",
        )
    return state


def _actions(contents: Contents, params: Mapping[str, Any]) -> list[Write]:
    actions = params["TransactItems"]
    if not 0 < len(actions) <= MAX_ACTIONS:
        raise invalid(
            "1 validation error detected: Value at 'transactItems' failed to satisfy constraint: "
            "Member must have length less than or equal to 100"
        )
    writes = []
    for action in actions:
        if len(action) != 1:
            raise invalid("TransactItems can only contain one of Check, Put, Update or Delete")
        ((kind, body),) = action.items()
        writes.append(parse_write(contents, _KINDS[kind], body))
    if len({write.place for write in writes}) < len(writes):
        raise invalid(_TWICE)
    return writes


_CONFLICT = CancellationReason("TransactionConflict", "Transaction is ongoing for the item")


def _verdict(contents: Contents, write: Write) -> tuple[CancellationReason, Item | None]:
    """Return why an action is refused (code "None" if it is not), and the item after it."""
    if write.place in contents.held:
        return _CONFLICT, None
    current = contents.items.get(write.place)
    if not write.allowed(current):
        shown = dict(current) if write.show_refuser and current is not None else None
        return (
            CancellationReason("ConditionalCheckFailed", "The conditional request failed", shown),
            None,
        )
    try:
        return _NOT_AT_FAULT, write.result(current)
    except Refused as refusal:
        return CancellationReason("ValidationError", refusal.message), None


def _cancelled(reasons: list[CancellationReason]) -> Refused:
    codes = ", ".join(reason.code for reason in reasons)
    return Refused(
        "TransactionCanceledException",
        f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]",
        reasons=tuple(reasons),
    )


def _frozen(value: Any) -> Any:
    """Return something immutable that is equal for equal requests."""
    kind = type(value)
    if kind is str:  # as most are, which no abstract class need be asked about
        return value
    if kind is dict or isinstance(value, Mapping):
        return frozenset((name, _frozen(member)) for name, member in value.items())
    if isinstance(value, list | tuple):
        return tuple(_frozen(member) for member in value)
    if isinstance(value, set | frozenset):
        return frozenset(value)
    return value
