"""A key makes a transaction happen once; limits are told before anything is sent."""

from datetime import timedelta
from decimal import Decimal

import pytest
from boto3.dynamodb.conditions import Attr

from interlock.errors import (
    ConditionFailed,
    IdempotencyMismatch,
    InvalidValue,
    ItemTooLarge,
    OutcomeUnknown,
    TransactionClosed,
    TransactionTooLarge,
)
from tests.unit.transactions.wire import A, lose_reply, lose_request, put, stored, then


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

    @pytest.mark.parametrize("retention", [timedelta(), timedelta(seconds=-1)])
    def test_a_record_that_would_be_forgotten_at_once_is_refused(self, tx, wire, retention):
        """Every call would count, though it carries a key."""
        with pytest.raises(InvalidValue, match="retention"):
            tx.run(lambda _: None, idempotency_key="k", retention=retention)
        assert wire.sent == []

    def test_at_the_instant_that_it_expires_the_key_is_free(self, tx, wire, time):
        self.once(tx)
        record = stored(wire, {"pk": "once#k"}, "coordination")
        time.now = float(record["expires"]["N"]) - 0.001
        self.once(tx)
        assert stored(wire, A)["n"] == {"N": "1"}
        time.now = float(record["expires"]["N"])
        self.once(tx)
        assert stored(wire, A)["n"] == {"N": "2"}


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
    def test_a_timeout_stays_within_the_tokens_window(self, client_of, timeout):
        with pytest.raises(InvalidValue, match="timeout"):
            client_of(timeout=timeout)
