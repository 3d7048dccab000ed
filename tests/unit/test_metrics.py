"""Metrics are lines that CloudWatch Logs understands, and never get in a caller's way."""

import io
import json
import logging

from interlock.metrics import NAMESPACE, EmbeddedMetrics, Metric

TABLE = {"Table": "coordination"}


def test_a_record_is_one_line_in_the_embedded_metric_format(capsys):
    EmbeddedMetrics(clock=lambda: 1_700_000_000.5).record(
        {Metric.LOCKS_ACQUIRED: 1, Metric.LOCK_WAIT_TIME: 12.5}, TABLE
    )
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line) == {
        "_aws": {
            "Timestamp": 1_700_000_000_500,
            "CloudWatchMetrics": [
                {
                    "Namespace": "Interlock",
                    "Dimensions": [["Table"]],
                    "Metrics": [
                        {"Name": "LocksAcquired", "Unit": "Count"},
                        {"Name": "LockWaitTime", "Unit": "Milliseconds"},
                    ],
                }
            ],
        },
        "Table": "coordination",
        "LocksAcquired": 1,
        "LockWaitTime": 12.5,
    }


def test_lines_can_go_to_a_logger(caplog):
    with caplog.at_level(logging.INFO):
        EmbeddedMetrics(logging.getLogger("app").info).record(
            {Metric.SIGNING_ERRORS: 1}, {"KeyId": "100%s"}
        )
    assert json.loads(caplog.messages[0])["KeyId"] == "100%s"


def test_a_line_that_cannot_be_written_is_dropped():
    closed = io.StringIO()
    closed.close()
    EmbeddedMetrics(closed.write).record({Metric.LOCKS_LOST: 1}, TABLE)


def test_a_value_that_json_lacks_is_dropped():
    lines: list[str] = []
    EmbeddedMetrics(lines.append).record({Metric.LOCK_WAIT_TIME: float("nan")}, TABLE)
    assert lines == []


def test_only_times_are_not_counts():
    times = {metric.value for metric in Metric if metric.unit == "Milliseconds"}
    assert times == {"LockHoldTime", "LockWaitTime", "TransactionTime"}
    assert {metric.unit for metric in Metric if metric.value not in times} == {"Count"}


def test_the_namespace_is_the_applications_if_it_likes():
    lines: list[str] = []
    EmbeddedMetrics(lines.append, namespace="Shop").record({Metric.LOCKS_LOST: 1}, TABLE)
    assert json.loads(lines[0])["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Shop"
    assert NAMESPACE == "Interlock"
