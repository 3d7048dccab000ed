"""Every transaction is measured, however it ends, and nothing that measures gets in its way."""

import json

import pytest
from boto3.dynamodb.conditions import Attr

from interlock.errors import ConditionFailed, Throttled
from interlock.metrics import EmbeddedMetrics
from tests.unit.transactions.wire import A, put, refuse, stored


@pytest.fixture
def lines():
    return []


@pytest.fixture
def tx(client_of, time, lines):
    return client_of(attempts=3, metrics=EmbeddedMetrics(lines.append, clock=time.read))


def last(lines):
    document = json.loads(lines[-1])
    return {name: value for name, value in document.items() if name != "_aws"}


def test_a_commit_tells_its_attempts_and_its_time(tx, wire, lines):
    refusals = ["TransactionConflict", "ThrottlingError"]
    wire.script = [refuse("TransactionCanceledException", reason) for reason in refusals]
    put(tx, A, n=1)
    assert last(lines) == {
        "Table": "coordination",
        "TransactionAttempts": 1,
        "TransactionConflicts": 1,
        "TransactionThrottles": 1,
        "TransactionTime": pytest.approx(0.5 + 10),  # half of 1 ms, and half of 10 ms doubled
        "ConditionsRefused": 0,
    }


def test_a_refused_condition_is_counted(tx, lines):
    with pytest.raises(ConditionFailed):
        tx.run(lambda t: t.check("t", A, Attr("pk").exists()))
    assert last(lines)["ConditionsRefused"] == 1


def test_a_failure_is_measured_too(tx, wire, lines):
    wire.script = [refuse("ThrottlingException")] * 3
    with pytest.raises(Throttled):
        put(tx, A)
    assert last(lines)["TransactionThrottles"] == 3


def test_a_listener_that_raises_does_not_fail_what_is_committed(client_of, wire):
    def broken(_report):
        raise RuntimeError("no room on the disk")

    tx = client_of(on_finish=broken)
    put(tx, A, n=1)
    assert stored(wire, A)["n"] == {"N": "1"}
