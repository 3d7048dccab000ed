"""Alarms go off on what the runtime and DynamoDB report, tell a topic, and say what to do."""

import json
from datetime import timedelta
from typing import Any

import aws_cdk as cdk
import cdk_monitoring_constructs as monitoring
import pytest
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sns as sns
from aws_cdk.assertions import Template

from interlock.constructs import (
    CoordinationMonitoring,
    CoordinationTable,
    SigningKey,
    Thresholds,
    Watched,
)
from interlock.errors import KeyUnusable
from interlock.metrics import NAMESPACE, EmbeddedMetrics, Metric
from interlock.signing import Signer
from tests.unit.signing.kms import LocalKms, refusal

ALARMS = {
    "ThrottledReads": ("AWS/DynamoDB", "ReadThrottleEvents"),
    "ThrottledWrites": ("AWS/DynamoDB", "WriteThrottleEvents"),
    "TransactionConflicts": ("AWS/DynamoDB", "TransactionConflict"),
    "RefusedConditions": ("AWS/DynamoDB", "ConditionalCheckFailedRequests"),
    "LostLocks": (NAMESPACE, Metric.LOCKS_LOST),
    "LockWaitTime": (NAMESPACE, Metric.LOCK_WAIT_TIME),
    "SigningErrors": (NAMESPACE, Metric.SIGNING_ERRORS),
}


@pytest.fixture
def stack(monkeypatch):
    monkeypatch.setenv("CDK_VALIDATION", "false")
    return cdk.Stack(cdk.App(), "Stack")


def alarms_in(stack):
    found = Template.from_stack(stack).find_resources("AWS::CloudWatch::Alarm").values()
    return {alarm["Properties"]["MetricName"]: alarm["Properties"] for alarm in found}


def test_one_line_watches_all_and_each_alarm_says_what_to_do(stack):
    watching = CoordinationMonitoring(
        stack,
        "Watching",
        table=CoordinationTable(stack, "Table"),
        signing_keys=[SigningKey(stack, "Receipts")],
        topic=sns.Topic(stack, "Topic"),
    )
    assert set(watching.alarms) == set(ALARMS)
    made = alarms_in(stack)
    assert {(a["Namespace"], a["MetricName"]) for a in made.values()} == set(ALARMS.values())
    for alarm in made.values():
        assert len(alarm["AlarmActions"]) == len(alarm["OKActions"]) == 1
        assert ": " in alarm["AlarmDescription"]
        assert alarm["TreatMissingData"] == "notBreaching"
        assert (alarm["EvaluationPeriods"], alarm["DatapointsToAlarm"]) == (3, 2)


def test_alarms_are_where_the_runtime_reports(stack):
    table, key = CoordinationTable(stack, "Table"), SigningKey(stack, "Receipts")
    CoordinationMonitoring(stack, "Watching", table=table, signing_keys=[key])
    made = alarms_in(stack)
    (of_table,) = made["LocksLost"]["Dimensions"]
    assert of_table == {"Name": "Table", "Value": stack.resolve(table.table_name)}
    (of_key,) = made["SigningErrors"]["Dimensions"]
    assert of_key == {"Name": "KeyId", "Value": stack.resolve(key.key.key_arn)}
    assert made["LockWaitTime"]["ExtendedStatistic"] == "p99"
    assert made["LockWaitTime"]["Threshold"] == 5000


COUNTS = ("throttles", "conflicts", "refused_conditions", "locks_lost", "signing_errors")


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("given", [0, -1, 0.5, True, "5", float("nan")])
def test_a_count_that_every_minute_reaches_or_none_is_refused(name, given):
    with pytest.raises(ValueError, match=rf"{name} is .*: give a number of 1 or more, or None"):
        Thresholds(**{name: given})


@pytest.mark.parametrize("name", ["wait_time", "hold_time"])
@pytest.mark.parametrize("given", [None, 5, timedelta(seconds=5), "5 s"])
def test_a_time_that_every_wait_reaches_or_that_is_no_duration_is_refused(name, given):
    thresholds: dict[str, Any] = {name: cdk.Duration.seconds(0) if given is None else given}
    with pytest.raises(ValueError, match=rf"{name} is .*: give a .*Duration.* or None"):
        Thresholds(**thresholds)


def test_a_threshold_that_is_known_when_it_is_deployed_is_taken(stack):
    number: Any = cdk.CfnParameter(stack, "Number", type="Number").value_as_number
    watching = Thresholds(throttles=number, wait_time=cdk.Duration.millis(number))
    CoordinationMonitoring(
        stack, "Watching", table=CoordinationTable(stack, "Table"), thresholds=watching
    )
    made = alarms_in(stack)
    assert {made[name]["Threshold"]["Ref"] for name in ("ReadThrottleEvents", "LockWaitTime")} == {
        "Number"
    }


@pytest.mark.parametrize("given", [float("nan"), float("inf"), "5", True])
def test_a_threshold_of_a_metric_of_ones_own_is_a_number(given):
    with pytest.raises(ValueError, match=r"threshold is .*: give a number, or None"):
        Watched("Depth", cloudwatch.Metric(namespace="a", metric_name="b"), given)


@pytest.mark.parametrize("name", ["", 5, None])
def test_a_metric_of_ones_own_has_a_name(name):
    with pytest.raises(ValueError, match=r"name is .*: give what the alarm"):
        Watched(name, cloudwatch.Metric(namespace="a", metric_name="b"))


def test_thresholds_are_the_users_and_none_leaves_an_alarm_out(stack):
    watching = CoordinationMonitoring(
        stack,
        "Watching",
        table=CoordinationTable(stack, "Table"),
        thresholds=Thresholds(conflicts=7, wait_time=None),
    )
    assert set(watching.alarms) == set(ALARMS) - {"LockWaitTime", "SigningErrors"}
    assert alarms_in(stack)["TransactionConflict"]["Threshold"] == 7
    dashboards = Template.from_stack(stack).find_resources("AWS::CloudWatch::Dashboard")
    assert "LockWaitTime" in json.dumps(dashboards)


def test_a_row_has_the_longest_wait_the_longest_hold_and_the_breaks(stack):
    CoordinationMonitoring(stack, "Watching", table=CoordinationTable(stack, "Table"))
    (dashboard,) = Template.from_stack(stack).find_resources("AWS::CloudWatch::Dashboard").values()
    (body,) = [
        "".join(part if isinstance(part, str) else "token" for part in text["Fn::Join"][1])
        for text in [dashboard["Properties"]["DashboardBody"]]
    ]
    widgets = {each["properties"].get("title"): each for each in json.loads(body)["widgets"]}
    row = [widgets[title] for title in ("Longest wait", "Longest hold", "Breaks")]
    assert len({widget["y"] for widget in row}) == 1
    shown = [widget["properties"]["metrics"] for widget in row]
    assert [(metric[1], metric[-1].get("stat", "Average")) for (metric,) in shown] == [
        (Metric.LOCK_WAIT_TIME, "Maximum"),
        (Metric.LOCK_HOLD_TIME, "Maximum"),
        (Metric.LOCKS_BROKEN, "Sum"),
    ]


def test_the_longest_hold_is_alarmed_if_a_threshold_says_what_is_too_long(stack):
    watching = CoordinationMonitoring(
        stack,
        "Watching",
        table=CoordinationTable(stack, "Table"),
        thresholds=Thresholds(hold_time=cdk.Duration.minutes(10)),
    )
    assert "LockHoldTime" in watching.alarms
    alarm = alarms_in(stack)["LockHoldTime"]
    assert (alarm["Threshold"], alarm["Statistic"]) == (600_000, "Maximum")
    assert "interlock locks ls --held" in alarm["AlarmDescription"]


def test_a_section_joins_a_dashboard_that_exists(stack):
    facade = monitoring.MonitoringFacade(stack, "Ours")
    watching = CoordinationMonitoring(
        stack, "Watching", table=CoordinationTable(stack, "Table"), facade=facade
    )
    assert watching.facade is facade
    Template.from_stack(stack).resource_count_is("AWS::CloudWatch::Dashboard", 1)


def test_without_a_dashboard_there_are_alarms_alone(stack):
    table, key = CoordinationTable(stack, "Table"), SigningKey(stack, "Receipts")
    CoordinationMonitoring(stack, "Watching", table=table, signing_keys=[key], dashboard=False)
    template = Template.from_stack(stack)
    template.resource_count_is("AWS::CloudWatch::Dashboard", 0)
    template.resource_count_is("AWS::CloudWatch::Alarm", len(ALARMS))


def test_a_section_of_ones_own_joins_the_dashboard_and_the_alarms(stack):
    table = CoordinationTable(stack, "Table")
    watching = CoordinationMonitoring(
        stack, "Watching", table=table, topic=sns.Topic(stack, "Topic")
    )
    ours = Watched("QueueAge", cloudwatch.Metric(namespace="Ours", metric_name="Age"), 9, "a: b")
    seen = Watched("Size", cloudwatch.Metric(namespace="Ours", metric_name="Size"))
    watching.add_section("Ours", [ours, seen])
    assert {"QueueAge", "LostLocks"} <= set(watching.alarms)
    assert "Size" not in watching.alarms
    made = alarms_in(stack)["Age"]
    assert (made["Threshold"], made["AlarmDescription"]) == (9, "a: b")
    assert made["AlarmActions"]
    Template.from_stack(stack).resource_count_is("AWS::CloudWatch::Dashboard", 1)
    with pytest.raises(ValueError, match="alarms \\['QueueAge'\\] exist"):
        watching.add_section("Again", [ours])
    with pytest.raises(ValueError, match="section 'Empty' is empty"):
        watching.add_section("Empty", [])


def test_each_key_has_its_alarm(stack):
    keys = [SigningKey(stack, name) for name in ("Receipts", "Cookies")]
    watching = CoordinationMonitoring(stack, "Watching", signing_keys=keys)
    assert list(watching.alarms) == ["SigningErrors", "SigningErrors2"]


def counted_by(signer_of, key_id):
    """Return the dimension under which a Signer counts an error before it knows its key."""
    lines: list[str] = []
    kms = LocalKms()
    kms.failures = [refusal("NotFoundException")]
    with pytest.raises(KeyUnusable):
        signer_of(key_id, client=kms, metrics=EmbeddedMetrics(lines.append)).sign({"a": 1})
    (line,) = map(json.loads, lines)
    return line["KeyId"]


@pytest.mark.parametrize("given", ["receipts", "alias/receipts"])
@pytest.mark.parametrize(
    "named", ["alias/receipts", "arn:aws:kms:us-east-1:123456789012:alias/receipts"]
)
@pytest.mark.parametrize("imported", [False, True])
def test_an_alias_that_kms_does_not_know_is_alarmed_under_what_the_signer_was_given(
    stack, given, named, imported
):
    key = SigningKey(stack, "Key", alias_name=None if imported else given)
    if imported:
        key = SigningKey.from_keys(stack, "Imported", key.key, alias_name=given)
    watching = CoordinationMonitoring(stack, "Watching", signing_keys=[key])
    assert list(watching.alarms) == ["SigningErrors", "SigningErrorsByAlias"]
    alarms = Template.from_stack(stack).find_resources("AWS::CloudWatch::Alarm").values()
    watched = [alarm["Properties"]["Dimensions"] for alarm in alarms]
    assert [{"Name": "KeyId", "Value": counted_by(Signer, named)}] in watched


def test_what_makes_no_sense_is_refused(stack):
    with pytest.raises(ValueError, match="nothing to watch"):
        CoordinationMonitoring(stack, "Nothing")
    with pytest.raises(ValueError, match="topic is given beside a facade"):
        CoordinationMonitoring(
            stack,
            "Both",
            table=CoordinationTable(stack, "Table"),
            topic=sns.Topic(stack, "Topic"),
            facade=monitoring.MonitoringFacade(stack, "Facade"),
        )
