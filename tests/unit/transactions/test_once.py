"""The record of a key, call by call: what it says, for how long, and what it refuses."""

import pytest
from boto3.dynamodb.conditions import Attr

from interlock._protocol.faults import Refused
from interlock._protocol.layout import DEFAULT, TableLayout, looked_for
from interlock._protocol.transactions.idempotency import LONGEST_FLIGHT, Once
from interlock.errors import (
    ConditionFailed,
    CorruptRecord,
    IdempotencyMismatch,
    InvalidValue,
    ItemTooLarge,
    OutcomeUnknown,
    TableUnfit,
)
from interlock.testing._store.store import Store
from interlock.testing._store.tables import Table
from tests.unit.locks.scripted import EPOCH, carry_out, lose_reply, lose_request
from tests.unit.transactions.steps import DAY, A, World, once

READ, ALL = "GetItem", "TransactWriteItems"


def count(t):
    t.add(A, n=1)
    return t.get(A)["n"]


def only_row(world):
    (row,) = world.rows()
    return row


def test_a_key_counts_once_and_returns_the_same(world):
    first = world.run(count, once())
    assert (first.value, first.replayed) == (1, False)
    assert world.calls == [READ, READ, ALL]
    again = world.run(count, once())
    assert (again.value, again.replayed) == (1, True)
    assert (world.calls, world.runs) == ([READ], 0)
    assert world.n(A) == 1


def test_the_record_says_what_was_committed_and_under_which_attempt(world):
    world.run(count, once())
    row = only_row(world)
    assert row["pk"] == {"S": "once#op#k"}
    assert row["operation"] == {"S": "op"}
    assert row["result"] == {"N": "1"}
    assert row["attempt"] == world.item(A)["_version"]
    assert row["format"] == {"N": "2"}
    assert "until" not in row


@pytest.mark.parametrize("other", [{"payload": 2}, {"payload": None}])
def test_another_payload_under_the_same_key_is_a_mismatch(world, other):
    world.run(count, once(payload=1))
    with pytest.raises(IdempotencyMismatch):
        world.run(count, once(**other))
    assert world.n(A) == 1


def test_another_operation_has_keys_of_its_own(world):
    world.run(count, once())
    world.run(count, once(operation="other"))
    assert world.n(A) == 2


@pytest.mark.parametrize("retention", [0.0, 0.99])
def test_a_key_that_would_be_forgotten_at_once_is_refused(retention):
    with pytest.raises(InvalidValue):
        once(retention=retention)
    assert once(retention=1.0).retention == 1.0


@pytest.mark.parametrize("key", ["", "x" * 1025, "é" * 513, "\ud800", 7, None])
def test_a_key_that_no_record_can_have_is_refused(key):
    with pytest.raises(InvalidValue, match="idempotency_key"):
        once(key)


@pytest.mark.parametrize("key", ["x" * 1024, "é" * 512])
def test_the_longest_key_counts(world, key):
    world.run(count, once(key))
    assert world.run(count, once(key)).replayed


def test_a_result_that_no_record_can_hold_is_refused_before_anything_is_sent(world):
    with pytest.raises(ItemTooLarge):
        world.run(lambda t: (t.add(A, n=1), "x" * 400 * 1024)[1], once())
    assert ALL not in world.calls
    assert world.n(A) is None


# For how long.


def test_a_record_is_kept_for_its_retention_and_no_less_than_a_copy_may_fly(world):
    began = EPOCH + world.driver.now
    world.run(count, once(retention=DAY))
    assert 0 <= int(only_row(world)["expires"]["N"]) - (began + DAY) < 1
    short = World()
    short.run(count, once(retention=60.0))
    row = only_row(short)
    assert 0 <= int(row["expires"]["N"]) - (began + LONGEST_FLIGHT) < 1
    assert 0 <= int(row["until"]["N"]) - (began + 60.0) < 1


@pytest.mark.parametrize("retention", [60.0, LONGEST_FLIGHT, DAY])
def test_a_key_counts_for_its_retention_and_is_free_after_it(world, retention):
    world.run(count, once(retention=retention))
    world.driver.now += retention - 5.0
    assert world.run(count, once(retention=retention)).replayed
    world.driver.now += 10.0
    assert not world.run(count, once(retention=retention)).replayed
    assert world.n(A) == 2
    assert len(world.rows()) == 1


def test_a_copy_that_comes_after_the_retention_is_refused_as_long_as_it_may_fly(world):
    world.driver.script = [carry_out, carry_out, lose_request]
    world.run(count, once(retention=60.0))
    world.driver.now += 120.0
    world.driver.store.clock = lambda: EPOCH + world.driver.now
    world.late(2)
    assert world.n(A) == 1


def test_a_record_that_expired_and_was_not_collected_makes_room_in_the_same_commit(world):
    world.run(count, once())
    world.driver.now += DAY + 10.0
    world.run(count, once())
    assert world.calls == [READ, READ, ALL]
    assert world.n(A) == 2


@pytest.mark.parametrize(("retention", "attribute"), [(60.0, "until"), (DAY, "expires")])
def test_a_key_is_free_for_the_commit_from_the_second_in_which_it_is_for_the_look(
    world, retention, attribute
):
    world.run(count, once(retention=retention))
    end = int(only_row(world)[attribute]["N"]) - EPOCH
    world.driver.now = end - 0.02  # a call takes 0.01
    assert world.run(count, once(retention=retention)).replayed
    world.driver.now = end - 0.01
    assert not world.run(count, once(retention=retention)).replayed
    assert world.n(A) == 2


# Duplicates at the same time.


def twin(world, **options):
    other = World()
    other.driver.store = world.driver.store
    other.driver.now = world.driver.now
    return other.run(count, once(**options))


def test_of_two_at_once_one_does_the_work_and_both_have_its_result(world):
    def first(driver, operation, params):
        twin(world)
        return carry_out(driver, operation, params)

    world.driver.script = [carry_out, carry_out, first]
    done = world.run(count, once())
    assert (done.value, done.replayed) == (1, True)
    assert (world.n(A), world.runs) == (1, 1)


def test_of_two_at_once_with_other_payloads_one_is_a_mismatch(world):
    def first(driver, operation, params):
        twin(world, payload=7)
        return carry_out(driver, operation, params)

    world.driver.script = [carry_out, carry_out, first]
    with pytest.raises(IdempotencyMismatch):
        world.run(count, once())
    assert world.n(A) == 1


def test_a_record_that_a_refusal_does_not_show_is_looked_for(world):
    def first(driver, operation, params):
        twin(world)
        try:
            return carry_out(driver, operation, params)
        except Refused as refusal:
            bare = [type(reason)(reason.code) for reason in refusal.reasons]
            refusal.reasons = tuple(bare)
            raise

    world.driver.script = [carry_out, carry_out, first]
    done = world.run(count, once())
    assert (done.value, done.replayed) == (1, True)
    assert world.calls == [READ, READ, ALL, READ]


@pytest.mark.parametrize("loss", [lose_reply, lose_request])
def test_a_lost_answer_counts_once_also_for_a_later_process(world, loss):
    world.driver.script = [carry_out, carry_out, *[loss] * 1000]
    with pytest.raises(OutcomeUnknown):
        world.run(count, once())
    world.driver.script = []
    twin(world)
    assert world.n(A) == 1
    for number, operation in enumerate(list(world.calls)):
        if operation == ALL:
            world.late(number)
    assert world.n(A) == 1


def test_a_failure_leaves_no_record_and_the_key_may_be_used_again(world):
    with pytest.raises(ConditionFailed):
        world.run(lambda t: t.add(A, Attr("n").eq(5), n=1), once())
    assert world.rows() == []
    world.run(count, once())
    assert world.n(A) == 1


def test_the_first_call_returns_what_a_replay_will(world):
    result = {"to": ("a", 1)}
    first = world.run(lambda t: (t.add(A, n=1), result)[1], once())
    assert first.value == {"to": ["a", 1]}
    assert world.run(count, once()).value == first.value


# Records that are not as they should be.


@pytest.mark.parametrize(
    ("change", "attribute"),
    [
        ({"format": {"N": "3"}}, "format"),
        ({"format": {"S": "x"}}, "format"),
        ({"format": None}, "format"),
        ({"fingerprint": {"N": "1"}}, "fingerprint"),
        ({"fingerprint": None}, "fingerprint"),
        ({"result": None}, "result"),
        ({"expires": {"S": "x"}}, "expires"),
        ({"expires": None}, "expires"),
        ({"format": {"N": "1"}}, "format"),
        ({"format": {"N": "1.5"}}, "format"),
        ({"format": {"N": "-2"}}, "format"),
        ({"operation": None}, "operation"),
        ({"operation": {"N": "1"}}, "operation"),
        ({"operation": {"S": "another"}}, "operation"),
        ({"until": {"N": "-1"}}, "until"),
        ({"until": {"S": "1"}}, "until"),
        ({"expires": {"N": "0"}}, "expires"),
        ({"expires": {"N": "-1"}}, "expires"),
        ({"expires": {"N": "1.5"}}, "expires"),
        ({"expires": {"N": "9" * 38}}, "expires"),
    ],
)
def test_a_record_that_is_not_sound_decides_nothing(world, change, attribute):
    world.run(count, once())
    row = {**only_row(world), **change}
    world.put_row({name: value for name, value in row.items() if value is not None})
    with pytest.raises(CorruptRecord) as corrupt:
        world.run(count, once())
    assert (corrupt.value.attribute, corrupt.value.key) == (attribute, "once#op#k")
    assert ("newer" in str(corrupt.value)) is (change.get("format") == {"N": "3"})
    assert world.n(A) == 1


# Records of the older format, which had no operation.


def older(world, **changes):
    """Leave the record of a process of the older version, and nothing else."""
    world.run(count, once(unscoped=True))
    rows = {row["pk"]["S"]: row for row in world.rows()}
    assert set(rows) == {"once#op#k", "once#k"}
    world.driver.store.perform(
        "DeleteItem", {"TableName": "coordination", "Key": {"pk": {"S": "once#op#k"}}}
    )
    row = {**rows["once#k"], **changes}
    assert "format" not in row
    world.put_row({name: value for name, value in row.items() if value is not None})


def test_an_older_record_counts_for_whoever_looks_for_it(world):
    older(world, operation=None)
    assert world.run(count, once(unscoped=True)).replayed
    assert world.calls == [READ, READ]
    assert not world.run(count, once(unscoped=False)).replayed


def test_an_older_record_of_the_same_operation_counts(world):
    older(world)
    assert world.run(count, once(unscoped=True)).replayed


def test_an_older_record_is_not_looked_for_where_there_is_one_of_now(world):
    world.run(count, once(unscoped=True))
    assert world.run(count, once(unscoped=True)).replayed
    assert world.calls == [READ]


def test_an_older_record_with_another_payload_is_a_mismatch(world):
    older(world, operation=None)
    with pytest.raises(IdempotencyMismatch):
        world.run(count, once(payload=7, unscoped=True))


def test_an_older_record_of_another_operation_is_left_to_it(world):
    older(world, operation={"S": "other"})
    done = world.run(count, once(unscoped=True))
    assert not done.replayed
    rows = {row["pk"]["S"]: row for row in world.rows()}
    assert rows["once#k"]["operation"] == {"S": "other"}
    assert rows["once#op#k"]["operation"] == {"S": "op"}
    assert world.n(A) == 2


def test_an_older_record_of_another_operation_that_comes_meanwhile_is_left_to_it(world):
    def first(driver, operation, params):
        twin(world, operation="other", unscoped=True)
        return carry_out(driver, operation, params)

    world.driver.script = [carry_out, carry_out, carry_out, first]
    done = world.run(count, once(unscoped=True))
    assert (done.replayed, world.n(A)) == (False, 2)
    rows = {row["pk"]["S"]: row for row in world.rows()}
    assert rows["once#k"]["operation"] == {"S": "other"}
    assert set(rows) == {"once#k", "once#op#k", "once#other#k"}


def test_a_key_is_not_stood_for_by_a_function_without_a_name(world):
    def named(code):
        return Once.of("coordination", "k", None, DAY, operation="<lambda>", code=code)

    world.run(count, named("one"))
    with pytest.raises(IdempotencyMismatch):
        world.run(count, named("another"))


@pytest.mark.parametrize("layout", [DEFAULT, TableLayout(partition_key="name")])
def test_a_table_without_the_key_of_its_layout_is_told_with_what_is_looked_for(world, layout):
    world.driver.store = Store(Table("t"), Table("coordination", partition_key="id"))
    with pytest.raises(TableUnfit) as unfit:
        world.run(count, once(layout=layout))
    told = [problem for problem in unfit.value.problems if "looks for" in problem]
    assert told == [looked_for(layout)]
    assert world.n(A) is None
