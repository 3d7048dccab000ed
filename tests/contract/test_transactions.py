"""Transactions of eight processes at once, on real engines."""

import random
from datetime import timedelta

import boto3
import pytest
from boto3.dynamodb.conditions import Attr

from interlock._drivers.clients import CLIENT_CONFIG
from interlock.errors import ConditionFailed, IdempotencyMismatch
from interlock.transactions import TransactionClient
from tests.contract.processes import APART

PROCESSES, ACCOUNTS, ROUNDS, TOTAL = 8, 4, 10, 400


def key(name):
    return {"pk": str(name)}


def connect(endpoint, table):
    client = boto3.client(
        "dynamodb",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=CLIENT_CONFIG,
    )
    return TransactionClient(table, client=client, timeout=timedelta(minutes=2), attempts=1000)


def move_money(endpoint, table, seed, rounds):
    tx, dice = connect(endpoint, table), random.Random(seed)  # noqa: S311 - repeatable on purpose
    for _ in range(rounds):
        source, target = dice.sample(range(ACCOUNTS), 2)
        transfer(tx, table, source, target, dice.randint(1, 20))


def transfer(tx, table, source, target, amount):
    def body(t):
        have, gets = t.get(table, key(source))["n"], t.get(table, key(target))["n"]
        if have >= amount:
            t.update(table, key(source), {"n": have - amount})
            t.update(table, key(target), {"n": gets + amount})

    tx.run(body)


def count(endpoint, table, _seed, rounds):
    """One item, read and written: the single conditional write."""
    tx = connect(endpoint, table)
    for _ in range(rounds):
        tx.run(lambda t: t.update(table, key("n"), {"n": t.get(table, key("n"))["n"] + 1}))


def deposit_once(endpoint, table, _seed, rounds):
    tx = connect(endpoint, table)
    for number in range(rounds):
        tx.run(lambda t: t.update(table, key("n"), add={"n": 1}), idempotency_key=f"k{number}")


def take_a_shift(endpoint, table, seed, _rounds):
    """Write skew: go off call only while another doctor is on it."""
    tx, me, other = connect(endpoint, table), seed % 2, 1 - seed % 2

    def body(t):
        if t.get(table, key(other))["on"]:
            t.get(table, key(me))
            t.update(table, key(me), {"on": False})

    tx.run(body)


@pytest.fixture
def tx(endpoint, table):
    return connect(endpoint, table)


@pytest.fixture
def crowd(endpoint, table):
    def run(work, rounds=ROUNDS):
        workers = [
            APART.Process(target=work, args=(endpoint, table, seed, rounds))
            for seed in range(PROCESSES)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(timeout=200)
        assert [worker.exitcode for worker in workers] == [0] * PROCESSES

    return run


def open_accounts(tx, table):
    for name in range(ACCOUNTS):
        tx.run(lambda t, name=name: t.put(table, key(name), {"n": TOTAL // ACCOUNTS}))


def total(tx, table):
    return sum(item["n"] for item in tx.snapshot([(table, key(n)) for n in range(ACCOUNTS)]))


def test_transfers_of_eight_processes_conserve_the_sum(tx, table, crowd):
    open_accounts(tx, table)
    crowd(move_money)
    assert total(tx, table) == TOTAL


def test_eight_processes_lose_no_update_of_one_item(tx, table, crowd):
    tx.run(lambda t: t.put(table, key("n"), {"n": 0}))
    crowd(count, 6)
    assert tx.snapshot([(table, key("n"))])[0]["n"] == PROCESSES * 6


def test_eight_duplicates_of_each_call_count_once(tx, table, crowd):
    crowd(deposit_once, 6)
    assert tx.snapshot([(table, key("n"))])[0]["n"] == 6


def test_two_doctors_never_both_leave(tx, table, crowd):
    for name in range(2):
        tx.run(lambda t, name=name: t.put(table, key(name), {"on": True}))
    crowd(take_a_shift)
    shifts = [item["on"] for item in tx.snapshot([(table, key(0)), (table, key(1))])]
    assert sorted(shifts) == [False, True]


def test_a_killed_process_leaves_all_or_nothing(tx, endpoint, table):
    open_accounts(tx, table)
    workers = [
        APART.Process(target=move_money, args=(endpoint, table, seed, 100_000)) for seed in range(2)
    ]
    for worker in workers:
        worker.start()
    try:
        before = tx.snapshot([(table, key(n)) for n in range(ACCOUNTS)])
        while tx.snapshot([(table, key(n)) for n in range(ACCOUNTS)]) == before:
            assert all(worker.is_alive() for worker in workers)
    finally:
        for worker in workers:
            worker.kill()
            worker.join()
    assert total(tx, table) == TOTAL
    transfer(tx, table, 0, 1, 1)
    assert total(tx, table) == TOTAL


def test_refusals_carry_the_item(tx, table):
    tx.run(lambda t: t.put(table, key("a"), {"n": 1}))

    def body(t):
        t.put(table, key("b"), {})
        t.update(
            table, key("a"), add={"n": 1}, condition=Attr("n").between(5, 9) & Attr("x").exists()
        )

    with pytest.raises(ConditionFailed) as failure:
        tx.run(body)
    assert failure.value.item == {"pk": "a", "n": 1}
    assert failure.value.index == 1


def test_every_kind_of_value_comes_back(tx, table):
    item = {
        "pk": "v",
        "deep": {"list": [1, "x", None, True, b"\0"]},
        "sets": [{1, 2}, {"a"}, {b"b"}],
        "big": 10**37 + 1,
    }
    tx.run(lambda t: t.put(table, key("v"), item))
    assert tx.snapshot([(table, key("v"))]) == [item]


def test_updates_that_were_merged_do_what_they_would_have_done_one_by_one(tx, table):
    tx.run(lambda t: t.put(table, key("a"), {"n": 1, "gone": 1, "tags": {"x"}}))

    def body(t):
        t.update(table, key("a"), add={"n": 2, "tags": {"y"}}, remove=["gone"])
        t.update(table, key("a"), {"new": "v"}, add={"n": 3, "gone": 7})
        return t.get(table, key("a"))

    seen = tx.run(body)
    assert seen == {"pk": "a", "n": 6, "gone": 7, "tags": {"x", "y"}, "new": "v"}
    assert tx.snapshot([(table, key("a"))]) == [seen]


def test_a_used_key_with_another_payload_is_refused(tx):
    tx.run(lambda _: None, idempotency_key="k", payload=1)
    with pytest.raises(IdempotencyMismatch):
        tx.run(lambda _: None, idempotency_key="k", payload=2)
