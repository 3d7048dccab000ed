"""What `mypy --strict` sees of the public API; checked by `make types`, never run.

An `ignore` here is a mistake that the types must find: strict mode fails where it is not needed.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, assert_type

from interlock import (
    Counter,
    CounterChange,
    CounterClient,
    EmbeddedMetrics,
    Lock,
    LockClient,
    LockRecord,
    Signer,
    Transaction,
    TransactionClient,
    Verifier,
)
from interlock.aio.counters import CounterClient as AioCounterClient
from interlock.aio.locks import Lock as AioLock
from interlock.aio.locks import LockClient as AioLockClient
from interlock.errors import InterlockError, LockTimeout
from interlock.locks import JobRun
from interlock.receipts import Receipt, ReceiptVerifier


def locks() -> None:
    with LockClient("t", lease=timedelta(seconds=20)) as client:
        with client.acquire("a", timeout=timedelta(seconds=1), data={"n": 1}) as lock:
            assert_type(lock, Lock)
            assert_type(lock.fencing_token, int)
            assert_type(lock.remaining, timedelta)
            assert_type(lock.lost.is_set(), bool)
            assert_type(lock.guard(), Mapping[str, Any])
        assert_type(client.try_acquire("a"), Lock | None)
        assert_type(client.inspect("a"), LockRecord | None)
        client.acquire("a", timeout=5)  # type: ignore[arg-type] # a timedelta, never a bare number
        client.acquire(7)  # type: ignore[arg-type]
        client.acquire("a", timedelta(seconds=5))  # type: ignore[call-arg] # by keyword only


def jobs(client: LockClient) -> None:
    @client.exclusive("nightly", at_least=timedelta(minutes=1))
    def skipped(day: str, *, rows: int = 3) -> int:
        return rows + len(day)

    assert_type(skipped("monday", rows=2), int | None)
    skipped(7)  # type: ignore[arg-type]

    @client.exclusive("report", otherwise="result", timeout=timedelta(seconds=5))
    def report() -> dict[str, int]:
        return {}

    assert_type(report(), dict[str, int])
    assert_type(client.last_run("report"), JobRun | None)
    client.exclusive("a", otherwise="wiat")  # type: ignore[call-overload]


async def awaitable_jobs(client: AioLockClient) -> None:
    @client.exclusive("nightly")
    async def skipped(day: str) -> int:
        return len(day)

    assert_type(await skipped("monday"), int | None)
    assert_type(client.held("nightly"), AioLock | None)


def refused() -> LockRecord:
    try:
        raise InterlockError
    except LockTimeout as error:
        return error.holder


def transactions() -> None:
    tx = TransactionClient("t")

    def move(t: Transaction) -> int:
        assert_type(t.get("accounts", {"pk": "a"}), dict[str, Any] | None)
        return 3

    assert_type(tx.run(move, idempotency_key="k"), int)

    @tx.transactional
    def transfer(t: Transaction, source: str, *, amount: int) -> str:
        return f"{t}{source}{amount}"

    assert_type(transfer("a", amount=3), str)
    transfer("a")  # type: ignore[call-arg]


def counters() -> None:
    counter = CounterClient("t").counter("n", floor=0, ceiling=9, shards=2)
    assert_type(counter, Counter)
    assert_type(counter.increment(3, idempotency_key="k"), CounterChange)
    assert_type(counter.get(), int)
    counter.increment(1.5)  # type: ignore[arg-type]


def signatures() -> None:
    token = Signer("alias/a", metrics=EmbeddedMetrics()).sign({"n": 1})
    assert_type(token, str)
    assert_type(Verifier("https://example.com/jwks.json").verify(token), dict[str, Any])
    assert_type(ReceiptVerifier({"keys": []}, issuer="i").verify(token), Receipt)


async def awaitable(client: Any) -> None:
    change = await AioCounterClient("t", client=client).counter("n").increment()
    assert_type(change, CounterChange)
    async with AioLockClient("t", client=client) as aio_locks:
        lock = await aio_locks.acquire("a", timeout=timedelta(seconds=1))
        assert_type(lock.fencing_token, int)
