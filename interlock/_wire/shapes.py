"""Does this reply answer that call? What does not is a lost reply, whichever call it was meant for.

A reply that bears a request id and the right checksum may still be another request's: a proxy or a
shared connection may hand it over. So a reply has the members that its call asked for and none of
another operation's, and the items in it have the keys that were asked for.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from interlock._protocol.faults import NoReply, Refused
from interlock._protocol.requests import Call

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
        key = params.get("Key")
        own = params.get("Item")
        if isinstance(key, Mapping):
            return _another(key, item, whole=True)
        if isinstance(own, Mapping) and not isinstance(item, Mapping):
            return "the record that refused the call is no item"
    actions = params.get("TransactItems")
    if reasons and isinstance(actions, Sequence) and len(reasons) != len(actions):
        return f"{len(reasons)} reasons came for {len(actions)} actions"
    return None


def _another(key: Mapping[str, Any], item: Any, *, whole: bool) -> str | None:
    """Return how an item differs from the key that was asked for.

    `whole` says that the item has all its attributes, and so its key.
    """
    if not isinstance(item, Mapping):
        return "the item is no object"
    for name, value in key.items():
        if name not in item:
            if whole:
                return f"the item has no {name!r}"
        elif item[name] != value and not _equal_numbers(item[name], value):
            return f"the item is another's: {name!r} is {item[name]!r}, not {value!r}"
    return None


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
        return None if isinstance(attributes, Mapping) else "the item is no object"
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
    return f"it is about {sorted(strange)}" if strange else None


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
    return None if isinstance(reply.get("Items"), list) else "it has no items"


def _having(*names: str) -> Callable[[Params, Reply], str | None]:
    def check(_params: Params, reply: Reply) -> str | None:
        missing = [name for name in names if not reply.get(name)]
        return f"it has no {missing[0]}" if missing else None

    return check


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
    "GenerateMac": ((), _having("Mac")),
    "GetItem": (("Item",), _get),
    "GetPublicKey": ((), _having("PublicKey")),
    "PutItem": (("Attributes",), _write),
    "Query": (("Count", "Items"), _listing),
    "Scan": (("Count", "Items"), _listing),
    "Sign": ((), _having("Signature")),
    "TransactGetItems": (("Responses",), _transact_get),
    "TransactWriteItems": ((), lambda _params, _reply: None),
    "UpdateItem": (("Attributes",), _write),
}
