"""A lock's item, and what is asked of the store about it.

| attribute | meaning |
|---|---|
| `pk` S | `lock#<name>` |
| `fence` N | fencing token: rises at every grant, for the life of the table |
| `version` S | a fresh id at each grant and heartbeat; absent = free |
| `owner` S | who, for people |
| `lease_ms` N | how long the holder may go without a heartbeat |
| `held_since`, `held_until` N | epoch milliseconds by the holder's wall clock, for people and |
| | for those who trust wall clocks by `max_clock_skew`; nothing else reads them |
| `data` | the holder's payload |
| `expires` N | epoch *seconds*, for DynamoDB's TTL: garbage collection, never the lease |
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from interlock._protocol.locks.settings import KEPT, PREFIX
from interlock._protocol.requests import Call
from interlock._protocol.values import from_attribute
from interlock.errors import LossReason

FREE = "attribute_not_exists(version)"
# The seed is the time, so that a row that was deleted does not start the numbering again.
_GRANT = (
    "SET fence = if_not_exists(fence, :seed) + :one, version = :version, #owner = :owner, "
    "lease_ms = :lease, held_since = :now, held_until = :until, expires = :expires"
)
_GRANT_BARE = f"{_GRANT} REMOVE #data"
_GRANT_DATA = f"{_GRANT}, #data = :data"
_NAMES = {"#owner": "owner", "#data": "data"}
_RENEW = "SET version = :version, held_until = :until, expires = :expires"
_RELEASE = "REMOVE version, lease_ms, held_since, held_until, #owner, #data SET expires = :expires"
_ONE = {"N": "1"}


@dataclass(frozen=True, slots=True)
class LockRecord:
    """What the store holds of a lock. `held` says that somebody holds it or did until a crash.

    `fencing_token` is the last grant's. `owner`, `lease`, `since` (by the holder's clock), `data`
    and `version` are None for a lock that is free.
    """

    name: str
    held: bool
    fencing_token: int
    owner: str | None = None
    lease: timedelta | None = None
    since: datetime | None = None
    data: Any = None
    version: str | None = None

    @classmethod
    def of(cls, item: Mapping[str, Any]) -> "LockRecord":
        """Read an item."""
        name = item["pk"]["S"].removeprefix(PREFIX)
        fence, version = fence_of(item), version_of(item)
        if version is None:
            return cls(name, held=False, fencing_token=fence)
        since = item.get("held_since")
        return cls(
            name,
            held=True,
            fencing_token=fence,
            owner=item.get("owner", {}).get("S"),
            lease=timedelta(seconds=lease_of(item)),
            since=None if since is None else datetime.fromtimestamp(int(since["N"]) / 1000, UTC),
            data=from_attribute(item["data"]) if "data" in item else None,
            version=version,
        )


def key_of(name: str) -> dict[str, Any]:
    """Return the primary key of a lock's item."""
    return {"pk": {"S": PREFIX + name}}


def version_of(item: Mapping[str, Any] | None) -> str | None:
    """Return the version of a held lock, None of a free one."""
    held = item.get("version") if item else None
    return None if held is None else held["S"]


def fence_of(item: Mapping[str, Any]) -> int:
    """Return the fencing token of the last grant."""
    return int(item["fence"]["N"]) if "fence" in item else 0


def lease_of(item: Mapping[str, Any]) -> float:
    """Return the lease that the holder promised, in seconds."""
    return int(item["lease_ms"]["N"]) / 1000 if "lease_ms" in item else 0.0


def loss_of(item: Mapping[str, Any] | None, fence: int) -> LossReason:
    """Say how the lock of this fence was lost, by a record that has none of its versions."""
    if not item:
        return LossReason.DELETED
    if version_of(item) is None and fence_of(item) == fence:
        return LossReason.RELEASED
    return LossReason.TAKEN_OVER


def read_call(table: str, name: str) -> Call:
    """Return the call that reads a lock's item as it is now."""
    return Call("GetItem", {"TableName": table, "Key": key_of(name), "ConsistentRead": True})


def grant_update(
    table: str,
    name: str,
    *,
    version: str,
    owner: str,
    lease: float,
    data: Mapping[str, Any] | None,
    wall: float,
    takeable: tuple[str, ...],
) -> dict[str, Any]:
    """Return the update that takes a lock if it is free, or held by one of these versions."""
    now = int(wall * 1000)
    lease_ms = round(lease * 1000)
    values: dict[str, Any] = {
        ":seed": {"N": str(now)},
        ":one": _ONE,
        ":version": {"S": version},
        ":owner": {"S": owner},
        ":lease": {"N": str(lease_ms)},
        ":now": {"N": str(now)},
        ":until": {"N": str(now + lease_ms)},
        ":expires": {"N": str(expiry(wall, lease))},
    }
    if data is not None:
        values[":data"] = data
    condition = FREE
    if takeable:
        condition = f"{FREE} OR {_among(takeable, values)}"
    return {
        "TableName": table,
        "Key": {"pk": {"S": PREFIX + name}},
        "UpdateExpression": _GRANT_BARE if data is None else _GRANT_DATA,
        "ConditionExpression": condition,
        "ExpressionAttributeNames": _NAMES,
        "ExpressionAttributeValues": values,
    }


def grant_call(update: dict[str, Any]) -> Call:
    """Return the call that makes one grant alone, and brings what it made or what refused it."""
    return Call(
        "UpdateItem",
        {**update, "ReturnValues": "ALL_NEW", "ReturnValuesOnConditionCheckFailure": "ALL_OLD"},
    )


def renewal_call(
    table: str, name: str, *, version: str, lease: float, wall: float, own: tuple[str, ...]
) -> Call:
    """Return the call of one heartbeat, refused unless the record has one of our own versions."""
    values = {
        ":version": {"S": version},
        ":until": {"N": str(int(wall * 1000) + round(lease * 1000))},
        ":expires": {"N": str(expiry(wall, lease))},
    }
    return Call(
        "UpdateItem",
        {
            "TableName": table,
            "Key": {"pk": {"S": PREFIX + name}},
            "UpdateExpression": _RENEW,
            "ConditionExpression": _among(own, values),
            "ExpressionAttributeValues": values,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        },
    )


def release_call(table: str, name: str, *, wall: float, own: tuple[str, ...]) -> Call:
    """Return the call that frees a lock and keeps its row, for the sake of `fence`."""
    values = {":expires": {"N": str(expiry(wall, 0))}}
    return Call(
        "UpdateItem",
        {
            "TableName": table,
            "Key": {"pk": {"S": PREFIX + name}},
            "UpdateExpression": _RELEASE,
            "ConditionExpression": _among(own, values),
            "ExpressionAttributeNames": _NAMES,
            "ExpressionAttributeValues": values,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        },
    )


def guard(table: str, name: str, fence: int) -> dict[str, Any]:
    """Return the ConditionCheck that holds as long as this grant does.

    A heartbeat changes `version` and leaves `fence` alone, so that it does not disturb a commit.
    """
    return {
        "ConditionCheck": {
            "TableName": table,
            "Key": key_of(name),
            "ConditionExpression": "fence = :fence AND attribute_exists(version)",
            "ExpressionAttributeValues": {":fence": {"N": str(fence)}},
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
    }


def guarded(check: Mapping[str, Any]) -> tuple[str, int] | None:
    """Return the name and fence that a ConditionCheck guards, None if it is not one of `guard`."""
    key = check["Key"].get("pk", {}).get("S", "")
    fence = check.get("ExpressionAttributeValues", {}).get(":fence")
    if fence is None or not key.startswith(PREFIX):
        return None
    return key.removeprefix(PREFIX), int(fence["N"])


def expiry(wall: float, lease: float) -> int:
    """Return when TTL may delete a record, in epoch seconds (milliseconds would be year 50000)."""
    return int(wall + lease) + KEPT


def _among(versions: tuple[str, ...], values: dict[str, Any]) -> str:
    if len(versions) == 1:
        values[":v0"] = {"S": versions[0]}
        return "version = :v0"
    names = [f":v{i}" for i in range(len(versions))]
    values.update(zip(names, ({"S": version} for version in versions), strict=True))
    return f"version IN ({', '.join(names)})"
