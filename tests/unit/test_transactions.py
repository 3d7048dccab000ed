"""Transactions against moto, with lost replies, conflicts and throttling put in between."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import boto3
import pytest
from boto3.dynamodb.conditions import Attr
from botocore.exceptions import ClientError, ReadTimeoutError
from moto import mock_aws

from interlock._drivers.boto3 import Boto3Driver
from interlock.errors import (
    ConditionFailed,
    IdempotencyMismatch,
    InvalidValue,
    ItemTooLarge,
    OutcomeUnknown,
    RequestRefused,
    TableNotFound,
    Throttled,
    TransactionClosed,
    TransactionConflict,
    TransactionTooLarge,
)
from interlock.transactions import TransactionClient

A, B = {"pk": "a"}, {"pk": "b"}


class Wire:
    """A DynamoDB client that loses replies and refuses calls as its script says."""

    def __init__(self, client):
        self.client = client
        self.meta = client.meta
        self.sent = []
        self.script = []

    def __getattr__(self, method):
        def send(**params):
            self.sent.append((method, params))
            act = self.script.pop(0) if self.script and method in WRITES else None
            return (
                act(lambda: getattr(self.client, method)(**params))
                if act
                else getattr(self.client, method)(**params)
            )

        return send

    def methods(self):
        return [method for method, _ in self.sent]


WRITES = {"transact_write_items", "put_item", "update_item", "delete_item"}


def lose_reply(call):
    call()
    raise ReadTimeoutError(endpoint_url="http://127.0.0.1")


def lose_request(_call):
    raise ReadTimeoutError(endpoint_url="http://127.0.0.1")


def refuse(code, *reasons, message="why"):
    def act(_call):
        response: Any = {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {"HTTPStatusCode": 400},
            "CancellationReasons": [{"Code": reason} for reason in reasons],
        }
        raise ClientError(response, "TransactWriteItems")

    return act


def then(*steps):
    def act(call):
        for step in steps[:-1]:
            step()
        return steps[-1](call)

    return act


class Time:
    now = 1_000_000.0
    slept = 0

    def read(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds
        self.slept += 1


@pytest.fixture
def wire(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        client = boto3.client("dynamodb", region_name="us-east-1")
        for table in ("t", "coordination"):
            client.create_table(
                TableName=table,
                KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )
        yield Wire(client)


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def reports():
    return []


@pytest.fixture
def tx(wire, time, reports):
    driver = Boto3Driver(wire, monotonic=time.read, wall_clock=time.read, sleep=time.sleep)
    return TransactionClient("coordination", driver=driver, attempts=8, on_finish=reports.append)


def put(tx, key, **attributes):
    tx.run(lambda t: t.put("t", key, attributes))


def stored(wire, key, table="t"):
    return wire.client.get_item(TableName=table, Key={"pk": {"S": key["pk"]}}).get("Item")


def test_a_function_reads_writes_and_returns(tx):
    put(tx, A, n=5, price=Decimal("1.5"), tags={"x"})

    @tx.transactional
    def take(t, amount, *, to):
        source = t.get("t", A)
        t.update("t", A, {"n": source["n"] - amount})
        t.update("t", to, add={"n": amount})
        return t.get("t", A)["n"], t.get("t", to)["n"]

    assert take(2, to=B) == (3, 2)
    assert tx.snapshot([("t", A), ("t", B), ("t", {"pk": "c"}), ("t", A)]) == [
        {"pk": "a", "n": 3, "price": Decimal("1.5"), "tags": {"x"}},
        {"pk": "b", "n": 2},
        None,
        {"pk": "a", "n": 3, "price": Decimal("1.5"), "tags": {"x"}},
    ]


def test_what_a_transaction_reads_it_cannot_change_by_accident(tx):
    put(tx, A, deep={"list": [1]})

    def body(t):
        t.get("t", A)["deep"]["list"].append(2)
        return t.get("t", A)

    assert tx.run(body) == {"pk": "a", "deep": {"list": [1]}}


def test_an_error_of_the_function_writes_nothing(tx, wire):
    def body(t):
        t.put("t", A, {})
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        tx.run(body)
    assert stored(wire, A) is None


def test_a_stale_read_runs_the_function_again(tx, wire, reports):
    put(tx, A, n=1)
    seen = []

    def body(t):
        seen.append(t.get("t", A)["n"])
        if len(seen) == 1:
            put(tx, A, n=10)
        t.update("t", B, {"n": seen[-1]})

    tx.run(body)
    assert seen == [1, 10]
    assert stored(wire, B)["n"] == {"N": "10"}
    assert (reports[-1].attempts, reports[-1].conflicts, reports[-1].committed) == (2, 1, True)


def test_an_item_that_was_not_there_counts_as_read(tx, wire):
    seen = []

    def body(t):
        seen.append(t.get("t", A))
        if len(seen) == 1:
            put(tx, A, n=1)
        t.put("t", B, {"found": seen[-1] is not None})

    tx.run(body)
    assert stored(wire, B)["found"] == {"BOOL": True}


def test_an_outsiders_replacement_is_noticed(tx, wire):
    put(tx, A, n=1)
    seen = []

    def body(t):
        seen.append(t.get("t", A)["n"])
        if len(seen) == 1:
            wire.client.put_item(TableName="t", Item={"pk": {"S": "a"}, "n": {"N": "7"}})
        t.update("t", A, {"n": seen[-1] + 1})

    tx.run(body)
    assert seen == [1, 7]
    assert stored(wire, A)["n"] == {"N": "8"}


def test_a_recreated_item_is_not_the_one_that_was_read(tx):
    put(tx, A, n=1)
    seen = []

    def body(t):
        seen.append(t.get("t", A)["n"])
        if len(seen) == 1:
            tx.run(lambda other: other.delete("t", A))
            put(tx, A, n=2)
        t.update("t", B, {"n": seen[-1]})

    tx.run(body)
    assert seen == [1, 2]


def test_an_error_from_reads_that_were_never_true_together_is_not_believed(tx):
    put(tx, A, n=1)
    put(tx, B, n=1)
    runs = []

    def body(t):
        runs.append(1)
        a = t.get("t", A)["n"]
        if len(runs) == 1:
            put(tx, A, n=2)
            put(tx, B, n=2)
        if a != t.get("t", B)["n"]:
            raise AssertionError("a and b differ")

    tx.run(body)
    assert len(runs) == 2


def test_a_read_only_transaction_is_verified_by_reading(tx, wire):
    put(tx, A, n=1)
    put(tx, B, n=1)
    wire.sent.clear()
    tx.run(lambda t: (t.get("t", A), t.get("t", B)))
    assert wire.methods() == ["get_item", "get_item", "transact_get_items"]
    wire.sent.clear()
    tx.run(lambda t: t.get_many([("t", A), ("t", B)]))
    assert wire.methods() == ["transact_get_items"]


def test_a_read_only_transaction_runs_again_when_reads_were_torn(tx):
    put(tx, A, n=1)
    put(tx, B, n=1)
    runs: list[int] = []

    def body(t):
        a = t.get("t", A)["n"]
        if not runs:
            put(tx, A, n=2)
        runs.append(1)
        return a, t.get("t", B)["n"]

    assert tx.run(body) == (2, 1)


class TestConditions:
    def test_a_failed_condition_is_told_with_its_item_and_never_retried(self, tx, wire, reports):
        put(tx, A, n=1)
        wire.sent.clear()
        with pytest.raises(ConditionFailed) as failure:
            tx.run(
                lambda t: (
                    t.put("t", B, {}),
                    t.update("t", A, add={"n": -2}, condition=Attr("n").gte(2)),
                )
            )
        error = failure.value
        assert (error.index, error.table, error.key) == (1, "t", A)
        assert error.item == {"pk": "a", "n": 1}
        assert wire.methods() == ["transact_write_items"]
        assert stored(wire, B) is None
        assert not reports[-1].committed

    def test_on_an_item_that_was_read_it_is_the_callers(self, tx, wire):
        put(tx, A, n=1)

        def body(t):
            t.get("t", A)
            t.update("t", A, {"n": 0}, condition=Attr("n").eq(5))

        with pytest.raises(ConditionFailed):
            tx.run(body)
        assert wire.methods()[-1] == "update_item"

    def test_two_demands_of_one_item_both_count(self, tx):
        put(tx, A, n=5)

        def body(t):
            t.check("t", A, Attr("n").gte(1))
            t.delete("t", A, condition=Attr("n").lt(5))

        with pytest.raises(ConditionFailed):
            tx.run(body)

    def test_a_guard_that_fails_names_the_locks_row(self, tx):
        class Lost:
            def guard(self):
                return {
                    "ConditionCheck": {
                        "TableName": "coordination",
                        "Key": {"pk": {"S": "lock#x"}},
                        "ConditionExpression": "attribute_exists(version)",
                    }
                }

        def body(t):
            t.put("t", A, {})
            t.guard(Lost())

        with pytest.raises(ConditionFailed) as failure:
            tx.run(body)
        assert failure.value.key == {"pk": "lock#x"}


class TestRetries:
    @pytest.mark.parametrize(
        "refusal",
        [
            refuse("TransactionCanceledException", "None", "TransactionConflict"),
            refuse("TransactionCanceledException", "ThrottlingError", "None"),
            refuse("TransactionCanceledException", "ProvisionedThroughputExceeded", "None"),
            refuse("ProvisionedThroughputExceededException"),
            refuse("TransactionInProgressException"),
            lose_request,
        ],
    )
    def test_what_may_pass_is_sent_again_under_the_same_token(self, tx, wire, time, refusal):
        runs: list[int] = []
        wire.script = [refusal, refusal]

        def body(t):
            runs.append(1)
            t.put("t", A, {})
            t.put("t", B, {})

        tx.run(body)
        sent = [params for method, params in wire.sent if method == "transact_write_items"]
        assert len(sent) == 3
        assert sent[0] == sent[1] == sent[2]
        assert sent[0]["ClientRequestToken"]
        assert len(runs) == 1
        assert time.slept == 2

    def test_a_conflict_on_a_plain_write_is_retried(self, tx, wire):
        put(tx, A, n=1)
        wire.script = [refuse("TransactionConflictException")]
        tx.run(lambda t: (t.get("t", A), t.update("t", A, add={"n": 1})))
        assert wire.methods()[-2:] == ["update_item", "update_item"]
        assert stored(wire, A)["n"] == {"N": "2"}

    def test_a_validation_error_is_never_retried(self, tx, wire):
        wire.script = [
            refuse("ValidationException"),
            refuse("TransactionCanceledException", "ValidationError", "TransactionConflict"),
        ]
        for _ in range(2):
            wire.sent.clear()
            with pytest.raises(RequestRefused):
                tx.run(lambda t: (t.put("t", A, {}), t.put("t", B, {})))
            assert len(wire.sent) == 1

    @pytest.mark.parametrize(
        ("reason", "error"),
        [("TransactionConflict", TransactionConflict), ("ThrottlingError", Throttled)],
    )
    def test_patience_ends_by_attempts(self, tx, wire, reason, error):
        wire.script = [refuse("TransactionCanceledException", reason)] * 8
        with pytest.raises(error):
            tx.run(lambda t: t.put("t", A, {}))
        assert len(wire.sent) == 8

    def test_patience_ends_by_time(self, wire, time):
        driver = Boto3Driver(
            wire, monotonic=time.read, wall_clock=time.read, sleep=time.sleep, draw=lambda: 0.99
        )
        tx = TransactionClient("coordination", driver=driver, timeout=timedelta(seconds=1))
        wire.script = [refuse("ThrottlingException")] * 50
        began = time.now
        with pytest.raises(Throttled):
            tx.run(lambda t: t.put("t", A, {}))
        assert time.now - began <= 1

    def test_a_missing_table_is_said_so(self, tx):
        with pytest.raises(TableNotFound):
            tx.run(lambda t: t.get("nowhere", A))

    def test_a_commit_without_an_answer_is_unknown(self, tx, wire):
        wire.script = [lose_request] * 8
        with pytest.raises(OutcomeUnknown):
            tx.run(lambda t: t.put("t", A, {}))

    def test_a_token_is_not_relied_on_beyond_its_window(self, tx, wire, time):
        def sleep_long(_call):
            time.now += 700
            raise ReadTimeoutError(endpoint_url="http://127.0.0.1")

        wire.script = [sleep_long]
        with pytest.raises(OutcomeUnknown):
            tx.run(lambda t: t.update("t", A, add={"n": 1}))
        assert len(wire.sent) == 1

    def test_the_versions_prove_a_commit_even_where_the_token_is_forgotten(self, tx, wire):
        """Moto knows no tokens, as DynamoDB after ten minutes."""
        put(tx, A, n=1)
        wire.script = [lose_reply]

        def body(t):
            n = t.get("t", A)["n"]
            t.update("t", A, {"n": n + 1})
            t.update("t", B, {"n": n})

        tx.run(body)
        assert stored(wire, A)["n"] == {"N": "2"}


class TestOneItem:
    def change(self, tx):
        runs = []

        def body(t):
            runs.append(t.get("t", A)["n"])
            t.update("t", A, {"n": runs[-1] + 1})

        tx.run(body)
        return len(runs)

    def test_is_one_conditional_write(self, tx, wire):
        put(tx, A, n=1)
        wire.sent.clear()
        self.change(tx)
        assert wire.methods() == ["get_item", "update_item"]

    def test_a_lost_reply_is_recognised(self, tx, wire):
        put(tx, A, n=1)
        wire.script = [lose_reply]
        assert self.change(tx) == 1
        assert stored(wire, A)["n"] == {"N": "2"}

    def test_a_lost_reply_is_recognised_behind_a_successor(self, tx, wire):
        put(tx, A, n=1)
        wire.script = [lose_reply, then(lambda: self.change(tx), lambda call: call())]
        assert self.change(tx) == 1
        assert stored(wire, A)["n"] == {"N": "3"}

    def test_a_lost_request_before_a_rival_is_a_conflict(self, tx, wire):
        put(tx, A, n=1)
        wire.script = [lose_request, then(lambda: self.change(tx), lambda call: call())]
        assert self.change(tx) == 2
        assert stored(wire, A)["n"] == {"N": "3"}

    @pytest.mark.parametrize("first", [lose_reply, lose_request])
    def test_too_many_successors_leave_it_open(self, tx, wire, first):
        put(tx, A, n=1)

        def rivals():
            for _ in range(5):
                self.change(tx)

        wire.script = [first, then(rivals, lambda call: call())]
        with pytest.raises(OutcomeUnknown):
            self.change(tx)

    def test_too_many_rivals_without_a_lost_reply_are_a_conflict(self, tx, wire):
        put(tx, A, n=1)

        def rivals():
            for _ in range(5):
                self.change(tx)

        wire.script = [then(rivals, lambda call: call())]
        assert self.change(tx) == 2
        assert stored(wire, A)["n"] == {"N": "7"}

    @pytest.mark.parametrize(
        "body",
        [
            lambda t: t.update("t", A, add={"n": 1}),
            lambda t: (t.get("t", A), t.delete("t", A)),
            lambda t: (t.get("t", B), t.put("t", B, {})),
        ],
    )
    def test_a_write_whose_lost_reply_no_version_can_tell_keeps_its_token(self, tx, wire, body):
        put(tx, A, n=1)
        tx.run(body)
        assert wire.methods()[-1] == "transact_write_items"


class TestIdempotency:
    def once(self, tx, payload=None, key="k"):
        def body(t):
            t.update("t", A, add={"n": 1})
            return ("done", t.get("t", A)["n"])

        return tx.run(body, idempotency_key=key, payload=payload)

    def test_a_replay_returns_the_result_in_one_round_trip(self, tx, wire, reports):
        assert self.once(tx) == ["done", 1]
        wire.sent.clear()
        assert self.once(tx) == ["done", 1]
        assert wire.methods() == ["get_item"]
        assert (reports[-1].attempts, reports[-1].replayed) == (0, True)

    def test_another_payload_is_refused(self, tx, wire):
        self.once(tx, payload={"amount": 1, "to": "b"})
        self.once(tx, payload={"to": "b", "amount": Decimal("1.0")})
        with pytest.raises(IdempotencyMismatch):
            self.once(tx, payload={"amount": 2, "to": "b"})
        assert stored(wire, A)["n"] == {"N": "1"}

    def test_of_two_at_once_one_does_the_work(self, tx, wire):
        wire.script = [then(lambda: self.once(tx), lambda call: call())]
        assert self.once(tx) == ["done", 1]
        assert stored(wire, A)["n"] == {"N": "1"}

    def test_a_lost_reply_is_found_again_without_the_token(self, tx, wire):
        wire.script = [lose_reply]
        assert self.once(tx) == ["done", 1]
        assert stored(wire, A)["n"] == {"N": "1"}

    def test_a_retry_by_a_later_process_finds_the_result(self, tx, wire):
        wire.script = [lose_reply] + [lose_request] * 7
        with pytest.raises(OutcomeUnknown):
            self.once(tx)
        assert self.once(tx) == ["done", 1]
        assert stored(wire, A)["n"] == {"N": "1"}

    def test_a_record_outlives_the_token_and_ends_with_its_retention(self, tx, wire, time):
        self.once(tx)
        record = stored(wire, {"pk": "once#k"}, "coordination")
        assert record["expires"] == {"N": str(int(time.now) + 24 * 3600)}
        time.now += 24 * 3600 - 1
        self.once(tx)
        assert stored(wire, A)["n"] == {"N": "1"}
        time.now += 2
        self.once(tx)
        assert stored(wire, A)["n"] == {"N": "2"}

    def test_a_failure_leaves_no_record(self, tx, wire):
        def body(t):
            t.put("t", A, {}, condition=Attr("pk").exists())

        with pytest.raises(ConditionFailed):
            tx.run(body, idempotency_key="k")
        assert stored(wire, {"pk": "once#k"}, "coordination") is None

    def test_a_result_that_cannot_be_kept_is_refused_before_the_commit(self, tx, wire):
        def body(t):
            t.put("t", A, {})
            return object()

        with pytest.raises(InvalidValue, match="result"):
            tx.run(body, idempotency_key="k")
        assert stored(wire, A) is None

    @pytest.mark.parametrize("key", ["", "x" * 1025])
    def test_a_bad_key_is_refused(self, tx, key):
        with pytest.raises(InvalidValue, match="idempotency_key"):
            self.once(tx, key=key)


class TestLimits:
    def test_too_many_items_are_refused_before_anything_is_sent(self, tx, wire):
        def body(t):
            for i in range(101):
                t.put("t", {"pk": str(i)}, {})

        with pytest.raises(TransactionTooLarge, match="101 actions"):
            tx.run(body)
        assert wire.sent == []

    def test_a_large_item_is_refused_before_anything_is_sent(self, tx, wire):
        with pytest.raises(ItemTooLarge):
            put(tx, A, data=b"x" * (400 * 1024))
        assert wire.sent == []

    def test_a_large_transaction_is_refused_before_anything_is_sent(self, tx, wire):
        def body(t):
            for i in range(11):
                t.put("t", {"pk": str(i)}, {"data": "x" * (399 * 1024)})

        with pytest.raises(TransactionTooLarge, match="bytes"):
            tx.run(body)
        assert wire.sent == []

    def test_a_transaction_is_over_when_its_function_has_returned(self, tx):
        kept = tx.run(lambda t: t)
        with pytest.raises(TransactionClosed):
            kept.put("t", A, {})

    def test_the_version_attribute_is_the_librarys(self, tx):
        with pytest.raises(InvalidValue, match="_version"):
            put(tx, A, _version="x")
        with pytest.raises(InvalidValue, match="_version"):
            tx.run(lambda t: t.update("t", A, remove=["_version"]))

    def test_a_key_that_contradicts_its_item_is_refused(self, tx):
        with pytest.raises(InvalidValue, match="pk"):
            put(tx, A, pk="b")

    @pytest.mark.parametrize("timeout", [timedelta(), timedelta(minutes=6)])
    def test_a_timeout_stays_within_the_tokens_window(self, wire, timeout):
        with pytest.raises(InvalidValue, match="timeout"):
            TransactionClient("coordination", client=wire, timeout=timeout)
