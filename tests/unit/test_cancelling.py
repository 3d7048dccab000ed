"""A task that is cancelled at any await of a transaction or a counter's change leaves it whole.

Each body runs again and again, cancelled one turn of the event loop later each time, over a store
that answers some turns after it has carried a call out. What it changes is there once or not at
all, whatever the moment; the same call by its key then brings what was done, once; and neither a
task nor a counter's escrow is left behind.
"""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

import interlock
from interlock._drivers.awaitable.driver import Driver
from interlock._drivers.blocking.driver import Driver as BlockingDriver
from interlock._drivers.service_clock import ServiceClock
from interlock._protocol.requests import Call
from interlock.aio.counters import CounterClient
from interlock.aio.transactions import Transaction as AwaitableTransaction
from interlock.aio.transactions import TransactionClient
from interlock.testing._store.store import Store
from interlock.testing._store.tables import Table

COORDINATION, ACCOUNTS = "coordination", "accounts"
TURNS = 2  # of the loop, before and after the store carries a call out


class Slow:
    """A transport whose service takes a few turns of the loop."""

    clock = ServiceClock()
    at_once = 256

    def __init__(self, store):
        self.store = store

    async def send(self, call: Call, timeout: float | None) -> Any:
        del timeout
        for _ in range(TURNS):
            await asyncio.sleep(0)
        reply = self.store.perform(call.operation, call.params)
        for _ in range(TURNS):
            await asyncio.sleep(0)
        return reply


class World:
    """A store with two accounts, and clients of it."""

    def __init__(self):
        self.store = Store(Table(COORDINATION), Table(ACCOUNTS))
        client = Driver(Slow(self.store))
        self.transactions = TransactionClient(COORDINATION, client=client)
        self.counters = CounterClient(COORDINATION, client=client)
        for name in ("alice", "bob"):
            item = {"pk": {"S": name}, "balance": {"N": "100"}}
            self.store.perform("PutItem", {"TableName": ACCOUNTS, "Item": item})

    def balances(self):
        items = [self.store.item(ACCOUNTS, name) or {} for name in ("alice", "bob")]
        return [int(item["balance"]["N"]) for item in items]


PAYMENT = (("alice", -5), ("bob", 5))


def paying(*changes):
    """Return the function of a transaction for either half, as its reads are to be awaited."""

    def change(transaction, name, amount, account):
        balance = account["balance"] + amount
        transaction.update(ACCOUNTS, {"pk": name}, {"balance": balance})

    async def awaited(transaction):
        for name, amount in changes:
            change(transaction, name, amount, await transaction.get(ACCOUNTS, {"pk": name}))

    def pay(transaction):
        if isinstance(transaction, AwaitableTransaction):
            return awaited(transaction)
        for name, amount in changes:
            change(transaction, name, amount, transaction.get(ACCOUNTS, {"pk": name}))
        return None

    return pay


pay, withdraw = paying(*PAYMENT), paying(PAYMENT[0])


async def nothing(_world):
    """Prepare nothing."""


async def seats(world):
    counter = world.counters.counter("seats", floor=0, ceiling=10, shards=3)
    await counter.create()
    await counter.increment(5)
    await world.counters.counter("stalls").create()


async def value(world):
    return await world.counters.counter("seats").get()


async def balances(world):
    return world.balances()


# What is prepared, what is cancelled, what is seen, and what may be seen then.
BODIES = {
    "a transaction of two items": (
        nothing,
        lambda world: world.transactions.run(pay),
        balances,
        ([100, 100], [95, 105]),
    ),
    "a transaction of one item": (
        nothing,
        lambda world: world.transactions.run(withdraw),
        balances,
        ([100, 100], [95, 100]),
    ),
    "a transaction by a key": (
        nothing,
        lambda world: world.transactions.run(pay, idempotency_key="k"),
        balances,
        ([100, 100], [95, 105]),
    ),
    "an increment": (
        seats,
        lambda world: world.counters.counter("seats").increment(2),
        value,
        (5, 7),
    ),
    "an increment that borrows": (
        seats,
        lambda world: world.counters.counter("seats").increment(5),
        value,
        (5, 10),
    ),
    "an increment by a key": (
        seats,
        lambda world: world.counters.counter("seats").increment(2, idempotency_key="k"),
        value,
        (5, 7),
    ),
    "a new layout": (
        seats,
        lambda world: world.counters.counter("seats").configure(shards=5),
        value,
        (5,),
    ),
    "a transfer": (
        seats,
        lambda world: world.counters.transfer("seats", "stalls", 2),
        value,
        (5, 3),
    ),
    "a reset": (
        seats,
        lambda world: world.counters.counter("seats").reset(),
        value,
        (5, 0),
    ),
}


class Interrupting(Slow):
    """A transport that is interrupted at one of its calls, before or after it is carried out."""

    def __init__(self, store, at, *, after):
        super().__init__(store)
        self.left, self.after = at, after

    def send(self, call: Call, timeout: float | None) -> Any:
        del timeout
        self.left -= 1
        if self.left < 0 and not self.after:
            raise KeyboardInterrupt
        reply = self.store.perform(call.operation, call.params)
        if self.left < 0:
            raise KeyboardInterrupt
        return reply


async def cancelled_after(turns, body):
    """Return whether it was cancelled, and the world, once nothing of it runs any more."""
    prepare, act, _, _ = body
    world = World()
    await prepare(world)
    task = asyncio.ensure_future(act(world))
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    result = (await asyncio.gather(task, return_exceptions=True))[0]
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert result is None or not isinstance(result, Exception), result
    return isinstance(result, asyncio.CancelledError), world


@pytest.mark.parametrize("name", BODIES)
def test_what_is_cancelled_at_any_await_is_there_once_or_not_at_all(name):
    _, act, see, allowed = body = BODIES[name]
    seen = []

    async def cancel(turns):
        was_cancelled, world = await cancelled_after(turns, body)
        seen.append(await see(world))
        assert seen[-1] in allowed, turns
        if "by a key" in name:
            await act(world)
            assert await see(world) == allowed[-1], turns
        counter = world.counters.counter("seats", floor=0, ceiling=10)
        if await counter.inspect() is not None:  # no escrow is lost: all of it can be counted
            left = 10 - await counter.get()
            if left:
                await counter.increment(left)
            assert await counter.get() == 10
        return was_cancelled

    turns = 0
    while asyncio.run(cancel(turns)):
        turns += 1
    assert turns > 2 * TURNS
    assert [one for one in allowed if one not in seen] == []


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("name", BODIES)
def test_what_is_interrupted_at_any_call_is_there_once_or_not_at_all(name, after):
    prepare, act, see, allowed = BODIES[name]
    at, interrupted = 0, True
    while interrupted:
        world = World()
        asyncio.run(prepare(world))
        blocking = BlockingDriver(Interrupting(world.store, at, after=after))
        clients = SimpleNamespace(
            transactions=interlock.TransactionClient(COORDINATION, client=blocking),
            counters=interlock.CounterClient(COORDINATION, client=blocking),
        )
        try:
            act(clients)
            interrupted = False
        except KeyboardInterrupt:
            at += 1
        assert asyncio.run(see(world)) in allowed, at
    assert at > 0
