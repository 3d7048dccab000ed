"""The coordination table: its schema, how it is made, and whether one that exists fits."""

from collections.abc import Mapping
from typing import Any

from interlock._exports import public_in
from interlock._protocol.faults import Fault, Refused
from interlock._protocol.kinds import checked_table
from interlock._protocol.requests import Call, Operation, monotonic, sleep
from interlock._protocol.retry import RetryBudget, Target
from interlock.errors import ServiceUnavailable, TableUnfit

KEY = "pk"
TTL_ATTRIBUTE = "expires"
LISTING = "listing"
_LOOK = 0.5  # seconds between two looks at a table that is being made


@public_in("interlock.tables")
def schema(name: str) -> dict[str, Any]:
    """Return the parameters of CreateTable, without TTL, which has a call of its own."""
    return {
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [
            {"AttributeName": KEY, "AttributeType": "S"},
            {"AttributeName": LISTING, "AttributeType": "S"},
        ],
        "KeySchema": [{"AttributeName": KEY, "KeyType": "HASH"}],
        "GlobalSecondaryIndexes": [
            {
                "IndexName": LISTING,
                "KeySchema": [
                    {"AttributeName": LISTING, "KeyType": "HASH"},
                    {"AttributeName": KEY, "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
    }


@public_in("interlock.tables")
def time_to_live(name: str) -> dict[str, Any]:
    """Return the parameters of UpdateTimeToLive."""
    specification = {"AttributeName": TTL_ATTRIBUTE, "Enabled": True}
    return {"TableName": name, "TimeToLiveSpecification": specification}


def create(name: str, *, deletion_protection: bool, timeout: float) -> Operation[bool]:
    """Make the table unless it exists, and return whether it was made, once it can be used.

    Raises `TableUnfit` for one that exists and does not fit; `AccessDenied`, `ServiceUnavailable`.
    """
    checked_table(name)
    budget = RetryBudget(Target((name,), "the IAM action dynamodb:CreateTable"))
    yield from budget.start(timeout)
    parameters = schema(name)
    if deletion_protection:
        parameters["DeletionProtectionEnabled"] = True
    made = (
        yield from _ask(budget, "CreateTable", parameters, "ResourceInUseException")
    ) is not None
    yield from _active(budget, name)
    if (yield from _expires(budget, name)) is None:
        yield from _ask(budget, "UpdateTimeToLive", time_to_live(name), None)
    return made


def problems(table: Mapping[str, Any]) -> list[str]:
    """Return what of a table's description does not fit, in a reader's words."""
    types = {
        attribute["AttributeName"]: attribute["AttributeType"]
        for attribute in table.get("AttributeDefinitions", ())
    }
    found = []
    if _keys(table) != [KEY]:
        found.append(f"its key is {_keys(table)}, not the partition key {KEY!r} alone")
    elif types.get(KEY) != "S":
        found.append(f"its partition key {KEY!r} is of type {types.get(KEY, 'unknown')}, not S")
    indexes = {index["IndexName"]: index for index in table.get("GlobalSecondaryIndexes", ())}
    if LISTING not in indexes:
        found.append(f"it has no global secondary index {LISTING!r}, which lists counters")
    elif _keys(indexes[LISTING]) != [LISTING, KEY]:
        found.append(
            f"its index {LISTING!r} has the key {_keys(indexes[LISTING])}, not listing, pk"
        )
    return found


def _active(budget: RetryBudget, name: str) -> Operation[None]:
    while True:
        reply = yield from _ask(budget, "DescribeTable", {"TableName": name}, None)
        table = (reply or {}).get("Table", {})
        if unfit := problems(table):
            raise TableUnfit(name, unfit)
        states = [table.get("TableStatus", "unknown"), *_states(table)]
        if all(state == "ACTIVE" for state in states):
            return
        if (yield from monotonic()) + _LOOK > budget.deadline:
            raise ServiceUnavailable(f"table {name!r} is not active yet: {', '.join(states)}")
        yield from sleep(_LOOK)


def _expires(budget: RetryBudget, name: str) -> Operation[str | None]:
    """Return the attribute by which the table's items expire, None if they do not."""
    reply = yield from _ask(budget, "DescribeTimeToLive", {"TableName": name}, None)
    description = (reply or {}).get("TimeToLiveDescription", {})
    if description.get("TimeToLiveStatus") not in {"ENABLED", "ENABLING"}:
        return None
    attribute: str = description.get("AttributeName", "")
    if attribute != TTL_ATTRIBUTE:
        raise TableUnfit(name, [f"its items expire by {attribute!r}, not by {TTL_ATTRIBUTE!r}"])
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


def _keys(described: Mapping[str, Any]) -> list[str]:
    kinds = {key["KeyType"]: key["AttributeName"] for key in described.get("KeySchema", ())}
    return [kinds[kind] for kind in ("HASH", "RANGE") if kind in kinds]


def _states(table: Mapping[str, Any]) -> list[str]:
    return [index.get("IndexStatus", "ACTIVE") for index in table.get("GlobalSecondaryIndexes", ())]
