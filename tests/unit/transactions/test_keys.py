"""A key belongs to an operation and stands for a payload; records of before still count."""

import functools
from datetime import timedelta

import pytest
from boto3.dynamodb.conditions import Attr

from interlock._protocol.transactions.fingerprint import unscoped_fingerprint
from interlock.errors import CorruptRecord, IdempotencyMismatch, InvalidValue
from tests.unit.transactions.wire import A, B, lose_reply, lose_request, stored, then


def ship(t):
    t.update("t", A, add={"n": 1})
    return "shipped"


def refund(t):
    t.update("t", B, add={"n": 1})
    return "refunded"


def record_of(wire, function=ship, key="42"):
    return stored(wire, {"pk": f"once#{__name__}.{function.__qualname__}#{key}"}, "coordination")


def earlier(wire, key="42", *, payload=None, result="shipped before", expires=2_000_000):
    """Put a record as the version before keys belonged to operations did."""
    wire.client.put_item(
        TableName="coordination",
        Item={
            "pk": {"S": f"once#{key}"},
            "attempt": {"S": "then"},
            "fingerprint": {"S": unscoped_fingerprint(payload)},
            "result": {"S": result},
            "expires": {"N": str(expires)},
        },
    )


class TestOperations:
    def test_two_operations_may_use_the_same_key(self, tx, wire):
        assert tx.run(ship, idempotency_key="42") == "shipped"
        assert tx.run(refund, idempotency_key="42") == "refunded"
        assert tx.run(ship, idempotency_key="42") == "shipped"
        assert (stored(wire, A)["n"], stored(wire, B)["n"]) == ({"N": "1"}, {"N": "1"})
        assert record_of(wire)["operation"] == {"S": f"{__name__}.ship"}
        assert record_of(wire)["format"] == {"N": "2"}

    def test_a_named_operation_outlives_its_functions_name(self, tx, wire):
        tx.run(ship, idempotency_key="42", operation="orders/ship")
        assert tx.run(lambda _: "no", idempotency_key="42", operation="orders/ship") == "shipped"
        assert stored(wire, {"pk": "once#orders/ship#42"}, "coordination") is not None

    def test_lambdas_do_not_replay_each_other(self, tx, wire):
        tx.run(lambda t: t.put("t", A, {"n": 1}) or "one", idempotency_key="42")
        with pytest.raises(IdempotencyMismatch, match="operation="):
            tx.run(lambda t: t.put("t", B, {"n": 1}) or "two", idempotency_key="42")
        assert stored(wire, B) is None

    def test_the_same_lambda_on_another_line_is_the_same(self, tx, wire):
        tx.run(lambda t: t.update("t", A, add={"n": 1}), idempotency_key="42")
        tx.run(lambda t: t.update("t", A, add={"n": 1}), idempotency_key="42")
        assert stored(wire, A)["n"] == {"N": "1"}

    @pytest.mark.parametrize("operation", ["", "a#b", "x" * 513, 7])
    def test_a_bad_name_is_refused(self, tx, wire, operation):
        with pytest.raises(InvalidValue, match="operation"):
            tx.run(ship, idempotency_key="42", operation=operation)
        assert wire.sent == []

    def test_what_a_partial_has_bound_is_the_payload(self, tx):
        def move(_t, amount):
            return amount

        assert tx.run(functools.partial(move, amount=1), idempotency_key="42") == 1
        assert tx.run(functools.partial(move, amount=1), idempotency_key="42") == 1
        with pytest.raises(IdempotencyMismatch):
            tx.run(functools.partial(move, amount=2), idempotency_key="42")


class TestDecorated:
    @pytest.fixture
    def transfer(self, tx):
        @tx.transactional(idempotency_key="request_id")
        def transfer(t, source, amount=1, *, request_id):
            t.update("t", source, add={"n": amount})
            return request_id

        return transfer

    def test_the_arguments_are_the_payload(self, transfer, wire):
        assert transfer(A, request_id="r") == "r"
        assert transfer(A, 1, request_id="r") == "r"
        assert transfer(source=A, amount=1.0, request_id="r") == "r"
        assert stored(wire, A)["n"] == {"N": "1"}
        with pytest.raises(IdempotencyMismatch):
            transfer(A, 2, request_id="r")
        with pytest.raises(IdempotencyMismatch):
            transfer(B, request_id="r")
        transfer(A, request_id="s")
        assert stored(wire, A)["n"] == {"N": "2"}

    def test_a_call_without_a_key_is_a_transaction_like_any_other(self, transfer, wire):
        for _ in range(2):
            transfer(A, request_id=None)
        assert stored(wire, A)["n"] == {"N": "2"}

    def test_a_parameter_that_is_none_is_refused(self, tx):
        with pytest.raises(InvalidValue, match="'order' is no parameter"):
            tx.transactional(idempotency_key="order")(ship)

    def test_an_argument_that_no_other_process_has_alike_is_refused(self, transfer, wire):
        with pytest.raises(InvalidValue, match="source"):
            transfer(object(), request_id="r")
        assert wire.sent == []


class TestEarlierRecords:
    def test_are_replayed_without_running_the_function(self, tx, wire):
        earlier(wire)
        assert tx.run(ship, idempotency_key="42") == "shipped before"
        assert stored(wire, A) is None

    def test_refuse_another_payload(self, tx, wire):
        earlier(wire, payload={"amount": 1})
        assert tx.run(ship, idempotency_key="42", payload={"amount": 1}) == "shipped before"
        for payload in ({"amount": 2}, {"amount": 1.5}):
            with pytest.raises(IdempotencyMismatch):
                tx.run(ship, idempotency_key="42", payload=payload)
        assert stored(wire, A) is None

    def test_that_have_expired_do_not_count(self, tx, wire, time):
        earlier(wire, expires=int(time.now))
        assert tx.run(ship, idempotency_key="42") == "shipped"

    def test_that_come_during_the_commit_are_replayed(self, tx, wire):
        wire.script = [then(lambda: earlier(wire), lambda call: call())]
        assert tx.run(ship, idempotency_key="42") == "shipped before"
        assert stored(wire, A) is None

    def test_are_written_for_processes_of_that_version(self, tx, wire):
        tx.run(ship, idempotency_key="42", payload={"amount": 1})
        record = stored(wire, {"pk": "once#42"}, "coordination")
        assert record["fingerprint"] == {"S": unscoped_fingerprint({"amount": 1})}
        assert (record["result"], "format" in record) == ({"S": "shipped"}, False)

    def test_of_another_operation_do_not_count(self, tx, wire):
        """Not the first time that they are met, and not when they come during the commit."""
        wire.script = [then(lambda: tx.run(refund, idempotency_key="42"), lambda call: call())]
        assert tx.run(ship, idempotency_key="42") == "shipped"
        assert stored(wire, A)["n"] == {"N": "1"}

    def test_are_forgotten_on_request(self, client_of, wire):
        earlier(wire)
        tx = client_of(unscoped_keys=False)
        wire.sent.clear()
        assert tx.run(ship, idempotency_key="42") == "shipped"
        assert wire.methods() == ["get_item", "transact_write_items"]
        assert stored(wire, {"pk": "once#42"}, "coordination")["result"] == {"S": "shipped before"}


class TestRetention:
    def test_a_key_is_free_again_while_its_record_still_refuses_late_copies(self, tx, wire, time):
        tx.run(ship, idempotency_key="42", retention=timedelta(minutes=1))
        record = record_of(wire)
        assert record["until"] == {"N": str(int(time.now) + 60)}
        assert record["expires"] == {"N": str(int(time.now) + 15 * 60)}
        time.now += 59
        tx.run(ship, idempotency_key="42", retention=timedelta(minutes=1))
        assert stored(wire, A)["n"] == {"N": "1"}
        time.now += 1
        tx.run(ship, idempotency_key="42", retention=timedelta(minutes=1))
        assert stored(wire, A)["n"] == {"N": "2"}

    def test_an_attempt_with_a_key_is_never_left_open_by_what_it_read(self, tx, wire):
        """Of its attempts only one commits, so the next may begin though a reply is missing."""
        runs = []

        def body(t):
            runs.append(t.get("t", A))
            t.put("t", B, {"found": runs[-1] is not None})

        def rival():
            wire.client.put_item(TableName="t", Item={"pk": {"S": "a"}})

        wire.script = [then(rival, lose_request)]
        tx.run(body, idempotency_key="42")
        assert [found is not None for found in runs] == [False, True]

    def test_a_lost_reply_is_found_by_the_record(self, tx, wire):
        wire.script = [lose_reply]
        assert tx.run(ship, idempotency_key="42") == "shipped"
        assert stored(wire, A)["n"] == {"N": "1"}

    def test_a_number_of_seconds_is_refused(self, tx):
        with pytest.raises(InvalidValue, match="timedelta"):
            tx.run(ship, idempotency_key="42", retention=60)


class TestPoison:
    @pytest.mark.parametrize(
        ("change", "attribute"),
        [
            ({"expires": {"S": "x"}}, "expires"),
            ({"expires": None}, "expires"),
            ({"fingerprint": None}, "fingerprint"),
            ({"fingerprint": {"N": "1"}}, "fingerprint"),
            ({"result": None}, "result"),
            ({"format": {"S": "2"}}, "format"),
            ({"format": {"N": "3"}}, "format"),
            ({"operation": {"NULL": True}}, "operation"),
            ({"expires": {"N": "-1"}}, "expires"),
        ],
    )
    def test_a_record_that_says_nothing_decides_nothing(self, tx, wire, change, attribute):
        tx.run(ship, idempotency_key="42")
        poisoned = {**record_of(wire), **change}
        item = {name: value for name, value in poisoned.items() if value is not None}
        wire.client.put_item(TableName="coordination", Item=item)
        with pytest.raises(CorruptRecord) as error:
            tx.run(ship, idempotency_key="42")
        assert (error.value.table, error.value.attribute) == ("coordination", attribute)
        assert stored(wire, A)["n"] == {"N": "1"}

    def test_an_unscoped_record_whose_operation_is_no_name_decides_nothing(self, tx, wire):
        earlier(wire)
        item = {**stored(wire, {"pk": "once#42"}, "coordination"), "operation": {"N": "1"}}
        wire.client.put_item(TableName="coordination", Item=item)
        with pytest.raises(CorruptRecord) as error:
            tx.run(ship, idempotency_key="42")
        assert error.value.attribute == "operation"
        assert stored(wire, A) is None

    @pytest.mark.parametrize(
        "version",
        [{"N": "1"}, {"S": ""}, {"S": "x" * 300_000}, {"S": "  a  b "}, {"S": "a b c d e f"}],
        ids=["number", "empty", "huge", "spaces", "long"],
    )
    def test_a_version_that_no_attempt_wrote_proves_nothing(self, tx, wire, version):
        item = {"pk": {"S": "a"}, "n": {"N": "1"}, "_version": version}
        wire.client.put_item(TableName="t", Item=item)
        tx.run(lambda t: t.update("t", A, {"n": t.get("t", A)["n"] + 1}, condition=Attr("n").eq(1)))
        assert wire.methods()[-1] == "transact_write_items"
        assert stored(wire, A)["n"] == {"N": "2"}
        assert len(stored(wire, A)["_version"]["S"]) < 100


@pytest.mark.parametrize(
    "option",
    [{"operation": "pay"}, {"payload": {"n": 1}}, {"retention": timedelta(days=2)}],
    ids=list,
)
def test_what_says_how_a_key_is_meant_is_refused_without_a_key(tx, wire, option):
    with pytest.raises(InvalidValue, match=rf"{next(iter(option))}: .* give idempotency_key"):
        tx.run(ship, **option)
    if "payload" not in option:
        with pytest.raises(InvalidValue, match="give idempotency_key"):
            tx.transactional(**option)(ship)
    assert stored(wire, A) is None


def test_a_call_whose_key_is_none_runs_each_time(tx, wire):
    @tx.transactional(idempotency_key="key", operation="pay", retention=timedelta(days=2))
    def pay(t, *, key):  # noqa: ARG001 - it is the wrapper's
        t.update("t", A, add={"n": 1})

    for _ in range(2):
        pay(key=None)
    assert stored(wire, A)["n"] == {"N": "2"}


class Orders:
    def ship(self, t):
        t.update("t", A, add={"n": 1})

    def refund(cls, t):  # noqa: N805 - as a class method has it
        t.update("t", A, add={"n": -1})


@pytest.mark.parametrize(("method", "first"), [(Orders.ship, "self"), (Orders.refund, "cls")])
def test_a_method_is_refused_where_it_is_decorated(tx, method, first):
    with pytest.raises(InvalidValue, match=rf"'{first}'.* run\(lambda tx: self\.method\(tx"):
        tx.transactional(method)
