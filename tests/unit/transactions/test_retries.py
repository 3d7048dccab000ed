"""What may pass is sent again, what may not is told, and a lost reply is neither."""

from datetime import timedelta

import boto3
import pytest
from botocore.exceptions import ParamValidationError, ReadTimeoutError

from interlock._drivers.blocking.opening import open_driver
from interlock.errors import (
    CredentialsRejected,
    OutcomeUnknown,
    RequestRefused,
    ServiceUnavailable,
    TableNotFound,
    Throttled,
    TransactionConflict,
)
from interlock.transactions import TransactionClient
from tests.unit.transactions.wire import A, B, lose_reply, lose_request, put, refuse, stored, then


def cannot_be_sent(_call):
    raise ParamValidationError(report="what botocore does not send")


class TestRetries:
    @pytest.mark.parametrize(
        "refusal",
        [
            refuse("TransactionCanceledException", "None", "TransactionConflict"),
            refuse("TransactionCanceledException", "ThrottlingError", "None"),
            refuse("TransactionCanceledException", "ProvisionedThroughputExceeded", "None"),
            refuse("ProvisionedThroughputExceededException"),
            refuse("TransactionInProgressException"),
            refuse("ReplicatedWriteConflictException"),
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

    def test_what_cannot_be_sent_is_told_at_once(self, tx, wire, time):
        wire.reads = [cannot_be_sent]
        with pytest.raises(RequestRefused, match="ParamValidationError"):
            tx.run(lambda t: t.get("t", A))
        assert len(wire.sent) == 1
        assert time.slept == 0

    def test_missing_credentials_are_told_at_once(self, time, monkeypatch):
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
            monkeypatch.delenv(name, raising=False)
        for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
            monkeypatch.setenv(name, "/nonexistent")
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        client = boto3.Session().client("dynamodb", region_name="us-east-1")
        tx = TransactionClient("t", client=open_driver(client, sleep=time.sleep))
        with pytest.raises(CredentialsRejected, match="NoCredentialsError"):
            tx.run(lambda t: t.put("t", A, {}))
        assert time.slept == 0

    @pytest.mark.parametrize(
        ("reason", "error"),
        [("TransactionConflict", TransactionConflict), ("ThrottlingError", Throttled)],
    )
    def test_patience_ends_by_attempts(self, tx, wire, reason, error):
        wire.script = [refuse("TransactionCanceledException", reason)] * 8
        with pytest.raises(error):
            tx.run(lambda t: t.put("t", A, {}))
        assert len(wire.sent) == 8

    def test_patience_ends_by_time(self, client_of, wire, time):
        tx = client_of(timeout=timedelta(seconds=1), draw=lambda: 0.99)
        wire.script = [refuse("ThrottlingException")] * 50
        began = time.now
        with pytest.raises(Throttled):
            tx.run(lambda t: t.put("t", A, {}))
        assert time.now - began <= 1

    def test_a_copy_in_progress_leaves_the_outcome_open(self, tx, wire):
        """Only this attempt has the token, so it is a copy of its own that is being carried out."""
        wire.script = [refuse("TransactionInProgressException")] * 8
        with pytest.raises(OutcomeUnknown):
            tx.run(lambda t: t.put("t", A, {}))

    def test_no_call_is_made_when_the_time_is_over(self, client_of, wire, time):
        tx = client_of(timeout=timedelta(seconds=1))

        def slow(t):
            time.now += 2
            t.put("t", A, {})

        with pytest.raises(ServiceUnavailable, match="time was up"):
            tx.run(slow)
        assert wire.sent == []

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

    @pytest.mark.parametrize("later", ["AccessDeniedException", "ResourceNotFoundException"])
    def test_a_refusal_after_a_lost_reply_does_not_claim_that_nothing_was_written(
        self, tx, wire, later
    ):
        put(tx, A, n=1)
        wire.script = [lose_reply, refuse(later)]
        with pytest.raises(OutcomeUnknown):
            self.change(tx)
        assert stored(wire, A)["n"] == {"N": "2"}

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
