"""A caller that is interrupted or cancelled leaves nothing held and nothing running."""

import asyncio
import linecache
import sys
import threading
from contextlib import suppress
from datetime import timedelta

import pytest

from interlock import LockClient
from interlock.aio.locks import LockClient as AwaitableLockClient
from interlock.errors import LockTimeout
from tests.halves import AwaitableHalf, Half
from tests.unit.locks.realtime import SOON, releases, wait_until
from tests.unit.locks.scripted import TABLE

NAMES = ["a", "b", "c"]
LEASE = timedelta(seconds=0.4)


def awaitable(network):
    return AwaitableLockClient(TABLE, client=network.client(AwaitableHalf), lease=LEASE)


async def single(locks):
    async with locks.acquire("a") as lock:
        await asyncio.sleep(0)
        lock.ensure()


async def several(locks):
    async with await locks.acquire_all(NAMES):
        await asyncio.sleep(0)


async def permit(locks):
    async with locks.semaphore("a", permits=1).acquire():
        await asyncio.sleep(0)


async def reader(locks):
    async with locks.read_write_lock("a", readers=2).read():
        await asyncio.sleep(0)


async def writer(locks):
    async with locks.read_write_lock("a", readers=2).write() as lock, await lock.downgrade():
        await asyncio.sleep(0)


async def term(locks):
    election = locks.election("a")
    await election.campaign()
    await election.resign()


async def job(locks):
    async def work():
        await asyncio.sleep(0)

    await locks.exclusive("a")(work)()


async def adoption(locks):
    lock = await locks.acquire("a")
    async with await locks.adopt(lock.export()):
        await asyncio.sleep(0)


def held(network):
    return [item["pk"]["S"] for item in network.store.items(TABLE) if "version" in item]


@pytest.mark.parametrize("body", [single, several, permit, reader, writer, term, job, adoption])
def test_a_task_that_is_cancelled_at_any_await_leaves_nothing_held(network, body):
    async def cancel_after(turns):
        async with awaitable(network) as locks:
            task = asyncio.create_task(body(locks))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            cancelled = (await asyncio.gather(task, return_exceptions=True))[0]
        assert held(network) == []
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left
        return cancelled is not None

    turns = 0
    while asyncio.run(cancel_after(turns)):
        turns += 1
    assert turns > 5


def test_a_cancelled_acquisition_is_given_back_though_the_event_loop_ends(network):
    async def give_up():
        locks = awaitable(network)
        network.hangs_after = lambda *_: network.held("a")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await locks.acquire("a")
        network.calm()

    asyncio.run(give_up())
    assert held(network) == []


def queued(network):
    return (network.row("a") or {}).get("queue", {}).get("L", [])


@pytest.mark.parametrize("way", ["pending", "cancelled", "in time"])
def test_a_turn_leaves_the_queue_though_the_event_loop_ends_without_closing_its_client(
    network, way
):
    async def main():
        locks = awaitable(network)

        async def wait_for_its_turn():
            await locks.acquire("a", fair=True)

        turn = asyncio.create_task(wait_for_its_turn())
        waiting = turn if way != "in time" else asyncio.create_task(asyncio.wait_for(turn, 0.05))
        while not queued(network):  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.001)
        slow = iter([True] * 5)
        network.hangs = lambda *_: next(slow, False)
        if way == "cancelled":
            turn.cancel()
        if way != "pending":
            await asyncio.wait({waiting})

    with LockClient(TABLE, client=network.client(Half)) as holder, holder.acquire("a", fair=True):
        asyncio.run(main())
        assert not queued(network)


def test_a_store_that_does_not_answer_holds_up_a_cancelled_caller_for_a_moment_only(network):
    async def main():
        locks = awaitable(network)
        async with locks.acquire("a", fair=True):

            async def wait_for_its_turn():
                await locks.acquire("a", fair=True)

            turn = await asyncio.create_task(ask_elsewhere(wait_for_its_turn))
            network.hangs = lambda _, params: "REMOVE #queue" in params.get("UpdateExpression", "")
            turn.cancel()
            await asyncio.wait({turn}, timeout=SOON)
            assert turn.cancelled()
            assert queued(network)
            network.calm()
        await locks.close()
        assert not queued(network)

    async def ask_elsewhere(work):
        turn = asyncio.create_task(work())
        while not queued(network):  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.001)
        return turn

    asyncio.run(main())


def test_a_set_whose_exit_is_cancelled_is_given_back(network):
    async def job(locks, entered):
        async with await locks.acquire_all(NAMES):
            await entered.wait()

    async def main():
        async with awaitable(network) as locks:
            entered = asyncio.Event()
            task = asyncio.create_task(job(locks, entered))
            while len(held(network)) < len(NAMES):  # noqa: ASYNC110 - it has no event
                await asyncio.sleep(0)
            await asyncio.sleep(0.01)
            entered.set()
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            async with asyncio.timeout(5):
                while held(network):  # noqa: ASYNC110 - it has no event
                    await asyncio.sleep(0.005)

    asyncio.run(main())


def interrupted_at(line_number, function, within=("interlock/locks", "_drivers/blocking")):
    """Run a function, and interrupt it at the n-th line that it runs of the library's locks.

    Return whether it was interrupted.
    """
    seen = 0

    def trace(frame, event, _argument):
        nonlocal seen
        path = frame.f_code.co_filename
        ours = any(part in path for part in within)
        if not ours or frame.f_code.co_name == "__del__":
            return None
        if event == "line":
            # The interpreter interrupts neither between the end of a `with` and its `__exit__` nor
            # at a `try`, which does nothing.
            line = linecache.getline(path, frame.f_lineno).strip()
            seen += not line.startswith(("with ", "try:"))
            if seen == line_number:
                sys.settrace(None)
                raise KeyboardInterrupt
        return trace

    sys.settrace(trace)
    try:
        function()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(None)
    return False


@pytest.mark.filterwarnings("ignore:.*was dropped without:ResourceWarning")
@pytest.mark.parametrize("kind", ["single", "several", "job"])
def test_a_thread_that_is_interrupted_anywhere_leaves_nothing_renewed(network, kind):
    """What is not given back at once is dropped, and ends with its lease."""

    def body():
        if kind == "job":
            locks.exclusive("a")(int)()
            return
        taken = locks.acquire("a") if kind == "single" else locks.acquire_all(NAMES)
        with taken:
            pass

    line, interrupted, others = 0, True, set(threading.enumerate())
    while interrupted:
        line += 11 if kind == "several" else 3
        with LockClient(TABLE, client=network.client(Half), lease=LEASE) as locks:
            interrupted = interrupted_at(line, body)
            wait_until(lambda locks=locks: all(g.over for g in locks._operations.held))
            network.store.contents.items.clear()
    assert line > 60
    for thread in set(threading.enumerate()) - others:
        thread.join(2 * SOON)
        assert not thread.is_alive()


@pytest.mark.filterwarnings("ignore:.*was dropped without:ResourceWarning")
@pytest.mark.parametrize("way", ["run", "campaign"])
def test_an_election_that_is_interrupted_anywhere_leaves_nothing_renewed(network, way):
    def body(election):
        if way == "run":
            election.run(lambda _term: election.stop())
        else:
            election.campaign()

    line, interrupted = 0, True
    while interrupted:
        line += 1
        with LockClient(TABLE, client=network.client(Half), lease=LEASE) as locks:
            election = locks.election("a")  # the application keeps it
            interrupted = interrupted_at(line, lambda e=election: body(e), ["locks/_election"])
            if not interrupted:
                election.resign()
            wait_until(lambda locks=locks: all(g.over for g in locks._operations.held))
            network.store.contents.items.clear()
    assert line > 15


@pytest.mark.filterwarnings("ignore:.*was dropped without:ResourceWarning")
@pytest.mark.parametrize("free", [True, False])
@pytest.mark.parametrize("fair", [True, False])
def test_closing_does_not_wait_for_an_acquisition_that_was_interrupted_anywhere(
    network, free, fair
):
    def body():
        with suppress(LockTimeout):
            locks.acquire("a", fair=fair, timeout=timedelta(0)).release()

    line, interrupted = 0, True
    while interrupted:
        line += 1
        network.store.contents.items.clear()
        if not free:
            row = {"pk": {"S": "lock#a"}, "version": {"S": "v"}, "lease_ms": {"N": "20000"}}
            network.store.perform("PutItem", {"TableName": TABLE, "Item": row})
        with LockClient(TABLE, client=network.client(Half), lease=LEASE) as locks:
            interrupted = interrupted_at(line, body)
            assert not locks._held._acquiring
    assert line > 60


def test_an_interrupt_during_the_exit_of_a_set_gives_back_all_of_it(network):
    interrupts, caller = [KeyboardInterrupt()], threading.current_thread()

    def interrupt(operation, params):
        if threading.current_thread() is caller and releases(operation, params) and interrupts:
            raise interrupts.pop()

    with LockClient(TABLE, client=network.client(Half), lease=LEASE) as locks:
        with pytest.raises(KeyboardInterrupt), locks.acquire_all(NAMES):  # noqa: PT012 - the block is the subject
            network.fault = interrupt
            network.hangs = lambda *_: interrupts and threading.current_thread() is not caller
        wait_until(lambda: not held(network))
