"""Does this reply answer that call? What does not is a lost reply, whichever call it was meant for.

A reply that bears a request id and the right checksum may still be another request's: a proxy or a
shared connection may hand it over. So a reply has the members that its call asked for and none of
another operation's, and the items in it have the keys that were asked for, and typed values alone.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from interlock._protocol.faults import CancellationReason, NoReply, Refused
from interlock._protocol.requests import Call
from interlock._wire.codec import BLOBS

Params = Mapping[str, Any]
Reply = Mapping[str, Any]


def checked(call: Call, reply: Reply) -> Reply:
    """Return a reply that may be one to this call, or raise `NoReply`."""
    problem = mismatch(call.operation, call.params, reply)
    if problem is not None:
        raise NoReply(f"the answer is not to this {call.operation}: {problem}")
    return reply


def mismatch(operation: str, params: Params, reply: Reply) -> str | None:
    """Return why a reply is not one to this call, None if it may be."""
    if not isinstance(reply, Mapping):
        return f"it is {reply!r}"
    for name in BLOBS.get(operation, ()):
        if not reply.get(name):
            return f"it has no {name}"
    if operation not in _CHECKS:
        return None
    own, check = _CHECKS[operation]
    for name in _TELLING:
        if name in reply and name not in own:
            return f"it has {name!r}"
    return check(params, reply)


def refusal_mismatch(params: Params, refusal: Refused) -> str | None:
    """Return why a refusal is not one of this call, None if it may be."""
    item, reasons = refusal.item, refusal.reasons
    asked = _ASKED_FOR.get(refusal.code)
    if asked is not None and asked not in params:
        return f"the call has no {asked}"
    if item is not None:
        return _another(params.get("Key", {}), item, whole=True)
    actions = params.get("TransactItems")
    if not reasons or not isinstance(actions, Sequence):
        return None
    if len(reasons) != len(actions):
        return f"{len(reasons)} reasons came for {len(actions)} actions"
    return next(filter(None, map(_reason_mismatch, actions, reasons)), None)


def reasons_of(refusal: Mapping[str, Any]) -> tuple[CancellationReason, ...]:
    """Return the reasons for which a transaction was refused."""
    return tuple(
        CancellationReason(reason.get("Code", "None"), reason.get("Message"), reason.get("Item"))
        for reason in _objects(refusal, "CancellationReasons")
    )


def throttling_of(refusal: Mapping[str, Any]) -> tuple[str, ...]:
    """Return which limits of which resources a call was too much for."""
    return tuple(
        f"{reason.get('reason', 'unknown')} of {reason.get('resource', 'the table')}"
        for reason in _objects(refusal, "ThrottlingReasons")
    )


def _objects(found: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    value = found.get(name)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _has_condition(action: Mapping[str, Mapping[str, Any]]) -> bool:
    return any("ConditionExpression" in request for request in action.values())


def _reason_mismatch(action: Mapping[str, Params], reason: CancellationReason) -> str | None:
    """Return why an action was not refused for this reason, None if it may have been."""
    if reason.code == "ConditionalCheckFailed" and not _has_condition(action):
        return "a condition failed that was not set"
    item = reason.item
    if item is None:
        return None
    (request,) = action.values()
    problem = _another(request.get("Key", {}), item, whole=True)
    # Which attributes of an item that is put are its key is not known here: one of them is.
    put = request.get("Item")
    if problem is None and put and not any(_same(put[name], item.get(name)) for name in put):
        return "the item has no value of the one that is put in its place"
    return problem


def _another(key: Mapping[str, Any], item: Any, *, whole: bool) -> str | None:
    """Return how an item differs from the key that was asked for.

    `whole` says that the item has all its attributes, and so its key.
    """
    problem = _untyped([item])
    if problem is not None:
        return problem
    for name, value in key.items():
        if name not in item:
            if whole:
                return f"the item has no {name!r}"
        elif not _same(item[name], value):
            return f"the item is another's: {name!r} is {item[name]!r}, not {value!r}"
    return None


def _untyped(items: Any) -> str | None:
    """Return why these are not items as DynamoDB has them, None if they are."""
    if not isinstance(items, list):
        return "the items are no list"
    for item in items:
        if not isinstance(item, Mapping):
            return "the item is no object"
        for name, value in item.items():
            if not _is_typed(value):
                return f"the item's {name!r} is {value!r}"
    return None


def _is_typed(value: Any) -> bool:
    """Return whether this is a value with its type, as {"S": "text"} is."""
    if not isinstance(value, dict) or len(value) != 1:
        return False
    ((kind, inner),) = value.items()
    if not isinstance(inner, _TYPES.get(kind, object)):
        return False
    if kind in ("M", "L"):
        return all(map(_is_typed, inner.values() if kind == "M" else inner))
    return True


def _same(one: Any, other: Any) -> bool:
    return bool(one == other) or _equal_numbers(one, other)


def _equal_numbers(one: Any, other: Any) -> bool:
    """Whether both are the same number: DynamoDB sends "1" for a key that was sent as "1.0"."""
    try:
        return Decimal(one["N"]) == Decimal(other["N"])
    except (KeyError, TypeError, InvalidOperation):
        return False


def _get(params: Params, reply: Reply) -> str | None:
    item = reply.get("Item")
    if item is None:
        return None
    return _another(params["Key"], item, whole="ProjectionExpression" not in params)


def _write(params: Params, reply: Reply) -> str | None:
    asked = params.get("ReturnValues", "NONE")
    attributes = reply.get("Attributes")
    if attributes is None:
        # An item that was just made has no old values; a new one always has its key.
        return "the new item is missing" if asked == "ALL_NEW" else None
    if asked == "NONE":
        return "attributes came that were not asked for"
    key = params.get("Key")
    if key is None:  # PutItem: which of its attributes are the key is not known here
        return _untyped([attributes])
    return _another(key, attributes, whole=asked in ("ALL_NEW", "ALL_OLD"))


def _transact_get(params: Params, reply: Reply) -> str | None:
    asked, answers = params["TransactItems"], reply.get("Responses")
    if not isinstance(answers, list) or len(answers) != len(asked):
        return f"it does not answer each of {len(asked)} reads"
    for action, answer in zip(asked, answers, strict=True):
        if not isinstance(answer, Mapping):
            return "the answer to a read is no object"
        if answer.get("Item") is not None:
            problem = _get(action["Get"], answer)
            if problem is not None:
                return problem
    return None


def _batch_get(params: Params, reply: Reply) -> str | None:
    answers, left = reply.get("Responses"), reply.get("UnprocessedKeys", {})
    if not isinstance(answers, Mapping) or not isinstance(left, Mapping):
        return "it has no responses"
    strange = (answers.keys() | left.keys()) - params["RequestItems"].keys()
    if strange:
        return f"it is about {sorted(strange)}"
    if not all(isinstance(keys, Mapping) and keys.get("Keys") for keys in left.values()):
        return "it leaves unsaid which keys are unprocessed"
    for table, asked in params["RequestItems"].items():
        problem = _unasked(asked, answers.get(table, []), left.get(table, {}).get("Keys", []))
        if problem is not None:
            return problem
    return None


def _unasked(asked: Params, items: Any, unprocessed: Any) -> str | None:
    """Return why items and keys are not among those that were asked for, None if they may be."""
    problem = _untyped(items) or _untyped(unprocessed)
    keys = asked.get("Keys", ())
    if problem is not None or not keys or "ProjectionExpression" in asked:
        return problem
    names = list(keys[0])
    wanted = {_place(key, names) for key in keys}
    found = [_place(item, names) for item in (*items, *unprocessed)]
    if not wanted.issuperset(found):
        return "an item is none of those that were asked for"
    return "an item came twice" if len(set(found)) < len(found) else None


def _place(item: Mapping[str, Any], names: Sequence[str]) -> tuple[Any, ...]:
    """Return the values of an item's key, alike for numbers that are equal."""
    return tuple(_plain(item.get(name)) for name in names)


def _plain(value: Any) -> str:
    """Return a text of a typed value that is the same for equal numbers."""
    try:
        return f"N {Decimal(value['N']).normalize()}"
    except (KeyError, TypeError, InvalidOperation):
        return repr(value)


def _batch_statements(params: Params, reply: Reply) -> str | None:
    asked, answers = params["Statements"], reply.get("Responses")
    if not isinstance(answers, list) or len(answers) != len(asked):
        return f"it does not answer each of {len(asked)} statements"
    if not all(isinstance(answer, Mapping) for answer in answers):
        return "the answer to a statement is no object"
    return None


def _listing(params: Params, reply: Reply) -> str | None:
    if params.get("Select") == "COUNT":
        return None if isinstance(reply.get("Count"), int) else "it has no count"
    items, last = reply.get("Items"), reply.get("LastEvaluatedKey")
    problem = _untyped(items) or (None if last is None else _untyped([last]))
    # Whatever is listed has its key, at the least.
    return problem or (None if all(items or ()) else "an item is empty")


_TYPES: Mapping[str, Any] = {  # what is read for them; bytes are decoded elsewhere
    "B": bytes,
    **dict.fromkeys(("S", "N"), str),
    **dict.fromkeys(("L", "SS", "NS", "BS"), list),
    **dict.fromkeys(("BOOL", "NULL"), bool),
    "M": dict,
}
_ASKED_FOR = {  # what a call has that can be refused so
    "ConditionalCheckFailedException": "ConditionExpression",
    "TransactionCanceledException": "TransactItems",
}
# Members that tell DynamoDB's replies apart. Others, of releases to come, are no reason for doubt.
_TELLING = ("Attributes", "Count", "Item", "Items", "Responses")
_CHECKS: Mapping[str, tuple[tuple[str, ...], Callable[[Params, Reply], str | None]]] = {
    "BatchExecuteStatement": (("Responses",), _batch_statements),
    "BatchGetItem": (("Responses",), _batch_get),
    "DeleteItem": (("Attributes",), _write),
    "GetItem": (("Item",), _get),
    "PutItem": (("Attributes",), _write),
    "Query": (("Count", "Items"), _listing),
    "Scan": (("Count", "Items"), _listing),
    "TransactGetItems": (("Responses",), _transact_get),
    "TransactWriteItems": ((), lambda _params, _reply: None),
    "UpdateItem": (("Attributes",), _write),
}
