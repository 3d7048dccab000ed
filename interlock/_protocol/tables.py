"""The coordination table: its schema, how it is made, and whether one that exists fits."""

from collections.abc import Mapping
from typing import Any

from interlock._exports import public_in
from interlock._protocol.faults import Fault, Refused
from interlock._protocol.kinds import checked_table
from interlock._protocol.layout import TableLayout, checked_layout, key_in_words
from interlock._protocol.requests import Call, Operation, monotonic, sleep
from interlock._protocol.retry import RetryBudget, Target
from interlock.errors import ServiceUnavailable, TableUnfit

_LOOK = 0.5  # seconds between two looks at a table that is being made


@public_in("interlock.tables")
def schema(name: str, layout: TableLayout | None = None, *, listing: bool = True) -> dict[str, Any]:
    """Return the parameters of CreateTable, without TTL, which has a call of its own.

    `listing=False` leaves the index out by which counters are listed.
    """
    named = checked_layout(layout)
    attributes = [*named.key_names, *([named.listing_key] if listing else ())]
    parameters: dict[str, Any] = {
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [
            {"AttributeName": attribute, "AttributeType": "S"} for attribute in attributes
        ],
        "KeySchema": _key_schema(*named.key_names),
    }
    if listing:
        index = {
            "IndexName": named.listing_index,
            "KeySchema": _key_schema(named.listing_key, named.partition_key),
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }
        parameters["GlobalSecondaryIndexes"] = [index]
    return parameters


@public_in("interlock.tables")
def time_to_live(name: str, layout: TableLayout | None = None) -> dict[str, Any]:
    """Return the parameters of UpdateTimeToLive."""
    specification = {"AttributeName": checked_layout(layout).ttl, "Enabled": True}
    return {"TableName": name, "TimeToLiveSpecification": specification}


def create(
    name: str, *, deletion_protection: bool, timeout: float, layout: TableLayout, listing: bool
) -> Operation[bool]:
    """Make the table unless it exists, and return whether it was made, once it can be used.

    Raises `TableUnfit` for one that exists and does not fit; `AccessDenied`, `ServiceUnavailable`.
    """
    checked_table(name)
    budget = RetryBudget(Target((name,), "the IAM action dynamodb:CreateTable"))
    yield from budget.start(timeout)
    parameters = schema(name, layout, listing=listing)
    if deletion_protection:
        parameters["DeletionProtectionEnabled"] = True
    made = (
        yield from _ask(budget, "CreateTable", parameters, "ResourceInUseException")
    ) is not None
    yield from _active(budget, name, layout, listing=listing)
    if (yield from _expires(budget, name, layout)) is None:
        yield from _ask(budget, "UpdateTimeToLive", time_to_live(name, layout), None)
    return made


def problems(table: Mapping[str, Any], layout: TableLayout, *, listing: bool) -> list[str]:
    """Return what of a table's description does not fit a layout, in a reader's words.

    Without `listing` it needs no index.
    """
    index, listing_key = layout.listing_index, layout.listing_key
    types = {
        attribute["AttributeName"]: attribute["AttributeType"]
        for attribute in table.get("AttributeDefinitions", ())
    }
    found = []
    if _keys(table) != [*layout.key_names]:
        found.append(f"its key is {_keys(table)}, not {key_in_words(layout)}")
    else:
        for kind, name in zip(("partition", "sort"), layout.key_names, strict=False):
            if types.get(name) != "S":
                found.append(f"its {kind} key {name!r} is of type {types.get(name)}, not S")
    indexes = {one["IndexName"]: one for one in table.get("GlobalSecondaryIndexes", ())}
    wanted = [listing_key, layout.partition_key]
    if not listing:
        return found
    if index not in indexes:
        found.append(
            f"it has no global secondary index {index!r}, which lists counters "
            "(listing=False does without)"
        )
    elif _keys(indexes[index]) != wanted:
        keys = ", ".join(wanted)
        found.append(f"its index {index!r} has the key {_keys(indexes[index])}, not {keys}")
    return found


def _active(
    budget: RetryBudget, name: str, layout: TableLayout, *, listing: bool
) -> Operation[None]:
    while True:
        reply = yield from _ask(budget, "DescribeTable", {"TableName": name}, None)
        table = (reply or {}).get("Table", {})
        if unfit := problems(table, layout, listing=listing):
            raise TableUnfit(name, unfit)
        states = [table.get("TableStatus", "unknown"), *_states(table)]
        if all(state == "ACTIVE" for state in states):
            return
        if (yield from monotonic()) + _LOOK > budget.deadline:
            raise ServiceUnavailable(f"table {name!r} is not active yet: {', '.join(states)}")
        yield from sleep(_LOOK)


def _expires(budget: RetryBudget, name: str, layout: TableLayout) -> Operation[str | None]:
    """Return the attribute by which the table's items expire, None if they do not."""
    reply = yield from _ask(budget, "DescribeTimeToLive", {"TableName": name}, None)
    description = (reply or {}).get("TimeToLiveDescription", {})
    if description.get("TimeToLiveStatus") not in {"ENABLED", "ENABLING"}:
        return None
    attribute: str = description.get("AttributeName", "")
    if attribute != layout.ttl:
        raise TableUnfit(name, [f"its items expire by {attribute!r}, not by {layout.ttl!r}"])
    return attribute


def _ask(
    budget: RetryBudget, operation: str, parameters: Mapping[str, Any], expected: str | None
) -> Operation[Mapping[str, Any] | None]:
    """Return the reply, or None where the service refuses with the code that is expected."""
    while True:
        try:
            reply: Mapping[str, Any] = yield Call(operation, parameters, budget.deadline)
        except Fault as fault:
            if isinstance(fault, Refused) and fault.code == expected:
                return None
            yield from budget.after(fault)
        else:
            return reply


def _key_schema(*attributes: str) -> list[dict[str, str]]:
    kinds = zip(attributes, ("HASH", "RANGE"), strict=False)
    return [{"AttributeName": attribute, "KeyType": kind} for attribute, kind in kinds]


def _keys(described: Mapping[str, Any]) -> list[str]:
    kinds = {key["KeyType"]: key["AttributeName"] for key in described.get("KeySchema", ())}
    return [kinds[kind] for kind in ("HASH", "RANGE") if kind in kinds]


def _states(table: Mapping[str, Any]) -> list[str]:
    return [index.get("IndexStatus", "ACTIVE") for index in table.get("GlobalSecondaryIndexes", ())]
