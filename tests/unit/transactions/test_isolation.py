"""Whatever was read is true at the commit, or the function runs again."""

from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.conditions import Attr

import interlock.aio
from interlock.errors import (
    ConditionFailed,
)
from interlock.testing import MemoryStore
from tests.unit.transactions.wire import A, B, put, stored


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


def test_a_coroutine_function_is_refused_by_the_blocking_half(wire):
    """It would have read and written nothing, and be committed."""

    async def body(t):
        t.put("t", A, {})

    tx: Any = interlock.TransactionClient("coordination", client=wire.client)
    with pytest.raises(TypeError, match=r"interlock\.aio"):
        tx.run(body)


async def test_a_function_that_is_not_awaited_is_refused_by_the_awaitable_half():
    """It would hold up the event loop, and its reads would be coroutines."""
    store = MemoryStore("coordination")
    tx: Any = interlock.aio.TransactionClient("coordination", client=store.aio_client())
    with pytest.raises(TypeError, match="async def"):
        await tx.run(lambda _: None)


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


class TestRunningAgain:
    """What the refusal of a commit shows need not be read again."""

    def test_an_item_that_the_refusal_shows_is_not_read_again(self, tx, wire):
        put(tx, A, n=1)
        put(tx, B, n=1)
        seen = []

        def body(t):
            seen.append((t.get("t", A)["n"], t.get("t", B)["n"]))
            if len(seen) == 1:
                put(tx, A, n=10)
                wire.sent.clear()
            t.update("t", A, {"n": 0})
            t.update("t", B, {"n": sum(seen[-1])})

        tx.run(body)
        assert seen == [(1, 1), (10, 1)]
        assert wire.methods() == ["transact_write_items"] * 2
        assert stored(wire, B)["n"] == {"N": "11"}

    def test_the_one_item_of_a_conditional_write_is_not_read_again(self, tx, wire):
        put(tx, A, n=1)
        seen = []

        def body(t):
            seen.append(t.get("t", A)["n"])
            if len(seen) == 1:
                put(tx, A, n=10)
                wire.sent.clear()
            t.update("t", A, {"n": seen[-1] + 1})

        tx.run(body)
        assert wire.methods() == ["update_item"] * 2
        assert stored(wire, A)["n"] == {"N": "11"}

    def test_an_item_that_the_refusal_does_not_show_is_read_again(self, tx, wire):
        put(tx, A, n=1)
        seen = []

        def body(t):
            seen.append(t.get("t", A))
            if len(seen) == 1:
                tx.run(lambda other: other.delete("t", A))
                wire.sent.clear()
            t.put("t", B, {"there": seen[-1] is not None})

        tx.run(body)
        assert seen[1] is None
        assert wire.methods() == ["transact_write_items", "get_item", "transact_write_items"]

    def test_what_was_shown_and_is_out_of_date_again_is_found_out(self, tx, wire):
        put(tx, A, n=1)
        seen = []

        def body(t):
            seen.append(t.get("t", A)["n"])
            if len(seen) <= 3:
                put(tx, A, n=10 * len(seen))
            t.update("t", A, {"n": seen[-1] + 1})

        tx.run(body)
        assert seen == [1, 10, 20, 30]
        assert stored(wire, A)["n"] == {"N": "31"}

    def test_reads_alone_are_true_at_the_second_run(self, tx, wire):
        """However busy the writers are: the verification is a snapshot, and serves as the read."""
        put(tx, A, n=1)
        put(tx, B, n=1)
        runs = []

        def body(t):
            runs.append(1)
            a = t.get("t", A)["n"]
            put(tx, A, n=a + 1)
            put(tx, B, n=a + 1)
            wire.sent.clear()
            return a, t.get("t", B)["n"]

        assert tx.run(body) == (2, 2)
        assert len(runs) == 2
        assert wire.sent == []

    def test_what_a_refusal_has_shown_need_not_be_true_at_one_instant(self, tx, wire):
        """Each of its items was looked at on its own: if only they are read now, it is verified."""
        put(tx, A, n=1)
        put(tx, B, n=1)
        runs = []

        def body(t):
            runs.append((t.get("t", A)["n"], t.get("t", B)["n"]))
            if len(runs) == 1:
                put(tx, A, n=2)
                t.update("t", {"pk": "c"}, {"n": 0})
                wire.sent.clear()
            return runs[-1]

        assert tx.run(body) == (2, 1)
        assert wire.methods() == ["transact_write_items", "transact_get_items"]


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
