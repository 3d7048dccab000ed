"""Real processes behind a network that cuts, delays and repeats, in the clear and encrypted.

Each process counts, pays and writes under a lock, by the library's own transport, and calls again
by the same key what failed; one is stopped for longer than its lease. Then all is there once.
"""

import asyncio
import os
import random
import signal
import threading
import time
from contextlib import contextmanager
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from interlock import CounterClient, LockClient, TransactionClient
from interlock.errors import InterlockError
from tests.contract.test_locks import PATIENCE, connect, process, told
from tests.histories.proxy import Faults, Proxy
from tests.wire.peers import Authority

PROCESSES, ROUNDS = 3, 8
LEASE = timedelta(seconds=4)
FAULTS = Faults(
    late=0.05, cut_before=0.05, cut_after=0.08, replayed=0.05, longest=0.3, longest_replay=2.0
)
ACCOUNTS = ("alice", "bob")


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@contextmanager
def proxy(endpoint, tls):
    """Give the port of a proxy, and a function that waits for its last copies, on its own loop."""
    parts = urlsplit(endpoint)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    made = Proxy(parts.hostname, parts.port, FAULTS, random.Random(7))  # noqa: S311 - no secret

    def run(coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(PATIENCE)

    try:
        yield run(made.open(tls)), lambda: run(made.settle()), made.counts
    finally:
        run(made.close())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE)
        loop.close()


def until_done(call):
    """Call again what failed; a key makes that harmless."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return call()
        except InterlockError:
            if time.monotonic() > end:
                raise


def work(pipe, environment, table, number):
    """Count, pay and write under a lock."""
    os.environ.update(environment)
    counter = CounterClient(table).counter("visits", ceiling=PROCESSES * ROUNDS, shards=2)
    transactions = TransactionClient(table)
    with LockClient(table, lease=LEASE, poll=timedelta(milliseconds=50)) as locks:
        pipe.send("ready")
        for turn in range(ROUNDS):
            key = f"{number}-{turn}"
            until_done(lambda key=key: counter.increment(idempotency_key=key))
            until_done(lambda key=key: transactions.run(pay(table), idempotency_key=f"pay-{key}"))
            until_done(lambda key=key: write(locks, transactions, table, key))
    pipe.send("done")


def pay(table):
    def transfer(transaction):
        for name, amount in zip(ACCOUNTS, (-1, 1), strict=True):
            balance = (transaction.get(table, {"pk": name}) or {"balance": 0})["balance"]
            transaction.put(table, {"pk": name}, {"balance": balance + amount})

    return transfer


def write(locks, transactions, table, key):
    """Note the fence under which this is written, which has to be higher than all before."""
    with locks.acquire("log", timeout=timedelta(seconds=PATIENCE)) as lock:

        def append(transaction):
            entries = (transaction.get(table, {"pk": "log"}) or {"entries": []})["entries"]
            transaction.guard(lock)
            entry = {"fence": lock.fencing_token, "key": key}
            transaction.put(table, {"pk": "log"}, {"entries": [*entries, entry]})

        transactions.run(append, idempotency_key=f"log-{key}")


@pytest.mark.slow
@pytest.mark.parametrize("encrypted", [False, True], ids=["clear", "encrypted"])
def test_everything_is_there_once_behind_a_network_that_is_not_well(
    endpoint, store, table, authority, encrypted
):
    tls = authority.server() if encrypted else None
    with proxy(endpoint, tls) as (port, settle, counts):
        environment = {
            "AWS_ENDPOINT_URL": f"{'https' if encrypted else 'http'}://127.0.0.1:{port}",
            "AWS_CA_BUNDLE": str(authority.bundle),
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }
        started = [process(work, environment, table, number) for number in range(PROCESSES)]
        workers = [one.__enter__() for one in started]
        try:
            assert [told(pipe) for _, pipe in workers] == ["ready"] * PROCESSES
            stopped, _ = workers[0]
            os.kill(stopped.pid, signal.SIGSTOP)
            time.sleep(1.2 * LEASE.total_seconds())
            os.kill(stopped.pid, signal.SIGCONT)
            assert [told(pipe) for _, pipe in workers] == ["done"] * PROCESSES
        finally:
            for one in started:
                one.__exit__(None, None, None)
        settle()
    assert counts["cut before"]
    assert counts["cut after"]
    done = PROCESSES * ROUNDS
    assert CounterClient(table, client=connect(endpoint)).counter("visits").get() == done
    balances = [
        int(store.get_item(TableName=table, Key={"pk": {"S": name}})["Item"]["balance"]["N"])
        for name in ACCOUNTS
    ]
    assert balances == [-done, done]
    log = store.get_item(TableName=table, Key={"pk": {"S": "log"}}, ConsistentRead=True)["Item"]
    entries = [entry["M"] for entry in log["entries"]["L"]]
    fences = [int(entry["fence"]["N"]) for entry in entries]
    assert fences == sorted(set(fences))
    assert len({entry["key"]["S"] for entry in entries}) == len(entries) == done
