"""`ReadWriteLock` as its users have it, on both halves."""

import threading
from datetime import timedelta

import pytest

from interlock.errors import (
    InvalidLockName,
    InvalidValue,
    LockAlreadyHeld,
    LockClientClosed,
    LockTimeout,
    ReadersMismatch,
    UpgradeRefused,
)
from tests.unit.locks.realtime import SOON, wait_until
from tests.unit.locks.scripted import TABLE

NOT_AT_ALL = timedelta()
A_MOMENT = timedelta(milliseconds=60)
POLL = timedelta(milliseconds=2)


@pytest.fixture
def sides(make):
    """Return a function that gives the lock to another client each time."""
    return lambda **options: make(poll=POLL).read_write_lock("a", **{"readers": 3} | options)


def test_readers_are_in_together_and_a_writer_alone(sides, network):
    with sides().read() as one, sides().read() as other:
        assert {one.name, other.name} < {"a#0", "a#1", "a#2"}
        with pytest.raises(LockTimeout):
            sides().write(timeout=A_MOMENT)
    wait_until(lambda: not network.held("a"))
    with sides().write(data="why") as writer:
        assert writer.name == "a"
        with pytest.raises(LockTimeout) as late:
            sides().read(timeout=A_MOMENT)
        assert late.value.holder.data == "why"
        with pytest.raises(LockTimeout):
            sides().write(timeout=NOT_AT_ALL)
    with sides().read(timeout=NOT_AT_ALL):
        pass


def test_a_lock_says_its_name_and_readers(make):
    lock = make().read_write_lock("a")
    assert (lock.name, lock.readers) == ("a", 10)


@pytest.mark.parametrize("readers", [0, -1, 101, True, 1.5, None])
def test_readers_are_one_to_a_hundred(locks, readers):
    with pytest.raises(InvalidValue, match="readers"):
        locks.read_write_lock("a", readers=readers)


def test_a_name_is_one_of_a_lock(locks):
    with pytest.raises(InvalidLockName):
        locks.read_write_lock("a#1")


def test_another_number_of_readers_is_told(sides):
    with sides().read(), pytest.raises(ReadersMismatch):
        sides(readers=4).write()


def test_a_reader_s_lock_is_handed_on(sides, make, network):
    heir = make().adopt(sides().read().export())
    with pytest.raises(LockTimeout):
        sides().write(timeout=NOT_AT_ALL)
    assert network.held(heir.name)
    assert heir.release() is True
    with sides().write(timeout=A_MOMENT):
        pass


def test_a_permit_is_handed_on(make):
    one, other = make(poll=POLL), make(poll=POLL)
    heir = other.adopt(one.semaphore("s", permits=1).acquire().export())
    assert heir.name == "s#0"
    with pytest.raises(LockTimeout):
        one.semaphore("s", permits=1).acquire(timeout=A_MOMENT)
    heir.release()
    with one.semaphore("s", permits=1).acquire(timeout=NOT_AT_ALL):
        pass


TAKES = {
    "lock": lambda locks, timeout: locks.acquire("a", timeout=timeout),
    "set": lambda locks, timeout: locks.acquire_all(["a"], timeout=timeout),
    "reader": lambda locks, timeout: locks.read_write_lock("a").read(timeout=timeout),
    "writer": lambda locks, timeout: locks.read_write_lock("a").write(timeout=timeout),
    "permit": lambda locks, timeout: locks.semaphore("a", permits=1).acquire(timeout=timeout),
    "leader": lambda locks, timeout: locks.election("a").campaign(timeout),
}


@pytest.mark.parametrize("kind", TAKES)
def test_a_time_out_that_is_over_is_one_look(make, kind):
    """As `deadline - now` may be."""
    over = timedelta(seconds=-1)
    rival = TAKES["writer" if kind == "reader" else kind](make(), None)
    with pytest.raises(LockTimeout):
        TAKES[kind](make(), over)
    rival.release()
    TAKES[kind](make(), over).release()


def test_a_writer_becomes_a_reader(sides, network):
    lock = sides()
    with lock.write() as writer:
        with writer.downgrade(data="reading") as reader:
            assert writer.lost.is_set() is False
            assert writer.remaining == timedelta()
            assert network.row(reader.name)["data"] == {"S": "reading"}
            assert not network.held("a")
            with sides().read(timeout=NOT_AT_ALL):
                pass
            with pytest.raises(LockTimeout):
                sides().write(timeout=NOT_AT_ALL)
        assert not network.held(reader.name)
    with sides().write(timeout=timedelta(seconds=SOON)):
        pass


@pytest.mark.parametrize(
    ("first", "second", "error"),
    [
        ("read", "write", UpgradeRefused),
        ("read", "read", LockAlreadyHeld),
        ("write", "write", LockAlreadyHeld),
        ("write", "read", LockAlreadyHeld),
    ],
)
def test_a_caller_that_would_wait_for_itself_learns_why_at_once(
    half, network, first, second, error
):
    if half.awaitable:

        async def twice():
            client = half.locks.LockClient(TABLE, client=network.client(half))
            async with client:
                lock = client.read_write_lock("a")
                async with getattr(lock, first)():
                    with pytest.raises(error, match="'a'"):
                        await getattr(lock, second)()
                    return list(network.operations())

        half.run(twice())
        return
    locks = half.locks.LockClient(TABLE, client=network.client(half))
    lock = locks.read_write_lock("a")
    with getattr(lock, first)():
        sent = len(network.calls)
        with pytest.raises(error, match="'a'"):
            getattr(lock, second)(timeout=NOT_AT_ALL)
        assert len(network.calls) == sent
    assert getattr(lock, second)(timeout=timedelta(seconds=SOON)).release()
    locks.close()


def test_other_threads_are_no_hindrance(make, network):
    lock, seen = make(poll=POLL).read_write_lock("a", readers=4), []
    gate = threading.Barrier(4)

    def work():
        with lock.read():
            gate.wait(SOON)
            seen.append(sum(network.held(f"a#{number}") for number in range(4)))
            gate.wait(SOON)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [4] * 4


def test_readers_see_what_writers_leave_behind_and_nothing_in_between(make):
    state, torn, rounds = [0, 0], [], 15

    def write(lock):
        for _ in range(rounds):
            with lock.write():
                state[0] += 1
                state[1] += 1

    def read(lock):
        for _ in range(rounds):
            with lock.read():
                torn.extend([] if state[0] == state[1] else [tuple(state)])

    locks = [make(poll=POLL).read_write_lock("a", readers=2) for _ in range(4)]
    threads = [
        threading.Thread(target=write if number < 2 else read, args=(lock,))
        for number, lock in enumerate(locks)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert state == [2 * rounds, 2 * rounds]
    assert torn == []


def test_a_client_that_is_closed_leaves_no_door_closed(make, network):
    with make(poll=POLL).read_write_lock("a").read():
        locks, outcome = make(poll=POLL), []

        def wait():
            try:
                locks.read_write_lock("a").write()
            except LockClientClosed as error:
                outcome.append(error)

        thread = threading.Thread(target=wait)
        thread.start()
        wait_until(lambda: network.held("a"))
        locks.close()
        thread.join(SOON)
        assert len(outcome) == 1
        assert not network.held("a")
