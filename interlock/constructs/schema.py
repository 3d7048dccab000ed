"""The schema of a coordination table, and whether a table that an app makes has it.

| | attribute | type |
|---|---|---|
| partition key | `pk` | S |
| index `listing`, partition key | `listing` | S |
| index `listing`, sort key | `pk` | S |
| time to live | `expires` | N |

The index is sparse (only headers of counters are in it) and needs the keys alone. A table of
another `TableLayout` has these under its own names, and a sort key if the layout has one.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from aws_cdk import Stack
from aws_cdk import aws_dynamodb as dynamodb

from interlock._protocol.layout import DEFAULT, TableLayout, key_in_words

PARTITION_KEY = DEFAULT.partition_key
LISTING_INDEX = DEFAULT.listing_index
LISTING_KEY = DEFAULT.listing_key
TIME_TO_LIVE = DEFAULT.ttl


def check_schema(table: dynamodb.ITable, layout: TableLayout, *, listing: bool) -> None:
    """Raise `ValueError` with all that a table lacks of a layout, where its template is known.

    Without `listing` it needs no index.
    """
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
    problems = list(_problems(properties, layout, listing=listing))
    if problems:
        listed = "".join(f"\n  - {problem}" for problem in problems)
        raise ValueError(f"{table.node.path} is no coordination table:{listed}")


def _problems(found: Mapping[str, Any], layout: TableLayout, *, listing: bool) -> Iterator[str]:
    key = _keys(found["key"])
    if key != list(zip(layout.key_names, ("HASH", "RANGE"), strict=False)):
        yield (
            f"its key is {key}; give it {key_in_words(layout)}, of type S, or say by "
            "layout=TableLayout(...) what it is called"
        )
    partition_key, listing_key = layout.partition_key, layout.listing_key
    indexes = {_get(index, "indexName"): index for index in found.get("indexes") or ()}
    index = indexes.get(layout.listing_index)
    wanted = [(listing_key, "HASH"), (partition_key, "RANGE")]
    if listing and (index is None or _keys(_get(index, "keySchema")) != wanted):
        yield (
            f"it lacks the index {layout.listing_index}: partition key {listing_key} (S), sort key "
            f"{partition_key} (S), keys only; or say by listing=False that counters are not listed"
        )
    types = {_get(a, "attributeName"): _get(a, "attributeType") for a in found["attributes"] or ()}
    for name in (*layout.key_names, *([listing_key] if listing else ())):
        if types.get(name, "S") != "S":
            yield f"its attribute {name} is of type {types[name]}, not S"
    ttl = found.get("ttl") or {}
    if found["everywhere"]:
        return
    if _get(ttl, "attributeName") != layout.ttl or _get(ttl, "enabled") is not True:
        yield f"its time to live is not by the attribute {layout.ttl}"


def _keys(schema: Any) -> list[tuple[str, str]]:
    return [(_get(part, "attributeName"), _get(part, "keyType")) for part in schema or ()]


def _get(part: Mapping[str, Any], name: str) -> Any:
    """Return a property, whose name CDK resolves as it was given: in either case."""
    return part.get(name, part.get(name[0].upper() + name[1:]))
