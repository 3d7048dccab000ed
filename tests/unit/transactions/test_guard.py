"""A commit that a lock guards goes through only while this grant of the lock is held."""

from datetime import timedelta

import pytest
from boto3.dynamodb.conditions import Attr

from interlock.errors import ConditionFailed, GuardFailed, LockLost, LossReason
from interlock.locks import LockClient
from tests.unit.transactions.wire import A, B, lose_reply, put, stored

# Leaders that vanish are left as they are.
pytestmark = pytest.mark.filterwarnings("ignore:.*was dropped without:ResourceWarning")


@pytest.fixture
def clients(wire):
    """Two holders: the lock of the first is taken over, or released, behind its back."""
    with (
        LockClient("coordination", client=wire.client, heartbeat=timedelta(seconds=5)) as one,
        LockClient("coordination", client=wire.client, heartbeat=timedelta(seconds=5)) as two,
    ):
        yield one, two


@pytest.fixture
def lock(clients):
    return clients[0].acquire("orders/42")


def change(lock):
    def body(t):
        item = t.get("t", A)
        t.guard(lock)
        t.update("t", A, {"n": item["n"] + 1})

    return body


def free(wire):
    """Let the lock's record be as after a release, without its holder knowing."""
    wire.client.update_item(
        TableName="coordination",
        Key={"pk": {"S": "lock#orders/42"}},
        UpdateExpression="REMOVE version",
    )


def test_the_holder_commits(tx, wire, lock):
    put(tx, A, n=1)
    tx.run(change(lock))
    assert stored(wire, A)["n"] == {"N": "2"}


def test_a_stale_holder_is_refused_and_told_that_the_lock_is_lost(tx, wire, lock, clients):
    put(tx, A, n=1)
    free(wire)
    taken = clients[1].acquire("orders/42")
    with pytest.raises(GuardFailed, match=r"lock 'orders/42'.*another holder has it") as failure:
        tx.run(change(lock))
    error = failure.value
    assert isinstance(error, LockLost)
    assert isinstance(error, ConditionFailed)
    assert (error.name, error.fencing_token) == ("orders/42", lock.fencing_token)
    assert error.reason is LossReason.TAKEN_OVER
    assert error.key == {"pk": "lock#orders/42"}
    assert error.item is not None
    assert error.item["fence"] == taken.fencing_token
    assert stored(wire, A)["n"] == {"N": "1"}


def test_what_became_of_the_lock_is_said(tx, wire, lock):
    free(wire)
    with pytest.raises(GuardFailed) as failure:
        tx.run(lambda t: (t.guard(lock), t.put("t", A, {})))
    assert failure.value.reason is LossReason.RELEASED
    wire.client.delete_item(TableName="coordination", Key={"pk": {"S": "lock#orders/42"}})
    with pytest.raises(GuardFailed) as failure:
        tx.run(lambda t: (t.guard(lock), t.put("t", A, {})))
    assert failure.value.reason is LossReason.DELETED


def test_a_function_is_not_run_again_for_a_holder_who_has_lost(tx, wire, lock, clients):
    """Though what it read is out of date too, by the hand of the new holder."""
    put(tx, A, n=1)
    runs = []

    def body(t):
        runs.append(t.get("t", A)["n"])
        if len(runs) == 1:
            free(wire)
            other = clients[1].acquire("orders/42")
            tx.run(lambda t: (t.guard(other), t.put("t", A, {"n": 7})))
        t.guard(lock)
        t.update("t", A, {"n": runs[-1] + 1})

    with pytest.raises(LockLost):
        tx.run(body)
    assert runs == [1]


def test_a_lock_guards_once_however_often_it_is_named(tx, wire, lock):
    tx.run(lambda t: (t.guard(lock), t.guard(lock), t.put("t", B, {})))
    (_, params) = wire.sent[-1]
    assert [next(iter(action)) for action in params["TransactItems"]] == ["Put", "ConditionCheck"]


def test_a_renewal_does_not_disturb_a_commit(tx, wire, lock):
    wire.client.update_item(
        TableName="coordination",
        Key={"pk": {"S": "lock#orders/42"}},
        UpdateExpression="SET version = :v",
        ExpressionAttributeValues={":v": {"S": "renewed"}},
    )
    tx.run(lambda t: (t.guard(lock), t.put("t", A, {})))
    assert stored(wire, A) is not None


def test_a_guarded_commit_whose_reply_is_lost_counts_once(tx, wire, lock):
    put(tx, A, n=1)
    wire.script = [lose_reply]
    tx.run(change(lock))
    assert stored(wire, A)["n"] == {"N": "2"}


def test_a_replay_needs_no_lock(tx, wire, lock):
    def body(t):
        t.guard(lock)
        t.update("t", A, add={"n": 1})
        return "done"

    tx.run(body, idempotency_key="k")
    free(wire)
    assert tx.run(body, idempotency_key="k") == "done"


def test_a_condition_of_the_callers_is_no_loss(tx, lock):
    with pytest.raises(ConditionFailed) as failure:
        tx.run(lambda t: (t.guard(lock), t.check("t", A, Attr("n").exists())))
    assert not isinstance(failure.value, LockLost)


def test_a_client_of_any_table_can_guard(client_of, wire, lock):
    def body(t):
        t.guard(lock)
        t.put("t", A, {})

    client_of("t").run(body)
    assert stored(wire, A) is not None
