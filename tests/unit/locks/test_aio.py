"""The awaitable client: heartbeats on the loop, cancellation that leaves nothing held."""

import asyncio
from datetime import timedelta

import pytest

from interlock.aio.locks import LeaderElection, LockClient, Semaphore
from interlock.errors import InvalidValue, LockClientClosed, LockLost, LockTimeout, LossReason
from tests.unit.locks.realtime import SOON, Awaitable, denied, eventually, take_away, unreachable
from tests.unit.locks.scripted import TABLE

LEASE = timedelta(seconds=0.4)


@pytest.fixture
def driver():
    return Awaitable()


@pytest.fixture
def losses():
    return []


@pytest.fixture
async def locks(driver, losses):
    async def on_lost(lock, reason):
        losses.append((lock.name, reason))

    async with LockClient(
        TABLE, lease=LEASE, poll=timedelta(seconds=0.02), driver=driver, on_lost=on_lost
    ) as client:
        yield client
        driver.fault = None


async def test_a_lock_is_awaited_or_entered(locks):
    async with locks.acquire("a", data={"why": 1}) as lock:
        assert (await locks.inspect("a")).data == {"why": 1}
        lock.ensure()
        assert await locks.try_acquire("a") is None
    assert not (await locks.inspect("a")).held
    lock = await locks.acquire("a")
    assert await lock.release() is True
    assert await locks.release(lock) is False


async def test_a_lock_outlives_its_lease_by_heartbeats(locks):
    lock = await locks.acquire("a")
    assert await lock.lost.wait(2.5 * LEASE) is False
    lock.ensure()


async def test_a_loss_is_told_once_and_raised_at_the_end_of_the_body(locks, driver, losses):
    with pytest.raises(LockLost) as caught:  # noqa: PT012 - it is the end of the body that raises
        async with locks.acquire("a") as lock:
            take_away(driver, "a")
            assert await lock.lost.wait(timedelta(seconds=SOON))
    assert caught.value.reason is LossReason.TAKEN_OVER
    await eventually(lambda: losses)
    assert losses == [("a", LossReason.TAKEN_OVER)]


async def test_the_exception_of_the_body_is_not_replaced(locks, driver):
    with pytest.raises(KeyError, match="mine"):  # noqa: PT012 - it is the body that raises
        async with locks.acquire("a"):
            take_away(driver, "a")
            raise KeyError("mine")


async def test_a_lease_that_runs_out_is_told(locks, driver, losses):
    lock = await locks.acquire("a")
    driver.fault = unreachable
    assert await lock.lost.wait(timedelta(seconds=SOON))
    await eventually(lambda: losses)
    assert losses == [("a", LossReason.LEASE_RAN_OUT)]


async def test_a_cancelled_acquisition_leaves_the_lock_to_others(locks, driver):
    driver.held_up = asyncio.Event()
    task = asyncio.create_task(locks.acquire("a").__aenter__())
    await eventually(lambda: driver.row("a") is not None and "version" in driver.row("a"))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    driver.held_up.set()
    await eventually(lambda: "version" not in driver.row("a"))


async def test_a_cancelled_body_gives_its_lock_back(locks, driver):
    entered = asyncio.Event()

    async def body():
        async with locks.acquire("a"):
            entered.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(body())
    await asyncio.wait_for(entered.wait(), SOON)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await eventually(lambda: "version" not in driver.row("a"))


async def test_closing_gives_back_everything_and_survives_a_failure(locks, driver, caplog):
    for name in "abc":
        await locks.acquire(name)

    def fail_for_b(operation, params):
        if params["Key"]["pk"]["S"] == "lock#b":
            denied(operation, params)

    driver.fault = fail_for_b
    await locks.close()
    assert [("version" in driver.row(name)) for name in "abc"] == [False, True, False]
    assert "lock 'b' could not be given back" in caplog.text
    with pytest.raises(LockClientClosed):
        await locks.acquire("d")


async def test_the_holder_is_named_when_the_time_is_up(locks):
    await locks.acquire("a", data="busy")
    with pytest.raises(LockTimeout) as caught:
        await locks.acquire("a", timeout=timedelta(seconds=0.05))
    assert caught.value.holder.data == "busy"


async def test_tasks_of_two_clients_never_hold_together(driver):
    inside, fences = 0, []

    async def work():
        nonlocal inside
        async with LockClient(TABLE, driver=driver, poll=timedelta(milliseconds=2)) as locks:
            for _ in range(20):
                async with locks.acquire("a") as lock:
                    inside += 1
                    assert inside == 1
                    fences.append(lock.fencing_token)
                    await asyncio.sleep(0)
                    inside -= 1

    await asyncio.gather(*(work() for _ in range(4)))
    assert fences == sorted(set(fences))
    assert len(fences) == 80


def test_a_client_is_needed():
    with pytest.raises(InvalidValue, match="async with"):
        LockClient(TABLE)


async def test_one_leads_until_it_resigns(locks, driver):
    events = []

    async def gained(lock):
        events.append(("gain", lock.fencing_token))

    def ceased(lock, reason):
        events.append((reason, lock.fencing_token))

    first = LeaderElection(locks, "leader", on_gain=gained, on_loss=ceased, data="first")
    async with LockClient(TABLE, driver=driver, poll=timedelta(seconds=0.02)) as others:
        second = LeaderElection(others, "leader")
        lock = await first.campaign()
        assert first.leading
        assert await first.campaign() is lock
        with pytest.raises(LockTimeout):
            await second.campaign(timedelta(seconds=0.05))
        leader = await second.observe()
        assert leader is not None
        assert leader.data == "first"
        assert await first.resign() is True
        assert not first.leading
        assert (await second.campaign()).fencing_token == lock.fencing_token + 1
    assert events == [("gain", lock.fencing_token), (LossReason.RELEASED, lock.fencing_token)]


async def test_a_leader_that_was_replaced_is_told_once(locks, driver):
    reasons = []
    election = LeaderElection(locks, "leader", on_loss=lambda _, reason: reasons.append(reason))
    await election.campaign()
    take_away(driver, "leader")
    await eventually(lambda: reasons)
    assert reasons == [LossReason.TAKEN_OVER]
    assert not election.leading
    assert election.lock is None
    assert await election.resign() is False


async def test_a_semaphore_lets_in_as_many_as_it_has_permits(locks):
    semaphore = Semaphore(locks, "jobs", permits=2)
    async with semaphore.acquire() as one:
        two = await semaphore.try_acquire(data="second")
        assert two is not None
        assert {one.name, two.name} == {"jobs#0", "jobs#1"}
        assert await semaphore.try_acquire() is None
        with pytest.raises(LockTimeout):
            await semaphore.acquire(timeout=timedelta())
        await two.release()
    assert await semaphore.try_acquire() is not None


async def test_whoever_waits_for_a_permit_gets_the_first_that_is_free(locks, driver):
    semaphore = Semaphore(locks, "jobs", permits=1)
    held = await semaphore.acquire()

    async def wait():
        return await semaphore.acquire()

    waiting = asyncio.create_task(wait())
    calls = len(driver.calls)
    await eventually(lambda: len(driver.calls) > calls + 1)
    assert not waiting.done()
    await held.release()
    assert (await waiting).name == "jobs#0"
