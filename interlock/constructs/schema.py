"""The schema of a coordination table, and whether a table that an app makes has it.

| | attribute | type |
|---|---|---|
| partition key | `pk` | S |
| index `listing`, partition key | `listing` | S |
| index `listing`, sort key | `pk` | S |
| time to live | `expires` | N |

The index is sparse (only headers of counters are in it) and needs the keys alone.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from aws_cdk import Stack
from aws_cdk import aws_dynamodb as dynamodb

PARTITION_KEY = "pk"
LISTING_INDEX = "listing"
LISTING_KEY = "listing"
TIME_TO_LIVE = "expires"

_KEY = [(PARTITION_KEY, "HASH")]
_LISTING = [(LISTING_KEY, "HASH"), (PARTITION_KEY, "RANGE")]


def check_schema(table: dynamodb.ITable) -> None:
    """Raise `ValueError` with all that a table lacks, where its template is known."""
    resource = table.node.default_child
    if not isinstance(resource, dynamodb.CfnGlobalTable | dynamodb.CfnTable):
        return  # imported: its owner answers for it
    properties = Stack.of(table).resolve(
        {
            "key": resource.key_schema,
            "attributes": resource.attribute_definitions,
            "indexes": resource.global_secondary_indexes,
            "ttl": resource.time_to_live_specification,
            # On which DynamoDB has no time to live.
            "everywhere": getattr(resource, "multi_region_consistency", None) == "STRONG",
        }
    )
    problems = list(_problems(properties))
    if problems:
        listed = "".join(f"\n  - {problem}" for problem in problems)
        raise ValueError(f"{table.node.path} is no coordination table:{listed}")


def _problems(found: Mapping[str, Any]) -> Iterator[str]:
    key = _keys(found["key"])
    if key != _KEY:
        yield f"its key is {key}; give it the partition key {PARTITION_KEY} (S) alone"
    indexes = {_get(index, "indexName"): index for index in found.get("indexes") or ()}
    listing = indexes.get(LISTING_INDEX)
    if listing is None or _keys(_get(listing, "keySchema")) != _LISTING:
        yield (
            f"it lacks the index {LISTING_INDEX}: partition key {LISTING_KEY} (S), sort key "
            f"{PARTITION_KEY} (S), keys only"
        )
    types = {_get(a, "attributeName"): _get(a, "attributeType") for a in found["attributes"] or ()}
    for name in (PARTITION_KEY, LISTING_KEY):
        if types.get(name, "S") != "S":
            yield f"its attribute {name} is of type {types[name]}, not S"
    ttl = found.get("ttl") or {}
    if found["everywhere"]:
        return
    if _get(ttl, "attributeName") != TIME_TO_LIVE or _get(ttl, "enabled") is not True:
        yield f"its time to live is not by the attribute {TIME_TO_LIVE}"


def _keys(schema: Any) -> list[tuple[str, str]]:
    return [(_get(part, "attributeName"), _get(part, "keyType")) for part in schema or ()]


def _get(part: Mapping[str, Any], name: str) -> Any:
    """Return a property, whose name CDK resolves as it was given: in either case."""
    return part.get(name, part.get(name[0].upper() + name[1:]))
