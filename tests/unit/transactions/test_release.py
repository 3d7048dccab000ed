"""A lock that the commit gives back: in both halves, with their own locks."""

from datetime import timedelta

import pytest
from boto3.dynamodb.conditions import Attr

from interlock.errors import ConditionFailed, GuardFailed, LossReason, OutcomeUnknown
from tests.unit.transactions.wire import A, lose_reply, lose_request, put, stored

ROW = {"pk": "lock#l"}


@pytest.fixture
def lost():
    return []


@pytest.fixture
def locks(half, wire, lost):
    client = half.locks.LockClient(
        "coordination",
        client=half.client(wire.answer),
        heartbeat=timedelta(seconds=5),
        on_lost=lambda _lock, reason: lost.append(reason),
    )
    locks = half.wrap(client)
    with locks:
        yield locks


def bare(lock):
    """Return the lock itself, which a transaction takes."""
    return lock.__dict__.get("_value", lock) if hasattr(lock, "__dict__") else lock


def write(lock):
    def body(t):
        t.release(bare(lock))
        t.update("t", A, add={"n": 1})

    return body


def held(wire):
    return "version" in stored(wire, ROW, "coordination")


def test_the_write_and_the_release_are_one_call(tx, wire, locks, lost):
    lock = locks.acquire("l")
    wire.sent.clear()
    tx.run(write(lock))
    assert wire.methods() == ["transact_write_items"]
    assert not held(wire)
    assert lock.release() is True  # which is no loss
    assert lock.remaining == timedelta()
    assert lost == []


def test_its_block_ends_without_another_release(tx, wire, locks):
    with locks.acquire("l") as lock:
        tx.run(write(lock))
        wire.sent.clear()
    assert wire.sent == []
    with locks.acquire("l") as successor:
        assert successor.fencing_token == lock.fencing_token + 1


def test_a_guard_beside_it_is_not_sent(tx, wire, locks):
    lock = locks.acquire("l")
    tx.run(lambda t: (t.guard(bare(lock)), write(lock)(t), t.release(bare(lock))))
    (_, params) = wire.sent[-1]
    assert [next(iter(action)) for action in params["TransactItems"]] == ["Update", "Update"]


def test_nothing_but_the_release_may_be_committed(tx, wire, locks):
    lock = locks.acquire("l")
    tx.run(lambda t: t.release(bare(lock)))
    assert not held(wire)


@pytest.mark.parametrize("failure", ["condition", "body"])
def test_a_lock_of_which_nothing_was_committed_is_held_as_before(tx, wire, locks, failure):
    lock = locks.acquire("l")

    def body(t):
        write(lock)(t)
        if failure == "body":
            raise ConditionFailed(0, "t", A, None)
        t.check("t", {"pk": "other"}, Attr("pk").exists())

    with pytest.raises(ConditionFailed):
        tx.run(body)
    assert stored(wire, A) is None
    assert held(wire)
    lock.ensure()
    assert lock.release()
    assert not held(wire)


def test_a_stale_holder_neither_writes_nor_releases(tx, wire, locks):
    lock = locks.acquire("l")
    wire.client.update_item(
        TableName="coordination",
        Key={"pk": {"S": "lock#l"}},
        UpdateExpression="SET fence = fence + :one, version = :other",
        ExpressionAttributeValues={":one": {"N": "1"}, ":other": {"S": "other"}},
    )
    with pytest.raises(GuardFailed) as failure:
        tx.run(write(lock))
    assert failure.value.reason is LossReason.TAKEN_OVER
    assert stored(wire, A) is None
    assert stored(wire, ROW, "coordination")["version"] == {"S": "other"}


def test_a_lock_that_may_have_been_given_back_is_renewed_no_more(tx, wire, locks, lost):
    lock = locks.acquire("l")
    wire.script = [lose_request] * 8
    with pytest.raises(OutcomeUnknown):
        tx.run(write(lock))
    assert held(wire)
    assert lock.release() is True  # which is no loss
    assert lost == []


def test_a_lost_reply_to_a_write_with_a_version_is_recognised(tx, wire, locks):
    """Moto knows no tokens, as DynamoDB after ten minutes."""
    put(tx, A, n=1)
    lock = locks.acquire("l")
    wire.script = [lose_reply]

    def body(t):
        t.release(bare(lock))
        t.update("t", A, {"n": t.get("t", A)["n"] + 1})

    tx.run(body)
    assert stored(wire, A)["n"] == {"N": "2"}
    assert lock.release() is True  # which is no loss


def test_a_keyed_attempt_that_committed_unseen_has_given_its_lock_back(tx, wire, locks, lost):
    lock = locks.acquire("l")
    wire.script = [lose_reply]
    tx.run(write(lock), idempotency_key="k")
    assert stored(wire, A)["n"] == {"N": "1"}
    assert lock.release() is True  # which is no loss
    assert lost == []
