"""`interlock doctor` on a table of moto: each fault is found, and told with its fix."""

import json
import shlex
import time
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import boto3
import botocore.client
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from click.testing import CliRunner
from moto import mock_aws

from interlock import LockClient, client_config
from interlock.cli import _examination, main
from interlock.cli._doctor import _mending
from interlock.cli._table import Table
from interlock.errors import CorruptRecord
from interlock.tables import create_table, schema
from tests.layouts import LAYOUT

NAME = "coordination"


def away(monkeypatch, seconds):
    """Let the service's clock be ahead of this machine's, whatever the load."""
    told = property(lambda _: seconds, lambda *_: None)
    monkeypatch.setattr(_examination.Patient, "skew", told, raising=False)


@pytest.fixture
def aws(monkeypatch):
    away(monkeypatch, 0.0)
    monkeypatch.setattr(_examination, "_SLOW", 600.0)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with mock_aws():
        yield boto3.client("dynamodb", region_name="eu-west-1", config=client_config())


@pytest.fixture
def table(aws):
    """Make a table that is well."""
    create_table(NAME, client=aws, deletion_protection=True, timeout=timedelta(seconds=30))
    aws.update_continuous_backups(
        TableName=NAME,
        PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
    )
    return aws


def doctor(*arguments):
    return CliRunner().invoke(main, ["--table", NAME, "doctor", *arguments])


def findings(*arguments):
    result = doctor("--json", *arguments)
    found = {}
    for line in result.output.splitlines():
        entry = json.loads(line)
        assert "check" in entry, entry
        found[entry["check"]] = entry
    return result.exit_code, found


def laid_out(*arguments):
    return CliRunner().invoke(main, ["--table", NAME, "--layout", str(LAYOUT), *arguments])


def test_a_table_of_another_layout_is_examined_by_it(aws):
    create_table(NAME, client=aws, timeout=timedelta(seconds=30), layout=LAYOUT)
    aws.put_item(TableName=NAME, Item={"PK": {"S": "ORDER#1"}, "SK": {"S": "META"}})
    corrupt = {"PK": {"S": "COORD#lock#bad"}, "SK": {"S": "interlock"}, "fence": {"S": "x"}}
    aws.put_item(TableName=NAME, Item=corrupt)
    result = laid_out("doctor", "--json")
    found = {one["check"]: one for one in map(json.loads, result.output.splitlines())}
    assert found["key"]["finding"] == "keys PK, SK"
    assert found["index"]["state"] == found["time to live"]["state"] == "ok"
    permissions = {name: one for name, one in found.items() if name.startswith("permission")}
    assert len(permissions) == 5
    assert {one["state"] for one in permissions.values()} == {"ok"}
    assert "COORD#lock#bad" in found["records"]["finding"]
    assert "locks break --because ... bad" in found["records"]["fix"]


def test_locks_of_a_table_of_another_layout_are_listed(aws, monkeypatch):
    create_table(NAME, client=aws, timeout=timedelta(seconds=30), layout=LAYOUT)
    monkeypatch.setattr(Table, "client", lambda _: aws)
    with LockClient(NAME, client=aws, layout=LAYOUT) as locks, locks.acquire("orders/42"):
        assert "orders/42" in laid_out("locks", "ls").output
        monkeypatch.setenv("INTERLOCK_TABLE_LAYOUT", str(LAYOUT))
        assert "orders/42" in CliRunner().invoke(main, ["--table", NAME, "locks", "ls"]).output


@pytest.mark.parametrize("verb", [["doctor"], ["locks", "ls"], ["counters", "ls"]])
def test_a_layout_that_is_none_is_misuse(verb):
    result = CliRunner().invoke(main, ["--table", NAME, "--layout", "pk", *verb])
    assert result.exit_code == 2
    assert "--layout: layout: 'pk'" in result.output


def test_a_table_with_other_keys_is_told_with_the_way_to_say_them(aws):
    create_table(NAME, client=aws, timeout=timedelta(seconds=30), layout=LAYOUT)
    _, found = findings("--no-scan")
    assert found["key"]["state"] == "problem"
    assert "say by --layout" in found["key"]["fix"]


@pytest.mark.usefixtures("table")
def test_a_table_that_is_well():
    result = doctor()
    assert result.exit_code == 0, result.output
    code, found = findings("--strict")
    assert code == 0
    assert {one["state"] for one in found.values()} == {"ok"}
    assert len(found) == 17
    assert not any(one["fix"] for one in found.values())


def test_nothing_is_changed_by_trying(table):
    doctor()
    assert table.scan(TableName=NAME)["Items"] == []


def broken(client, **changes):
    wanted = {**schema(NAME), **changes}
    client.create_table(**{name: value for name, value in wanted.items() if value is not None})


def test_a_table_of_another_kind_is_a_problem(aws):
    broken(
        aws,
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        GlobalSecondaryIndexes=None,
    )
    code, found = findings("--no-scan")
    assert code == 1
    assert {name for name, one in found.items() if one["state"] == "problem"} >= {"key"}
    assert found["index"]["state"] == "warning"
    assert "create_table" in found["key"]["fix"]


def test_a_table_that_lists_no_counters_is_warned_of(aws):
    aws.create_table(**schema(NAME, listing=False))
    code, found = findings("--no-scan")
    assert (code, found["index"]["state"]) == (0, "warning")
    assert "counters cannot be listed" in found["index"]["finding"]
    assert "permission: list counters" not in found


def test_an_index_of_another_key_is_a_problem(aws):
    indexes = schema(NAME)["GlobalSecondaryIndexes"]
    indexes[0]["KeySchema"] = indexes[0]["KeySchema"][:1]
    broken(aws, GlobalSecondaryIndexes=indexes)
    code, found = findings("--no-scan")
    assert (code, found["index"]["state"]) == (1, "problem")


def test_what_a_table_lacks_is_warned_of_with_the_command_that_mends_it(aws):
    broken(aws)
    code, found = findings()
    assert code == 0
    warned = {name for name, one in found.items() if one["state"] == "warning"}
    assert warned == {"time to live", "backups", "deletion"}
    assert "update-time-to-live" in found["time to live"]["fix"]
    assert "update-continuous-backups" in found["backups"]["fix"]
    assert findings("--strict")[0] == 1
    text = doctor().output
    assert "fix: aws dynamodb update-time-to-live" in text


def test_expiry_by_another_attribute_is_a_problem(aws):
    broken(aws)
    aws.update_time_to_live(
        TableName=NAME, TimeToLiveSpecification={"Enabled": True, "AttributeName": "ttl"}
    )
    code, found = findings()
    assert (code, found["time to live"]["state"]) == (1, "problem")


@pytest.mark.usefixtures("aws")
def test_a_table_that_is_not_there():
    code, found = findings()
    assert code == 1
    assert list(found) == ["endpoint", "table"]
    assert "--region" in found["table"]["fix"]


def test_a_corrupt_record_is_a_problem_with_its_fix(table):
    item = {"pk": {"S": "lock#a"}, "fence": {"S": "x"}, "version": {"S": "v"}}
    table.put_item(TableName=NAME, Item=item)
    code, found = findings()
    assert code == 1
    fix = f"interlock --table {NAME} locks break --because ... a"
    assert found["records"]["fix"] == fix
    assert "records" not in findings("--no-scan")[1]


def test_the_fix_of_a_record_is_a_command_of_a_shell_whatever_its_name():
    def fix(name):
        return _mending(Table(NAME), CorruptRecord(NAME, f"lock#{name}", "fence", None))

    breaking = ["interlock", "--table", NAME, "locks", "break", "--because", "..."]
    assert shlex.split(fix('it\'s "a" name')) == [*breaking, 'it\'s "a" name']
    assert shlex.split(fix("-x")) == [*breaking, "--", "-x"]


def test_a_number_of_permits_that_is_none_is_a_problem_and_is_to_be_deleted(table):
    key = {"pk": {"S": "lock#render#slots"}}
    table.put_item(TableName=NAME, Item={**key, "permits": {"S": "x"}})
    code, found = findings()
    assert code == 1
    assert "lock#render#slots" in found["records"]["finding"]
    *words, told = shlex.split(found["records"]["fix"].partition(": ")[2])
    assert words == ["aws", "dynamodb", "delete-item", "--table-name", NAME, "--key"]
    assert json.loads(told) == key


@pytest.fixture
def denied(monkeypatch):
    """Deny actions of the service to the caller."""
    actions: set[str] = set()
    base: Any = botocore.client.BaseClient
    send = base._make_api_call

    def call(client, operation, params):
        if operation in actions:
            raise ClientError({"Error": {"Code": "AccessDeniedException"}}, operation)
        return send(client, operation, params)

    monkeypatch.setattr(base, "_make_api_call", call)
    return actions


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize(
    ("operation", "check", "grant"),
    [
        ("GetItem", "permission: look at locks", "grant_inspect_locks"),
        ("UpdateItem", "permission: take and break locks", "grant_locks"),
        ("TransactWriteItems", "permission: guard writes by locks", "grant_locks"),
        ("Query", "permission: list counters", "grant_list_counters"),
        ("Scan", "permission: list locks", "grant_operate"),
        ("DescribeTable", "table", "grant_operate"),
        ("DescribeTimeToLive", "time to live", "grant_operate"),
        ("DescribeContinuousBackups", "backups", "grant_operate"),
    ],
)
def test_what_is_denied_is_warned_of_with_the_grant(denied, operation, check, grant):
    denied.add(operation)
    code, found = findings("--no-scan")
    assert (code, found[check]["state"]) == (0, "warning")
    assert grant in found[check]["fix"]
    assert [name for name, one in found.items() if one["state"] == "warning"] == [check]


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize(
    ("ahead", "state"), [(0.0, "ok"), (-0.9, "ok"), (20.0, "warning"), (-100.0, "problem")]
)
def test_a_clock_that_is_off_is_found(monkeypatch, ahead, state):
    away(monkeypatch, ahead)
    assert findings("--no-scan")[1]["clock"]["state"] == state


@pytest.mark.usefixtures("table")
def test_a_network_that_is_away_and_a_missing_profile_are_told(monkeypatch):
    def unreachable(*_):
        raise EndpointConnectionError(endpoint_url="https://x")

    assert CliRunner().invoke(main, ["--table", NAME, "--profile", "nope", "doctor"]).exit_code == 2
    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", unreachable)
    result = doctor()
    assert (result.exit_code, "https://x" in result.output) == (3, True)
    assert "Traceback" not in result.output


def test_the_services_clock_is_read_from_its_answers(aws, monkeypatch):
    monkeypatch.delattr(_examination.Patient, "skew")
    monkeypatch.setattr(time, "time", lambda: 1_700_000_000.0)
    patient = _examination.Patient(Table(NAME), aws)
    patient._note_start()
    answer = SimpleNamespace(headers={"date": "Tue, 14 Nov 2023 22:15:20 GMT"})
    patient._note_date(answer)
    assert patient.skew == 120.5


def test_slow_calls_are_warned_of(table, monkeypatch):
    monkeypatch.setattr(_examination, "_SLOW", 0.0)
    assert table is not None
    assert findings("--no-scan")[1]["latency"]["state"] == "warning"


def throttled(kind, times):
    boto3.client("cloudwatch", region_name="eu-west-1").put_metric_data(
        Namespace="AWS/DynamoDB",
        MetricData=[
            {
                "MetricName": f"{kind}ThrottleEvents",
                "Dimensions": [{"Name": "TableName", "Value": NAME}],
                "Value": times,
            }
        ],
    )


@pytest.mark.usefixtures("table")
def test_calls_that_were_throttled_are_warned_of():
    _, found = findings()
    assert found["throttling"]["state"] == "ok"
    throttled("Read", 1200)
    throttled("Write", 3)
    _, found = findings()
    assert found["throttling"]["state"] == "warning"
    assert found["throttling"]["finding"] == "1,200 reads and 3 writes in the last hour"
    assert f"--table-name {NAME}" in found["throttling"]["fix"]


@pytest.mark.usefixtures("table")
def test_an_endpoint_of_ones_own_has_no_metrics_to_ask_for(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "https://dynamodb.eu-west-1.amazonaws.com")
    _, found = findings()
    assert "throttling" not in found


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            ClientError({"Error": {"Code": "AccessDenied"}}, "GetMetricData"),
            "cloudwatch:GetMetricData is denied",
        ),
        (ClientError({"Error": {"Code": "Throttling"}}, "GetMetricData"), "Throttling"),
        (EndpointConnectionError(endpoint_url="https://monitoring"), "Could not connect"),
    ],
)
def test_metrics_that_cannot_be_had_are_told_and_end_nothing(monkeypatch, error, told):
    call: Any = vars(botocore.client.BaseClient)["_make_api_call"]

    def refuse(self, operation, params):
        if operation == "GetMetricData":
            raise error
        return call(self, operation, params)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", refuse)
    code, found = findings()
    assert code == 0
    assert found["throttling"]["state"] == "warning"
    assert told in found["throttling"]["finding"]
    assert "records" in found
