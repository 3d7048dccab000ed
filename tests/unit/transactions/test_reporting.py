"""What observers of a client are told of a transaction, and what they cannot do to it."""

import pytest

from interlock._protocol.transactions.reporting import Observers, TransactionReport
from interlock.errors import InvalidValue
from interlock.metrics import Metric


def report():
    return TransactionReport(
        attempts=2, conflicts=3, throttles=4, seconds=0.5, committed=True, replayed=False
    )


class Recorder:
    def __init__(self, error=None):
        self.records, self.error = [], error

    def record(self, values, dimensions):
        self.records.append((dict(values), dict(dimensions)))
        if self.error is not None:
            raise self.error


def test_a_condition_is_not_refused_unless_a_report_says_so():
    assert report().condition_refused is False


def test_metrics_say_what_the_report_does_in_milliseconds_by_the_name_of_the_table():
    metrics = Recorder()
    table = "arn:aws:dynamodb:eu-central-1:123456789012:table/coordination"
    Observers(table, metrics, None).notify(report())
    values = {
        Metric.TRANSACTION_ATTEMPTS: 2,
        Metric.TRANSACTION_CONFLICTS: 3,
        Metric.TRANSACTION_THROTTLES: 4,
        Metric.TRANSACTION_TIME: 500.0,
        Metric.CONDITIONS_REFUSED: 0,
    }
    assert metrics.records == [(values, {"Table": "coordination"})]


@pytest.mark.parametrize("error", [None, RuntimeError("no room")])
def test_each_observer_is_told_whatever_the_other_raises(error):
    def listen(reported):
        told.append(reported)
        if error is not None:
            raise error

    told: list[TransactionReport] = []
    metrics = Recorder(error)
    Observers("t", metrics, listen).notify(report())
    assert (told, len(metrics.records)) == ([report()], 1)


@pytest.mark.parametrize(
    ("metrics", "on_finish", "enabled"),
    [(None, None, False), (Recorder(), None, True), (None, print, True), (Recorder(), print, True)],
)
def test_a_transaction_is_observed_by_either_of_them(metrics, on_finish, enabled):
    assert Observers("t", metrics, on_finish).enabled is enabled


def test_no_observer_is_told_nothing():
    Observers("t", None, None).notify(report())


@pytest.mark.parametrize(
    ("metrics", "on_finish", "wrong"), [(print, None, "metrics"), (None, "print", "on_finish")]
)
def test_what_cannot_be_told_anything_is_refused(metrics, on_finish, wrong):
    with pytest.raises(InvalidValue) as refused:
        Observers("t", metrics, on_finish)
    assert refused.value.path == wrong
