"""Checks of `interlock doctor`: each yields findings, with the way to mend each."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from email.utils import parsedate_to_datetime
from statistics import median
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from interlock.cli._findings import OK, PROBLEM, WARNING, Finding, code_of, is_denied
from interlock.cli._table import Table
from interlock.cli._throttling import of_throttling, open_metrics
from interlock.clients import client_config
from interlock.tables import schema

_SKEW, _MOST_SKEW = 1.0, 60.0  # seconds; SigV4 refuses a clock that is off by five minutes
_SLOW = 0.5  # seconds for a call; the library waits for one up to three
_NEVER = "attribute_exists(#pk) AND attribute_not_exists(#pk)"
_READ = ("fence", "version", "owner")


class Patient:
    """A table, and a client of the caller that looks at it; another that asks CloudWatch."""

    def __init__(self, table: Table, client: Any, metrics: Any = None) -> None:
        self.name = table.name
        self.layout = table.layout
        self.client = client
        self.metrics = metrics
        self.skew: float | None = None
        self.took: list[float] = []
        client.meta.events.register("after-call.dynamodb", self._note_date)
        client.meta.events.register("before-call.dynamodb", self._note_start)
        self._began = 0.0

    def _note_start(self, **_: Any) -> None:
        self._began = time.time()

    def _note_date(self, http_response: Any, **_: Any) -> None:
        self.took.append(time.time() - self._began)
        date = http_response.headers.get("date") if http_response is not None else None
        if date:
            # Whole seconds, on average half of one ago.
            there = parsedate_to_datetime(date).timestamp() + 0.5
            self.skew = there - (self._began + time.time()) / 2


def patient_of(table: Table) -> Patient:
    """Return a table with clients of boto3 as the caller's configuration makes them."""
    given = os.environ
    region = table.region or given.get("AWS_REGION") or given.get("AWS_DEFAULT_REGION")
    session = boto3.session.Session(profile_name=table.profile, region_name=region)
    client = session.client("dynamodb", endpoint_url=table.endpoint_url, config=client_config())
    return Patient(table, client, open_metrics(table, session))


def examine(patient: Patient, lock: str) -> Iterator[Finding]:
    """Yield all findings; the first may end it, if there is no table to look at."""
    meta = patient.client.meta
    yield Finding("endpoint", OK, f"{meta.endpoint_url}, region {meta.region_name}")
    found = _described(patient)
    if isinstance(found, Finding):
        yield found
        if found.state == PROBLEM:
            return
    else:
        yield from _of_table(patient, found)
    yield from _of_expiry(patient)
    yield from _of_backups(patient)
    yield from of_throttling(patient.metrics, patient.name)
    yield from _of_permissions(patient, lock)
    yield from _of_clock(patient)
    yield _of_latency(patient)


def _described(patient: Patient) -> "Mapping[str, Any] | Finding":
    try:
        table: Mapping[str, Any] = patient.client.describe_table(TableName=patient.name)["Table"]
    except ClientError as error:
        if is_denied(error):
            return _undescribed("table", "dynamodb:DescribeTable")
        if code_of(error) != "ResourceNotFoundException":
            raise
        return Finding(
            "table",
            PROBLEM,
            f"there is no table {patient.name!r} in this region and account",
            "check --table, --region and --profile, or make it: CoordinationTable or "
            "interlock.create_table",
        )
    return table


def _of_table(patient: Patient, table: Mapping[str, Any]) -> Iterator[Finding]:
    name = patient.name
    status = table.get("TableStatus", "unknown")
    state = OK if status == "ACTIVE" else WARNING
    yield Finding("table", state, f"{name} is {status}", "" if state == OK else "wait for it")
    wanted = schema(name, patient.layout)
    key, own = _keys(table), _keys(wanted)
    if key == own:
        alone = f"partition key {own[0]} alone"
        yield Finding("key", OK, alone if len(own) == 1 else f"keys {', '.join(own)}")
    else:
        fix = (
            "a key cannot be changed: say by --layout what it is called, or make another table by "
            "interlock.create_table"
        )
        told = f"its key is {', '.join(key) or 'unknown'}, not {', '.join(own)}"
        yield Finding("key", PROBLEM, told, fix)
    yield from _of_index(table, wanted["GlobalSecondaryIndexes"][0])
    sse = table.get("SSEDescription", {})
    if sse.get("SSEType") == "KMS":
        yield Finding("encryption", OK, f"by the KMS key {sse.get('KMSMasterKeyArn', 'unknown')}")
    else:
        yield Finding("encryption", OK, "by a key that DynamoDB owns")
    if table.get("DeletionProtectionEnabled"):
        yield Finding("deletion", OK, "protected")
    else:
        fix = f"aws dynamodb update-table --table-name {name} --deletion-protection-enabled"
        yield Finding("deletion", WARNING, "the table is not protected against it", fix)
    if table.get("Replicas") and table.get("MultiRegionConsistency") != "STRONG":
        regions = ", ".join(str(one.get("RegionName")) for one in table["Replicas"])
        fix = "use the table in one region only: two regions grant the same lock"
        yield Finding("regions", WARNING, f"replicated to {regions}, eventually", fix)


def _of_index(table: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[Finding]:
    name = wanted["IndexName"]
    indexes = {one.get("IndexName"): one for one in table.get("GlobalSecondaryIndexes", ())}
    found = indexes.get(name)
    if found is not None and _keys(found) == _keys(wanted):
        yield Finding("index", OK, f"{name}, by which counters are listed")
        return
    fix = f"make it as interlock.tables.schema({table['TableName']!r}), to list counters"
    if found is None:  # as by listing=False
        yield Finding("index", WARNING, f"{name} is missing: counters cannot be listed", fix)
    else:
        yield Finding("index", PROBLEM, f"{name} has the key {', '.join(_keys(found))}", fix)


def _of_expiry(patient: Patient) -> Iterator[Finding]:
    try:
        reply = patient.client.describe_time_to_live(TableName=patient.name)
    except ClientError as error:
        yield _undescribed("time to live", "dynamodb:DescribeTimeToLive", error)
        return
    told = reply.get("TimeToLiveDescription", {})
    on = told.get("TimeToLiveStatus") in {"ENABLED", "ENABLING"}
    ttl = patient.layout.ttl
    if on and told.get("AttributeName") == ttl:
        yield Finding("time to live", OK, f"by the attribute {ttl}")
        return
    fix = (
        f"aws dynamodb update-time-to-live --table-name {patient.name} "
        f"--time-to-live-specification Enabled=true,AttributeName={ttl}"
    )
    if on:
        what = f"by the attribute {told.get('AttributeName')!r}: records that are used may go"
        yield Finding("time to live", PROBLEM, what, f"disable it, then {fix}")
    else:
        yield Finding("time to live", WARNING, "off: unused records stay, and are paid for", fix)


def _of_backups(patient: Patient) -> Iterator[Finding]:
    try:
        reply = patient.client.describe_continuous_backups(TableName=patient.name)
    except ClientError as error:
        yield _undescribed("backups", "dynamodb:DescribeContinuousBackups", error)
        return
    told = reply["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
    if told.get("PointInTimeRecoveryStatus") == "ENABLED":
        yield Finding("backups", OK, "point-in-time recovery is on")
        return
    fix = (
        f"aws dynamodb update-continuous-backups --table-name {patient.name} "
        "--point-in-time-recovery-specification PointInTimeRecoveryEnabled=true"
    )
    yield Finding("backups", WARNING, "point-in-time recovery is off", fix)


def _of_permissions(patient: Patient, lock: str) -> Iterator[Finding]:
    """Make calls that change nothing: conditions that never hold, and reads of one item."""
    name, client, layout = patient.name, patient.client, patient.layout
    key = {attribute: {"S": value} for attribute, value in layout.key(f"lock#{lock}").items()}
    item = {"TableName": name, "Key": key}
    partition_key = {"#pk": layout.partition_key}
    never = {**item, "ConditionExpression": _NEVER, "ExpressionAttributeNames": partition_key}
    names = {**partition_key, **{f"#{attribute}": attribute for attribute in _READ}}
    scan = {
        "TableName": name,
        "Limit": 1,
        "Select": "SPECIFIC_ATTRIBUTES",
        "ProjectionExpression": ", ".join(names),
        "ExpressionAttributeNames": names,
    }
    listed = {
        "TableName": name,
        "IndexName": layout.listing_index,
        "Limit": 1,
        "KeyConditionExpression": "#l = :l",
        "ExpressionAttributeNames": {"#l": layout.listing_key},
        "ExpressionAttributeValues": {":l": {"S": f"{layout.prefix}counter"}},
    }
    calls: list[tuple[str, str, str, Callable[[], Any]]] = [
        ("look at locks", "GetItem", "grant_inspect_locks", lambda: client.get_item(**item)),
        ("take and break locks", "UpdateItem", "grant_locks", lambda: client.update_item(**never)),
        (
            "guard writes by locks",
            "ConditionCheckItem",
            "grant_locks",
            lambda: client.transact_write_items(TransactItems=[{"ConditionCheck": never}]),
        ),
        ("list locks", "Scan", "grant_operate_read", lambda: client.scan(**scan)),
        ("list counters", "Query", "grant_list_counters", lambda: client.query(**listed)),
    ]
    for what, action, grant, call in calls:
        if action == "Query" and not _has_index(client, name, layout.listing_index):
            continue
        yield _permission(what, action, f"CoordinationTable.{grant}(...)", call)


def _permission(what: str, action: str, grant: str, call: Callable[[], Any]) -> Finding:
    check = f"permission: {what}"
    try:
        call()
    except ClientError as error:
        if is_denied(error):
            return Finding(check, WARNING, f"dynamodb:{action} is denied", f"{grant} allows it")
        if code_of(error) not in {
            "ConditionalCheckFailedException",
            "TransactionCanceledException",
        }:
            return Finding(check, PROBLEM, str(error), "see what the service says")
    return Finding(check, OK, f"dynamodb:{action} is allowed")


def _of_clock(patient: Patient) -> Iterator[Finding]:
    if patient.skew is None:
        yield Finding("clock", WARNING, "the service did not say its time", "")
        return
    away = abs(patient.skew)
    told = f"this machine's is {away:.0f} s {'behind' if patient.skew > 0 else 'ahead'}"
    fix = "synchronize it (chrony, systemd-timesyncd); max_clock_skew must be greater meanwhile"
    if away <= _SKEW:
        yield Finding("clock", OK, "within a second of the service's")
    elif away <= _MOST_SKEW:
        yield Finding("clock", WARNING, told, fix)
    else:
        yield Finding("clock", PROBLEM, f"{told}; signatures fail at five minutes", fix)


def _of_latency(patient: Patient) -> Finding:
    middle = median(patient.took)
    told = f"{middle * 1000:.0f} ms a call, of {len(patient.took)} calls the median"
    if middle <= _SLOW:
        return Finding("latency", OK, told)
    fix = "choose leases of many such times, or a table in a region that is nearer"
    return Finding("latency", WARNING, told, fix)


def misfortune(error: Exception) -> tuple[str, bool]:
    """Return in words what kept a client from being made or used, and whether it may pass."""
    if isinstance(error, ClientError):
        return str(error), False
    may_pass = isinstance(error, BotoCoreError) and type(error).__name__ in {
        "ConnectTimeoutError",
        "ConnectionClosedError",
        "EndpointConnectionError",
        "ReadTimeoutError",
    }
    return str(error), may_pass


def _undescribed(check: str, action: str, error: ClientError | None = None) -> Finding:
    if error is not None and not is_denied(error):
        return Finding(check, WARNING, f"cannot be examined: {error}", "see what the service says")
    fix = "CoordinationTable.grant_operate_read(...) allows it"
    return Finding(check, WARNING, f"cannot be examined: {action} is denied", fix)


def _has_index(client: Any, name: str, index: str) -> bool:
    """Return whether the table has the index, as far as that may be known."""
    try:
        table = client.describe_table(TableName=name)["Table"]
    except ClientError:
        return True
    return any(one["IndexName"] == index for one in table.get("GlobalSecondaryIndexes", ()))


def _keys(described: Mapping[str, Any]) -> list[str]:
    kinds = {one["KeyType"]: one["AttributeName"] for one in described.get("KeySchema", ())}
    return [str(kinds[kind]) for kind in ("HASH", "RANGE") if kind in kinds]
