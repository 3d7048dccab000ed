"""A lock's item, and what is asked of the store about it.

| attribute | meaning |
|---|---|
| `pk` S | `lock#<name>` |
| `fence` N | fencing token: rises at every grant, for the life of the table |
| `version` S | a unique id at each grant and heartbeat; absent = free |
| `owner` S | the holder, for people |
| `lease_ms` N | how long the holder may go without a heartbeat |
| `held_since`, `held_until` N | epoch milliseconds by the holder's wall clock, for people and |
| | for waiters that trust wall clocks by `max_clock_skew`; nothing else reads them |
| `data` | the holder's payload |
| `void_before` N | grants asked for with a lower `:asked` are void: their client is done |
| `broken` M | how it was broken last: `because`, `by`, `at`, the `grant` that it ended and its |
| | `owner`, the `fence` that the break set, and an `id` of the break |
| `last_run` M | the last run of a job: the `grant` and `owner` that made it, `at` when it began, |
| | `took` milliseconds, the `error` that it raised (`stopped`: it was cancelled), or its `result` |
| | as JSON |
| `queue` L of S | the tickets of those who wait for their turn, the first one first; see `queue` |
| `election` BOOL | a leader was elected by it: it stays, so that elections can be told from locks |
| `door` N | of a reader's slot: the writer's fence that closed it last; see `door` |
| `expires` N | epoch *seconds*, for DynamoDB's TTL: garbage collection, never the lease |
| `format` N | version of this table; absent = 1 |
"""

from collections.abc import Mapping
from typing import Any

from interlock._protocol.layout import own_name
from interlock._protocol.locks.grant import Shown
from interlock._protocol.locks.item import ELECTION, FORMAT, key_of
from interlock._protocol.locks.settings import KEPT, MOST_LEASE, PREFIX
from interlock._protocol.locks.sound import IN_TIME, SOUND, SOUND_NAMES, SOUND_VALUES
from interlock._protocol.locks.ticket import acceptance, owner_of
from interlock._protocol.requests import Call, Time

FREE = "attribute_not_exists(version)"
# The seed is the time, so that a row that was deleted does not start the numbering again.
_GRANT = (
    "SET fence = if_not_exists(fence, :seed) + :one, version = :version, #owner = :owner, "
    "lease_ms = :lease, held_since = :now, held_until = :until, expires = :expires"
)
_ELECT = f", {ELECTION} = :election"
_NAMES = {"#owner": "owner", "#data": "data"}
_GRANT_NAMES = {**_NAMES, **SOUND_NAMES}
_DATA_NAME = {"#data": "data"}
# With the lease, which an extension may have changed.
_RENEW = "SET version = :version, lease_ms = :lease, held_until = :until, expires = :expires"
_RELEASE = "REMOVE version, lease_ms, held_since, held_until, #owner, #data SET expires = :expires"
_UNQUEUED = "attribute_not_exists(#queue[0])"
_HAND_ON = (
    "REMOVE #data, #queue[0] SET version = :heir, fence = fence + :one, #owner = :owner, "
    "lease_ms = :lease, held_since = :now, held_until = :until, expires = :expires"
)
_HEIR_IS_FIRST = "#queue[0] = :heir"
_QUEUE_NAME = {"#queue": "queue"}
_UNBOUND = "attribute_not_exists(void_before) OR void_before < :void"
_VOID = "SET void_before = :void, expires = :expires"
_HELD = "fence = :fence AND attribute_exists(version)"
_ONE = {"N": "1"}
_NEAR = 60.0  # seconds by which a clock may be off and still give seeds


def read_call(table: str, name: str, deadline: float | None = None) -> Call:
    """Return the call that reads a lock's item as it is now."""
    params = {"TableName": table, "Key": key_of(name), "ConsistentRead": True}
    return Call("GetItem", params, deadline)


def grant_update(
    table: str,
    name: str,
    *,
    version: str,
    owner: str,
    lease: float,
    data: Mapping[str, Any] | None,
    time: Time,
    asked: int,
    takeable: tuple[str, ...],
    election: bool = False,
) -> dict[str, Any]:
    """Return the update that takes a lock if it is free, or held by one of these versions."""
    now = int(time.wall * 1000)
    lease_ms = round(lease * 1000)
    values: dict[str, Any] = {
        ":seed": _seed(time),
        ":version": {"S": version},
        ":owner": {"S": owner},
        ":lease": {"N": str(lease_ms)},
        ":now": {"N": str(now)},
        ":until": {"N": str(now + lease_ms)},
        ":expires": {"N": str(expiry(time, lease))},
        ":asked": {"N": str(asked)},
        **sound_values(),
    }
    update = _GRANT
    if election:
        update += _ELECT
        values[":election"] = {"BOOL": True}
    if data is None:
        update += " REMOVE #data"
    else:
        update += ", #data = :data"
        values[":data"] = data
    condition = FREE
    if takeable:
        condition = f"({FREE} OR {_among(takeable, values)})"
    in_time = f"{IN_TIME} AND {condition}"
    return {
        "TableName": table,
        "Key": {"pk": {"S": PREFIX + name}},
        "UpdateExpression": update,
        "ConditionExpression": f"{SOUND} AND {in_time}",
        "ExpressionAttributeNames": _GRANT_NAMES,
        "ExpressionAttributeValues": values,
    }


def grant_call(update: dict[str, Any], deadline: float | None = None) -> Call:
    """Return the call that makes one grant alone; its reply is the item, or what refused it."""
    params = {
        **update,
        "ReturnValues": "ALL_NEW",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    return Call("UpdateItem", params, deadline)


def renewal_call(
    table: str,
    name: str,
    *,
    version: str,
    lease: float,
    time: Time,
    own: tuple[str, ...],
    deadline: float | None = None,
    shown: Shown | None = None,
    run: Mapping[str, Any] | None = None,
    fence: int | None = None,
) -> Call:
    """Return the call of one heartbeat, refused unless the record has one of our own versions.

    It has to have the `fence`, too, if there is one. `shown` replaces the payload; `run` becomes
    the last run of a job. The reply shows the version that was written.
    """
    lease_ms = round(lease * 1000)
    values: dict[str, Any] = {
        ":version": {"S": version},
        ":lease": {"N": str(lease_ms)},
        ":until": {"N": str(int(time.wall * 1000) + lease_ms)},
        ":expires": {"N": str(expiry(time, lease))},
    }
    params = {
        "TableName": table,
        "Key": {"pk": {"S": PREFIX + name}},
        "UpdateExpression": _RENEW,
        "ConditionExpression": _among(own, values),
        "ExpressionAttributeValues": values,
        "ReturnValues": "UPDATED_NEW",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    if run is not None:
        params["UpdateExpression"] = f"{_RENEW}, last_run = :run"
        values |= {":run": run, ":expires": {"N": str(expiry(time, MOST_LEASE))}}
    if fence is not None:
        params["ConditionExpression"] = f"{params['ConditionExpression']} AND fence = :fence"
        values[":fence"] = {"N": str(fence)}
    if shown is not None:
        params["ExpressionAttributeNames"] = _DATA_NAME
        change = " REMOVE #data" if shown.data is None else ", #data = :data"
        params["UpdateExpression"] = f"{params['UpdateExpression']}{change}"
        if shown.data is not None:
            values[":data"] = shown.data
    return Call("UpdateItem", params, deadline)


def release_call(
    table: str,
    name: str,
    *,
    time: Time,
    own: tuple[str, ...],
    void_before: int = 0,
    deadline: float | None = None,
    run: Mapping[str, Any] | None = None,
    heir: str | None = None,
) -> Call:
    """Return the call that frees a lock and keeps its row, for the sake of `fence`.

    If there are waiters in its queue it is refused, unless the first of them is the `heir`, to whom
    it is granted in the same write. It voids the grants that were asked for before a bound, too, if
    there is one; then it is refused if the record has a later one. `run` becomes the last run of a
    job. The reply is the item.
    """
    lease = 0.0 if heir is None else acceptance(heir)
    values: dict[str, Any] = {":expires": {"N": str(expiry(time, lease))}}
    ours = _among(own, values)
    update, condition = _RELEASE, f"{ours} AND {_UNQUEUED}"
    if heir is not None:
        update, condition = _HAND_ON, f"{ours} AND {_HEIR_IS_FIRST}"
        now, lease_ms = int(time.wall * 1000), round(lease * 1000)
        values |= {
            ":heir": {"S": heir},
            ":one": _ONE,
            ":owner": {"S": owner_of(heir)},
            ":lease": {"N": str(lease_ms)},
            ":now": {"N": str(now)},
            ":until": {"N": str(now + lease_ms)},
        }
    if void_before:
        update, condition = f"{update}, void_before = :void", f"{condition} AND ({_UNBOUND})"
        values[":void"] = {"N": str(void_before)}
    if run is not None:
        update = f"{update}, last_run = :run"
        values |= {":run": run, ":expires": {"N": str(expiry(time, MOST_LEASE))}}
    return Call(
        "UpdateItem",
        {
            "TableName": table,
            "Key": {"pk": {"S": PREFIX + name}},
            "UpdateExpression": update,
            "ConditionExpression": condition,
            "ExpressionAttributeNames": {**_NAMES, **_QUEUE_NAME},
            "ExpressionAttributeValues": values,
            "ReturnValues": "ALL_NEW",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        },
        deadline,
    )


def founding_call(table: str, name: str, *, time: Time, deadline: float | None = None) -> Call:
    """Return the call that makes the record of a lock that is free, which is its reply.

    Its fence is the time, as if it had been granted and given back.
    """
    return Call(
        "UpdateItem",
        {
            "TableName": table,
            "Key": key_of(name),
            "UpdateExpression": "SET fence = if_not_exists(fence, :seed), expires = :expires",
            "ConditionExpression": FREE,
            "ExpressionAttributeValues": {
                ":seed": _seed(time),
                ":expires": {"N": str(expiry(time, 0))},
            },
            "ReturnValues": "ALL_NEW",
        },
        deadline,
    )


def ending_call(
    table: str, name: str, *, version: str, time: Time, deadline: float | None = None
) -> Call:
    """Return the call that ends the grant of a dead holder, whose version has not changed.

    The lock is free then, under a fence that no grant has: the dead one's guard fails.
    """
    values = {
        ":dead": {"S": version},
        ":one": _ONE,
        ":seed": _seed(time),
        ":expires": {"N": str(expiry(time, 0))},
    }
    return Call(
        "UpdateItem",
        {
            "TableName": table,
            "Key": key_of(name),
            "UpdateExpression": f"{_RELEASE}, fence = if_not_exists(fence, :seed) + :one",
            "ConditionExpression": "version = :dead",
            "ExpressionAttributeNames": _NAMES,
            "ExpressionAttributeValues": values,
            "ReturnValues": "ALL_NEW",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        },
        deadline,
    )


def void_call(
    table: str, name: str, *, time: Time, void_before: int, deadline: float | None = None
) -> Call:
    """Return the call that voids grants that were asked for before; all else stays as it is.

    The reply is the item; it is refused if they are void already.
    """
    # The holder, if there is one, may have any lease.
    values = {":void": {"N": str(void_before)}, ":expires": {"N": str(expiry(time, MOST_LEASE))}}
    return Call(
        "UpdateItem",
        {
            "TableName": table,
            "Key": key_of(name),
            "UpdateExpression": _VOID,
            "ConditionExpression": _UNBOUND,
            "ExpressionAttributeValues": values,
            "ReturnValues": "ALL_NEW",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        },
        deadline,
    )


def guard(table: str, name: str, fence: int) -> dict[str, Any]:
    """Return the ConditionCheck that holds as long as this grant does.

    A heartbeat changes `version` and leaves `fence` alone, so that it does not disturb a commit.
    """
    return {
        "ConditionCheck": {
            "TableName": table,
            "Key": key_of(name),
            "ConditionExpression": _HELD,
            "ExpressionAttributeValues": {":fence": {"N": str(fence)}},
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
    }


def release_action(table: str, name: str, fence: int, *, time: Time) -> dict[str, Any]:
    """Return the Update by which a transaction gives the lock back: refused as `guard` would be."""
    return {
        "Update": {
            "TableName": table,
            "Key": key_of(name),
            "UpdateExpression": _RELEASE,
            "ConditionExpression": _HELD,
            "ExpressionAttributeNames": _NAMES,
            "ExpressionAttributeValues": {
                ":fence": {"N": str(fence)},
                ":expires": {"N": str(expiry(time, 0))},
            },
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
    }


def guarded(check: Mapping[str, Any]) -> tuple[str, int] | None:
    """Return the name and fence that a ConditionCheck guards, None if it is not one of `guard`.

    Of a lock in a table of any layout.
    """
    name = own_name(check["Key"], PREFIX)
    fence = check.get("ExpressionAttributeValues", {}).get(":fence")
    if name is None or fence is None or check.get("ConditionExpression") != _HELD:
        return None
    return name, int(fence["N"])


def sound_values() -> dict[str, Any]:
    """Return the values of the conditions that a record is sound."""
    return {**SOUND_VALUES, ":format": {"N": str(FORMAT)}}


def _seed(time: Time) -> dict[str, str]:
    """Return the time in epoch milliseconds, by the service's clock where this one is off.

    The service's is told in whole seconds: by that alone, a row that is deleted right after it was
    made would start the numbering again.
    """
    near = abs(time.service - time.wall) <= _NEAR
    return {"N": str(int((time.wall if near else time.service) * 1000))}


def expiry(time: Time, lease: float) -> int:
    """Return when TTL may delete a record of a lock with this lease, in epoch seconds."""
    return time.expiry(lease + KEPT)


def _among(versions: tuple[str, ...], values: dict[str, Any]) -> str:
    if len(versions) == 1:
        values[":v0"] = {"S": versions[0]}
        return "version = :v0"
    names = [f":v{i}" for i in range(len(versions))]
    values.update(zip(names, ({"S": version} for version in versions), strict=True))
    return f"version IN ({', '.join(names)})"
