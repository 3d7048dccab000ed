"""The examples in the documents run, and do what they say."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from interlock.errors import LossReason
from interlock.locks import LeaderElection, LockClient
from interlock.transactions import TransactionClient
from tests.unit.transactions.wire import put

ROOT = Path(__file__).parents[3]


def blocks(document):
    return re.findall(r"```python\n(.*?)```", (ROOT / document).read_text(), flags=re.DOTALL)


@pytest.fixture
def tables(wire, tx, monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    for table in ("accounts", "orders", "reports"):
        wire.client.create_table(
            TableName=table,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
    for name in ("alice", "bob"):
        tx.run(lambda t, name=name: t.put("accounts", {"pk": name}, {"balance": 100, "open": True}))
    put(tx, {"pk": "unrelated"})
    return wire.client


def balances(tx):
    items = tx.snapshot([("accounts", {"pk": name}) for name in ("alice", "bob")])
    return [item["balance"] for item in items]


@pytest.mark.usefixtures("tables")
def test_the_transfer_moves_five(tx):
    example = next(code for code in blocks("docs/transactions.md") if "transfer(" in code)
    exec(compile(example, "docs/transactions.md", "exec"), {})  # noqa: S102 - our own documents
    assert balances(tx) == [95, 105]


@pytest.mark.usefixtures("tables")
def test_the_transfer_that_reads_ahead_moves_five_once(tx, wire):
    (example,) = (code for code in blocks("docs/transactions.md") if "reads=lambda" in code)
    names: dict[str, Any] = {"transactions": TransactionClient("coordination", client=wire.client)}
    exec(compile(example, "docs/transactions.md", "exec"), names)  # noqa: S102 - our own documents
    for _ in range(2):
        names["transfer"]("alice", "bob", 5, request_id="7d1f")
    assert balances(tx) == [95, 105]


@pytest.mark.usefixtures("tables")
def test_the_refund_happens_once(tx, wire):
    (example,) = (code for code in blocks("docs/transactions.md") if "def refund(" in code)
    names = {"transactions": TransactionClient("coordination", client=wire.client)}
    exec(compile(example, "docs/transactions.md", "exec"), names)  # noqa: S102 - our own documents
    assert tx.snapshot([("orders", {"pk": "order-42"})]) == [{"pk": "order-42", "refunded": 5}]


def test_the_guarded_commit_is_made_under_its_lock(tables, tx):
    (example,) = (code for code in blocks("docs/transactions.md") if "tx.guard(lock)" in code)
    with LockClient("coordination", client=tables, heartbeat=timedelta(seconds=5)) as locks:
        names = {"locks": locks, "transactions": tx, "slow_work": lambda: 7}
        exec(compile(example, "docs/transactions.md", "exec"), names)  # noqa: S102 - our own
    assert tx.snapshot([("reports", {"pk": "2024"})]) == [{"pk": "2024", "rows": 7}]


def test_the_commit_gives_its_lock_back(tables, tx):
    (example,) = (code for code in blocks("docs/transactions.md") if "tx.release(lock)" in code)
    with LockClient("coordination", client=tables, heartbeat=timedelta(seconds=5)) as locks:
        names = {
            "locks": locks,
            "transactions": TransactionClient("coordination", client=tables),
        }
        exec(compile(example, "docs/transactions.md", "exec"), names)  # noqa: S102 - our own
        record = locks.inspect("invoices/2024")
    assert record is not None
    assert not record.held
    assert tx.snapshot([("reports", {"pk": "invoices-2024"})])[0]["closed"] is True


def test_an_elected_leader_writes_and_resigns(tables, tx):
    (example,) = (code for code in blocks("docs/locks.md") if "election.campaign()" in code)
    lost = []
    with LockClient("coordination", client=tables, heartbeat=timedelta(seconds=5)) as locks:
        names = {
            "locks": locks,
            "tx": tx,
            "LeaderElection": LeaderElection,
            "host": "ip-10-0-0-7",
            "stop": lambda _lock, reason: lost.append(reason),
        }
        exec(compile(example, "docs/locks.md", "exec"), names)  # noqa: S102 - our own documents
        record = locks.inspect("nightly")
    assert record is not None
    assert not record.held
    assert tx.snapshot([("reports", {"pk": "2024"})]) == [{"pk": "2024", "rows": 7}]
    assert lost == [LossReason.RELEASED]
