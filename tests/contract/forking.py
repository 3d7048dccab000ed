"""A process that has used its clients, and then forks: `python -m tests.contract.forking`.

As gunicorn with `preload`, Celery and uWSGI have it: clients are made with the module, used before
the workers are forked, and used by all of them at once and by their parent.
"""

import asyncio
import json
import os
import sys
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import boto3

from interlock import (
    CounterClient,
    LockClient,
    Transaction,
    TransactionClient,
    aio,
    client_config,
)

if TYPE_CHECKING:
    from collections.abc import Callable

CHILDREN, STORMS, ROUNDS = 6, 3, 4
PATIENCE = timedelta(minutes=1)  # the crowd is on one lock, and the machine may be busy
Found = dict[str, list[Any]]


class Blocking:
    """The blocking clients of a worker, over a client that was passed in or their own."""

    def __init__(self, table: str, client: Any = None) -> None:
        self.table = table
        poll = timedelta(milliseconds=20)
        self.locks = LockClient(table, client=client, poll=poll)
        self.transactions = TransactionClient(table, client=client)
        self.counters = CounterClient(table, client=client, timeout=PATIENCE)

    def prepare(self) -> None:
        """Write an item for every process, by the clients that the children will have."""
        for who in range(CHILDREN + 1):

            def write(tx: Transaction, who: int = who) -> None:
                tx.put(self.table, _key(who), {"of": who})

            self.transactions.run(write)

    def work(self, who: int) -> Found:
        """Use all the clients, and return what was seen."""
        found: Found = {"tokens": [], "others": [], "counted": []}
        for _ in range(ROUNDS):
            with self.locks.acquire("one", timeout=PATIENCE) as lock:
                found["tokens"].append(lock.fencing_token)
            read = self.transactions.run(lambda tx: tx.get(self.table, _key(who)))
            if read is None or read["of"] != who:
                found["others"].append(str(read))
            found["counted"].append(
                self.counters.counter("all").increment(idempotency_key=_fresh()).value
            )
        return found


class Asynchronous:
    """The awaitable clients of a worker, each process with a loop of its own."""

    def __init__(self, table: str) -> None:
        self.table = table
        self.locks = aio.LockClient(table, poll=timedelta(milliseconds=20))
        self.transactions = aio.TransactionClient(table)
        self.counters = aio.CounterClient(table, timeout=PATIENCE)

    def prepare(self) -> None:
        """Write an item for every process, by the clients that the children will have."""
        asyncio.run(self._prepare())

    async def _prepare(self) -> None:
        for who in range(CHILDREN + 1):

            async def write(tx: aio.Transaction, who: int = who) -> None:
                tx.put(self.table, _key(who), {"of": who})

            await self.transactions.run(write)

    def work(self, who: int) -> Found:
        """Use all the clients, and return what was seen."""
        return asyncio.run(self._work(who))

    async def _work(self, who: int) -> Found:
        found: Found = {"tokens": [], "others": [], "counted": []}

        async def own(tx: aio.Transaction) -> dict[str, Any] | None:
            return await tx.get(self.table, _key(who))

        for _ in range(ROUNDS):
            async with await self.locks.acquire("one", timeout=PATIENCE) as lock:
                found["tokens"].append(lock.fencing_token)
            read = await self.transactions.run(own)
            if read is None or read["of"] != who:
                found["others"].append(str(read))
            change = await self.counters.counter("all").increment(idempotency_key=_fresh())
            found["counted"].append(change.value)
        return found


def _fresh() -> str:
    return str(uuid.uuid4())


def _key(who: int) -> dict[str, Any]:
    return {"pk": f"of-{who}"}


def main(table: str, half: str) -> None:
    """Fork in storms, and print what all processes saw as JSON."""
    kinds: dict[str, Callable[[], Blocking | Asynchronous]] = {
        "own": lambda: Blocking(table),
        "passed in": lambda: Blocking(table, boto3.client("dynamodb", config=client_config())),
        "awaitable": lambda: Asynchronous(table),
    }
    worker = kinds[half]()
    worker.prepare()
    found: list[Found] = [worker.work(0)]
    for _ in range(STORMS):
        pipes = [_forked(worker, who) for who in range(1, CHILDREN + 1)]
        found.append(worker.work(0))  # beside its children
        for reading in pipes:
            with os.fdopen(reading) as answers:
                found.append(json.loads(answers.read()))
        for _ in pipes:
            assert os.wait()[1] == 0, "a child failed"
    seen = {name: [each for one in found for each in one[name]] for name in found[0]}
    sys.stdout.write(json.dumps(seen))


def _forked(worker: Blocking | Asynchronous, who: int) -> int:
    """Have a child work; return where its findings can be read."""
    reading, writing = os.pipe()
    if os.fork():
        os.close(writing)
        return reading
    status = 1
    try:
        os.write(writing, json.dumps(worker.work(who)).encode())
        status = 0
    finally:
        os._exit(status)


if __name__ == "__main__":
    main(*sys.argv[1:])
