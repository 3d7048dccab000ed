"""Locks are broken, mended, listed and examined on real engines as in memory."""

import json
import os
import subprocess

import pytest

from interlock.errors import CorruptRecord, LossReason
from interlock.locks import LockClient
from tests.unit.cli.conftest import COMMAND

BECAUSE = "its host is gone"


@pytest.fixture
def locks(client, table):
    with LockClient(table, client=client, owner="web-1") as locks:
        yield locks


def test_a_broken_lock_is_free_and_its_next_holder_is_told(locks, client, table):
    lock = locks.acquire("a", data={"job": 1})
    with LockClient(table, client=client, owner="ops") as operator:
        record = operator.break_lock("a", because=BECAUSE, fencing_token=lock.fencing_token)
        assert record is not None
        assert (record.held, record.fencing_token) == (False, lock.fencing_token + 1)
        assert lock.release() is False
        assert operator.break_lock("a", because=BECAUSE) is None
        with operator.acquire("a") as following:
            assert following.after_break is not None
            assert following.after_break.because == BECAUSE
    with pytest.raises(Exception, match="broken") as caught:
        lock.ensure()
    assert getattr(caught.value, "reason", None) is LossReason.BROKEN


@pytest.mark.parametrize(
    "changed",
    [
        {"fence": {"S": "x"}},
        {"lease_ms": {"N": "0.5"}},
        {"version": {"N": "1"}, "void_before": {"S": "x"}, "format": {"S": "y"}},
        {"fence": {"N": "9" * 38}},
    ],
)
def test_a_corrupt_record_is_mended(locks, store, table, changed):
    item = {"pk": {"S": "lock#a"}, "fence": {"N": "7"}, "version": {"S": "v"}}
    store.put_item(TableName=table, Item={**item, "lease_ms": {"N": "1000"}, **changed})
    with pytest.raises(CorruptRecord):
        locks.inspect("a")
    assert [error.key for error in locks.page().corrupt] == ["lock#a"]
    record = locks.break_lock("a", because=BECAUSE)
    assert record is not None
    with locks.acquire("a") as lock:
        assert lock.fencing_token == record.fencing_token + 1


def test_locks_are_listed_without_their_data(locks):
    with locks.acquire("orders/1", data={"n": 1}), locks.acquire("users/1"):
        locks.acquire("orders/2").release()
        found = locks.page(prefix="orders/", held=True)
        assert [(record.name, record.data) for record in found.locks] == [("orders/1", None)]
        assert found.scanned == 3


def test_the_command_sees_and_examines_the_table(locks, table, endpoint, tmp_path):
    def run(*arguments):
        where = ["--table", table, "--region", "us-east-1", "--endpoint-url", endpoint]
        keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        return subprocess.run(
            [*COMMAND, *where, *arguments, "--json"],
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), **keys},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    with locks.acquire("a"):
        (entry,) = map(json.loads, run("locks", "ls", "--held").stdout.splitlines())
    assert (entry["name"], entry["owner"]) == ("a", "web-1")
    result = run("doctor")
    found = {entry["check"]: entry for entry in map(json.loads, result.stdout.splitlines())}
    assert result.returncode == 0, result.stdout
    assert {found[name]["state"] for name in ("key", "index", "records")} == {"ok"}
    tried = [entry["state"] for name, entry in found.items() if name.startswith("permission")]
    assert tried == ["ok"] * 5
