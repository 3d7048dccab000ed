"""A reply that is lost after the engine has committed counts once, by whichever client.

The line to the engine is botocore's own HTTP session, cut where a test says: the library's client
repeats by itself, a client that is passed in has botocore repeat unseen.
"""

from typing import Any

import boto3
import pytest
from boto3.dynamodb.conditions import Attr
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ConnectTimeoutError, ReadTimeoutError

from interlock._drivers.clients import CLIENT_CONFIG
from interlock.errors import ConditionFailed, OutcomeUnknown
from interlock.transactions import TransactionClient

WRITES = ("TransactWriteItems", "UpdateItem", "PutItem")
TWICE = CLIENT_CONFIG.merge(Config(retries={"mode": "standard", "total_max_attempts": 2}))
A, B = {"pk": "a"}, {"pk": "b"}


class Line:
    """An HTTP session of botocore's that does to each write what is next in `plan`."""

    def __init__(self, session):
        self.session = session
        self.plan = []
        self.writes = 0

    def send(self, request):
        operation = request.headers["X-Amz-Target"].decode().partition(".")[2]
        if operation not in WRITES:
            return self.session.send(request)
        self.writes += 1
        step = self.plan.pop(0) if self.plan else None
        if callable(step):
            step()
        elif step == "cannot connect":
            raise ConnectTimeoutError(endpoint_url=request.url)
        elif step in THROTTLES:
            return Answer(request.url, 400, {"x-amzn-requestid": "1"}, THROTTLES[step])
        reply = self.session.send(request)
        if step == "lose":
            raise ReadTimeoutError(endpoint_url=request.url)
        return reply

    def close(self):
        self.session.close()


class Answer(AWSResponse):
    """An answer of the engine's that it did not give."""

    def __init__(self, url, status, headers, body):
        super().__init__(url, status, headers, None)
        self._content = body


PREFIX = '"com.amazonaws.dynamodb.v20120810#'
THROTTLES = {
    "throttle": f'{{"__type":{PREFIX}ThrottlingException","message":"slow"}}'.encode(),
    "throttle inside": (
        f'{{"__type":{PREFIX}TransactionCanceledException","Message":"cancelled",'
        '"CancellationReasons":[{"Code":"None"},{"Code":"ThrottlingError","Message":"slow"}]}'
    ).encode(),
    "conflict": f'{{"__type":{PREFIX}TransactionConflictException","message":"busy"}}'.encode(),
}


@pytest.fixture(params=[CLIENT_CONFIG, TWICE], ids=["own retries", "botocore's retries"])
def connected(request, endpoint):
    client: Any = boto3.client(
        "dynamodb",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=request.param,
    )
    line = Line(client._endpoint.http_session)
    client._endpoint.http_session = line
    return client, line


@pytest.fixture
def line(connected):
    return connected[1]


@pytest.fixture
def tx(connected, table):
    return TransactionClient(table, client=connected[0])


@pytest.fixture
def rival(client, table):
    return TransactionClient(table, client=client)


@pytest.fixture(autouse=True)
def _items(rival, table):
    rival.run(lambda t: (t.put(table, A, {"n": 1}), t.put(table, B, {"n": 1})))


@pytest.fixture
def runs():
    """What each run of the function has read."""
    return []


def values(rival, table):
    return [item["n"] for item in rival.snapshot([(table, A), (table, B)])]


def count_one(table, runs):
    def body(t):
        runs.append(t.get(table, A)["n"])
        t.update(table, A, {"n": runs[-1] + 1})

    return body


def move(table, runs):
    def body(t):
        runs.append((t.get(table, A)["n"], t.get(table, B)["n"]))
        t.update(table, A, {"n": runs[-1][0] - 1})
        t.update(table, B, {"n": runs[-1][1] + 1})

    return body


def test_one_item_counts_once(tx, line, rival, table, runs):
    line.plan = ["lose"]
    tx.run(count_one(table, runs))
    assert values(rival, table) == [2, 1]
    assert len(runs) == 1
    assert line.writes == 2


def test_one_item_counts_once_behind_a_successor(tx, line, rival, table, runs):
    line.plan = ["lose", lambda: rival.run(count_one(table, []))]
    tx.run(count_one(table, runs))
    assert values(rival, table) == [3, 1]
    assert len(runs) == 1


def test_one_item_that_was_never_written_is_written_after_its_rival(tx, line, rival, table, runs):
    line.plan = ["cannot connect", lambda: rival.run(count_one(table, []))]
    tx.run(count_one(table, runs))
    assert values(rival, table) == [3, 1]
    assert runs == [1, 2]


def test_one_item_too_often_written_since_is_left_open(tx, line, rival, table):
    line.plan = ["lose", lambda: [rival.run(count_one(table, [])) for _ in range(5)]]
    with pytest.raises(OutcomeUnknown):
        tx.run(count_one(table, []))
    assert values(rival, table) == [7, 1]


def test_two_items_count_once(tx, line, rival, table, runs):
    line.plan = ["lose", "lose"]
    tx.run(move(table, runs))
    assert values(rival, table) == [0, 2]
    assert len(runs) == 1
    assert line.writes == 3


def test_two_items_count_once_behind_a_successor(tx, line, rival, table, runs):
    """The token brings back the first answer, though the items have other versions by now."""
    line.plan = ["lose", lambda: rival.run(move(table, []))]
    tx.run(move(table, runs))
    assert values(rival, table) == [-1, 3]
    assert len(runs) == 1


def test_a_blind_write_counts_once(tx, line, rival, table):
    line.plan = ["lose"]
    tx.run(lambda t: t.update(table, A, add={"n": 5}))
    assert values(rival, table) == [6, 1]


def test_a_keyed_call_counts_once_and_returns_its_result(tx, line, rival, table):
    def body(t):
        t.update(table, A, add={"n": 5})
        return "done"

    line.plan = ["lose"]
    assert tx.run(body, idempotency_key="k") == "done"
    assert tx.run(body, idempotency_key="k") == "done"
    assert values(rival, table) == [6, 1]


@pytest.mark.parametrize("refusal", ["throttle", "throttle inside"])
def test_throttling_is_waited_out_wherever_it_says_so(tx, line, rival, table, refusal):
    line.plan = [refusal] * 3
    tx.run(move(table, []))
    assert values(rival, table) == [0, 2]
    assert line.writes == 4


def test_a_conflict_on_a_plain_write_is_waited_out(tx, line, rival, table, runs):
    line.plan = ["conflict"] * 3
    tx.run(count_one(table, runs))
    assert values(rival, table) == [2, 1]
    assert line.writes == 4


def test_a_condition_that_does_not_hold_is_told_after_throttling(tx, line, table):
    """Nothing was lost, so there is nothing to doubt, though botocore sent it twice."""
    line.plan = ["throttle"]
    with pytest.raises(ConditionFailed):
        tx.run(lambda t: t.update(table, A, add={"n": 1}, condition=Attr("n").gte(9)))
