"""IAM's evaluation of requests to DynamoDB, as far as grants of tables use it.

Identity policies of one principal: an explicit denial wins, else one statement must allow. Sources:
- logic: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
- operators, and ForAllValues, which holds for a key that is absent:
  https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
- which actions a transaction takes, each for its item:
  https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html
- LeadingKeys: the partition keys of the items that a request names; absent for a Scan and for
  PartiQL without a key:
  https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
- Attributes: of an update those of its key and of its expressions, by the same page
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LEADING_KEYS = "dynamodb:LeadingKeys"
ATTRIBUTES, SELECT = "dynamodb:Attributes", "dynamodb:Select"
# A word of an expression that is no value, and the path behind it.
_NAMED = re.compile(r"(?<![:#.\w])(#?[A-Za-z_]\w*)(?:[.\[][^\s,()]*)?(?!\w|\()")
_KEYWORDS = frozenset({"SET", "REMOVE", "ADD", "DELETE", "AND", "OR", "NOT", "IN", "BETWEEN"})
_PARTS = re.compile(r"\$\{([*?$])\}|([*?])|([^*?$]+|\$)", re.DOTALL)


@dataclass(frozen=True)
class Request:
    """One action on one resource; `keys` are its items' partition keys, None where it has none.

    `attributes` are those that it names, None where it names none; `select` is what it says that it
    reads.
    """

    action: str
    resource: str
    keys: tuple[str, ...] | None = None
    attributes: tuple[str, ...] | None = None
    select: str | None = None


def allowed(statements: Sequence[Mapping[str, Any]], request: Request) -> bool:
    """Whether these statements of a principal allow a request."""
    effects = {s["Effect"] for s in statements if _applies(s, request)}
    return "Allow" in effects and "Deny" not in effects


def like(text: str, pattern: str) -> bool:
    """Whether IAM's StringLike holds: `*` and `?` are wildcards, `${*}` and so on themselves."""
    expression = "".join(
        re.escape(escaped or literal) if not wild else {"*": ".*", "?": "."}[wild]
        for escaped, wild, literal in _PARTS.findall(pattern)
    )
    return re.fullmatch(expression, text, re.DOTALL) is not None


def requests(  # noqa: C901 - a case for each call
    table: str, operation: str, params: Mapping[str, Any], *, partition_key: str = "pk"
) -> Iterator[Request]:
    """Yield what IAM is asked for one call of DynamoDB's API; `params` are as boto3 has them."""
    match operation:
        case "TransactWriteItems" | "TransactGetItems":
            for action in params["TransactItems"]:
                ((kind, body),) = action.items()
                name = {"Get": "GetItem", "ConditionCheck": "ConditionCheckItem"}.get(
                    kind, f"{kind}Item"
                )
                yield _on_item(table, name, body, partition_key)
        case "BatchGetItem":
            for body in params["RequestItems"].values():
                keys = tuple(key[partition_key]["S"] for key in body["Keys"])
                yield Request("dynamodb:BatchGetItem", table, keys)
        case "BatchWriteItem":
            for writes in params["RequestItems"].values():
                bodies = [next(iter(write.values())) for write in writes]
                keys = tuple((b.get("Key") or b["Item"])[partition_key]["S"] for b in bodies)
                yield Request("dynamodb:BatchWriteItem", table, keys)
        case "Query":
            index = params.get("IndexName")
            key, *_ = params["ExpressionAttributeValues"].values()  # the partition key's is first
            yield Request(
                "dynamodb:Query", f"{table}/index/{index}" if index else table, (key["S"],)
            )
        case "Scan" | "ExecuteStatement":
            name = {"Scan": "Scan", "ExecuteStatement": "PartiQLSelect"}[operation]
            named = tuple(params.get("ExpressionAttributeNames", {}).values()) or None
            select = params.get("Select", "ALL_ATTRIBUTES" if operation == "Scan" else None)
            yield Request(f"dynamodb:{name}", table, attributes=named, select=select)
        case "BatchExecuteStatement":
            yield from (_of_statement(table, one, partition_key) for one in params["Statements"])
        case "UpdateItem":
            (key,) = _on_item(table, operation, params, partition_key).keys or ()
            yield Request("dynamodb:UpdateItem", table, (key,), attributes=_updated(params))
        case _:
            yield _on_item(table, operation, params, partition_key)


def _of_statement(table: str, statement: Mapping[str, Any], partition_key: str) -> Request:
    before, _, _ = statement["Statement"].partition(f'"{partition_key}" = ?')
    key = statement["Parameters"][before.count("?")]
    return Request("dynamodb:PartiQLUpdate", table, (key["S"],))


def _on_item(table: str, operation: str, params: Mapping[str, Any], partition_key: str) -> Request:
    key = params.get("Key") or params["Item"]
    return Request(f"dynamodb:{operation}", table, (key[partition_key]["S"],))


def _updated(params: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the attributes that an update names."""
    names = params.get("ExpressionAttributeNames", {})
    texts = (params.get(part, "") for part in ("UpdateExpression", "ConditionExpression"))
    words = {word for text in texts for word in _NAMED.findall(text)} - _KEYWORDS
    return tuple(sorted({*params["Key"], *(names.get(word, word) for word in words)}))


def _applies(statement: Mapping[str, Any], request: Request) -> bool:
    return (
        any(like(request.action.lower(), each.lower()) for each in _listed(statement["Action"]))
        and any(like(request.resource, each) for each in _listed(statement["Resource"]))
        and all(
            _holds(operator, values, request)
            for operator, values in statement.get("Condition", {}).items()
        )
    )


def _holds(operator: str, values: Mapping[str, Any], request: Request) -> bool:
    ((key, wanted),) = values.items()
    found = {
        LEADING_KEYS: request.keys,
        ATTRIBUTES: request.attributes,
        SELECT: None if request.select is None else (request.select,),
    }.get(key)
    patterns = _listed(wanted)
    match operator:
        case "ForAllValues:StringLike":
            return all(any(like(each, p) for p in patterns) for each in found or ())
        case "ForAllValues:StringNotLike":
            return all(not any(like(each, p) for p in patterns) for each in found or ())
        case "ForAllValues:StringEquals":
            return all(each in patterns for each in found or ())
        case "StringEquals":
            return found is not None and all(each in patterns for each in found)
        case "Null":
            return (found is None) is (patterns == ["true"])
    raise NotImplementedError(f"condition {operator} on {key}")


def _listed(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list) else [value]
