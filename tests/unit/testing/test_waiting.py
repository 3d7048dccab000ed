"""Waiting on a clock that a test moves takes no time, and ends at once by what others do."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from interlock._drivers.awaitable.changes import Changes as AwaitableChanges
from interlock._drivers.blocking.changes import Changes
from interlock.aio import LockClient as AioLockClient
from interlock.errors import LockClientClosed, LockTimeout, LockWaitCancelled, Throttled
from interlock.testing import FakeClock, MemoryStore
from interlock.testing._waiting import wait_awaitably_by, wait_by
from tests.halves import HALVES

LONG = timedelta(seconds=5)
MONTH = timedelta(days=30)
PATIENT = 60  # seconds that another thread is given, however busy the machine is


class World:
    """A store on a fake clock, and clients of one half of the library."""

    def __init__(self, half):
        self.half = half
        self.store = MemoryStore("t")
        self.began = self.store.clock.now
        self.clients = []

    @property
    def passed(self):
        return self.store.clock.now - self.began

    def waiters(self, name):
        item = self.store.get("t", {"pk": f"lock#{name}"}) or {}
        return item.get("queue", [])

    def client(self, **options):
        client = self.store.aio_client() if self.half.awaitable else self.store.client()
        made = self.half.call(self.half.locks.LockClient, "t", client=client, **options)
        self.clients.append(self.half.wrap(made))
        return self.clients[-1]


@pytest.fixture(params=HALVES, ids=["blocking", "awaitable"])
def world(request):
    with request.param() as half:
        world = World(half)
        yield world
        for client in world.clients:
            client.close()


@pytest.fixture
def other_thread():
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit


def job(world, locks):
    decorate = locks.exclusive("a", otherwise="result", timeout=LONG)
    return world.half.call(decorate(world.half.function(lambda: None)))


def write(locks):
    return locks.read_write_lock("a").write


WAITS = {
    "lock": (
        lambda locks: locks.acquire("a"),
        lambda _, locks: locks.acquire("a", timeout=LONG),
    ),
    "lock, with an event": (
        lambda locks: locks.acquire("a"),
        lambda _, locks: locks.acquire("a", timeout=LONG, cancel=threading.Event()),
    ),
    "set": (
        lambda locks: locks.acquire("a"),
        lambda _, locks: locks.acquire_all(["a", "b"], timeout=LONG),
    ),
    "job": (lambda locks: locks.acquire("a"), job),
    "writer": (
        lambda locks: write(locks)(),
        lambda _, locks: write(locks)(timeout=LONG),
    ),
    "reader": (
        lambda locks: write(locks)(),
        lambda _, locks: locks.read_write_lock("a").read(timeout=LONG),
    ),
    "semaphore": (
        lambda locks: locks.semaphore("a", permits=1).acquire(),
        lambda _, locks: locks.semaphore("a", permits=1).acquire(timeout=LONG),
    ),
}


@pytest.mark.parametrize(("hold", "wait"), WAITS.values(), ids=WAITS)
def test_a_wait_that_is_in_vain_takes_the_time_of_the_clock_alone(world, hold, wait):
    rival, mine = world.client(), world.client()
    lock = hold(rival)
    with pytest.raises(LockTimeout):
        wait(world, mine)
    assert LONG <= world.passed < 2 * LONG
    lock.ensure()
    lock.release()


def test_a_waiter_takes_over_from_one_that_died_when_its_lease_is_over(world):
    dead = world.client().acquire("a", heartbeats=False)
    lock = world.client().acquire("a")
    assert lock.fencing_token > dead.fencing_token
    assert dead.lease <= world.passed < 2 * dead.lease
    assert not dead.release()
    assert lock.release()


def test_an_acquisition_that_is_throttled_for_good_says_so(world):
    world.store.throttle(times=100_000)
    with pytest.raises(Throttled):
        world.client().acquire("a")


def test_a_wait_for_a_loss_ends_with_its_time(world):
    lock = world.client().acquire("a")
    assert not lock.lost.wait(LONG)
    assert LONG <= world.passed < 2 * LONG
    assert lock.lost.wait(MONTH)
    assert world.passed < MONTH


def test_closing_ends_a_wait_that_would_be_long(world, other_thread):
    rival, mine = world.client(lease=MONTH), world.client()
    lock = rival.acquire("a")
    looked = threading.Event()
    world.store.before_next(looked.set)
    waiting = other_thread(mine.acquire, "a")
    assert looked.wait(PATIENT)
    mine.close()
    with pytest.raises(LockClientClosed):
        waiting.result(PATIENT)
    assert lock.release()


def test_an_event_ends_a_wait_that_would_be_long(world, other_thread):
    rival, mine = world.client(lease=MONTH), world.client()
    lock = rival.acquire("a")
    looked, enough = threading.Event(), threading.Event()
    world.store.before_next(looked.set)
    waiting = other_thread(mine.acquire, "a", cancel=enough)
    assert looked.wait(PATIENT)
    enough.set()
    with pytest.raises(LockWaitCancelled):
        waiting.result(PATIENT)
    assert lock.release()


def test_waiting_for_the_own_client_lets_no_lease_of_its_run_out(world, other_thread):
    locks = world.client(poll=timedelta(milliseconds=50))
    lock = locks.acquire("a")
    looks = threading.Semaphore(0)
    for _ in range(3):
        world.store.before_next(looks.release)

    def next_one():
        with locks.acquire("a") as following:
            return following.fencing_token

    waiting = other_thread(next_one)
    for _ in range(3):
        assert looks.acquire(timeout=PATIENT)
    assert world.passed == timedelta()
    assert lock.release()
    assert waiting.result(PATIENT) > lock.fencing_token


def test_a_turn_behind_the_own_client_lets_no_lease_of_its_run_out(world):
    locks = world.client(lease=timedelta(seconds=2))
    lock = locks.acquire("a", fair=True)
    looks, turns = threading.Semaphore(0), []

    def take(number):
        with locks.acquire("a", fair=True) as following:
            following.ensure()
            turns.append(number)

    with ThreadPoolExecutor(3) as pool:
        waiting = []
        for number in range(3):
            waiting.append(pool.submit(take, number))
            while len(world.waiters("a")) <= number:
                pass
        for _ in range(60):
            world.store.before_next(looks.release)
            assert looks.acquire(timeout=PATIENT)
        assert world.passed == timedelta()
        lock.ensure()
        assert lock.release()
        for one in waiting:
            one.result(PATIENT)
    assert turns == [0, 1, 2]


def test_a_turn_behind_another_client_moves_the_clock(world):
    dead = world.client().acquire("a", fair=True, heartbeats=False)
    lock = world.client().acquire("a", fair=True)
    assert lock.fencing_token > dead.fencing_token
    assert dead.lease <= world.passed < 2 * dead.lease
    assert not dead.release()
    assert lock.release()


def test_an_election_that_pauses_between_two_terms_moves_the_clock(world, other_thread):
    locks = world.client(poll=timedelta(minutes=10))
    election, terms = locks.election("a"), []

    def lead(term):
        terms.append(term.lock.fencing_token)
        if len(terms) == 3:
            election.stop()

    other_thread(election.run, world.half.function(lead)).result(PATIENT)
    assert len(terms) == 3
    assert world.passed >= timedelta(minutes=20)


def test_who_waits_for_another_that_campaigns_waits_by_the_clock(world, other_thread):
    election = world.client().election("a")
    turn = election._turn.pop()  # as another campaigns, who does not come to an end
    with pytest.raises(LockTimeout):
        other_thread(election.campaign, LONG).result(PATIENT)
    assert LONG <= world.passed < 2 * LONG
    election._turn.append(turn)
    assert election.campaign(LONG).release()


def test_those_that_wait_at_the_same_time_share_it():
    clock = FakeClock()
    began = clock.now

    def another_waits():
        if clock.now == began:
            clock.pause(1.0)
        return False

    assert not wait_by(clock)(Changes(), another_waits, 1.5)
    assert clock.now - began == timedelta(seconds=1.5)


async def test_tasks_that_wait_at_the_same_time_share_it():
    clock = FakeClock()
    began = clock.now
    wait = wait_awaitably_by(clock)
    await asyncio.gather(*(wait(AwaitableChanges(), lambda: False, 1.5) for _ in range(3)))
    assert clock.now - began == timedelta(seconds=1.5)


def test_a_change_that_has_come_moves_no_clock():
    clock = FakeClock()
    began = clock.now
    assert wait_by(clock)(Changes(), lambda: True, 1.5)
    assert clock.now == began


async def test_a_task_that_waits_gives_the_others_a_turn():
    store = MemoryStore("t")
    rival = AioLockClient("t", client=store.aio_client())
    lock = await rival.acquire("a")

    async def work():
        for _ in range(5):
            await asyncio.sleep(0)
        return await lock.release()

    mine = AioLockClient("t", client=store.aio_client())
    working = asyncio.create_task(work())
    await (await mine.acquire("a", timeout=timedelta(seconds=15))).release()
    assert await working
