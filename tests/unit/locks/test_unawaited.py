"""What `interlock.aio` says of an acquisition that is never awaited, and how else it is begun."""

import asyncio
import warnings

import pytest

from interlock.aio import LockClient, ReadWriteLock, Semaphore
from interlock.testing import MemoryStore

CALLS = {
    "LockClient.acquire": lambda locks: locks.acquire("a"),
    "ReadWriteLock.read": lambda locks: ReadWriteLock(locks, "b").read(),
    "ReadWriteLock.write": lambda locks: ReadWriteLock(locks, "b").write(),
    "Semaphore.acquire": lambda locks: Semaphore(locks, "c", permits=2).acquire(),
}


@pytest.fixture
def store():
    return MemoryStore("t")


def on(store, use):
    """Run a coroutine function with a lock client."""

    async def main():
        async with LockClient("t", client=store.aio_client()) as locks:
            return await use(locks)

    return asyncio.run(main())


@pytest.mark.parametrize("name", CALLS)
def test_a_forgotten_await_is_warned_of_by_the_methods_name(store, name):
    async def forget(locks):
        CALLS[name](locks)

    with pytest.warns(RuntimeWarning, match=f"coroutine '{name}' was never awaited"):
        on(store, forget)
    assert store.calls == []


@pytest.mark.parametrize("name", CALLS)
def test_one_that_is_awaited_entered_or_run_as_a_task_is_not_warned_of(store, name):
    async def use(locks):
        await (await CALLS[name](locks)).release()
        async with CALLS[name](locks):
            pass
        await (await asyncio.create_task(CALLS[name](locks))).release()

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        on(store, use)
    assert caught == []


def test_a_task_that_is_cancelled_before_it_begins_is_not_warned_of(store):
    async def cancel(locks):
        task = asyncio.ensure_future(locks.acquire("a"))
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert on(store, cancel)
    assert caught == []


def test_a_writer_becomes_a_reader_by_async_with(store):
    async def downgrade(locks):
        async with ReadWriteLock(locks, "b").write() as writing, writing.downgrade() as reading:
            reading.ensure()
            return writing.lost.is_set(), await locks.inspect(reading.name)

    lost, record = on(store, downgrade)
    assert not lost
    assert record.held


def test_a_forgotten_downgrade_is_warned_of(store):
    async def forget(locks):
        async with ReadWriteLock(locks, "b").write() as writing:
            writing.downgrade()
            writing.ensure()

    with pytest.warns(RuntimeWarning, match=r"coroutine 'WriteLock\.downgrade' was never awaited"):
        on(store, forget)
