"""Deadlocks among clients that wait: certain by what tickets say, possible by owners."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from interlock._protocol.locks.ticket import MOST_MARKS, Ticket, identity_of, mark_of, read
from interlock.errors import InvalidValue, LockLost
from interlock.testing import MemoryStore
from tests.unit.locks.conftest import Process
from tests.unit.locks.realtime import wait_until
from tests.unit.locks.scripted import TABLE


class Handle:
    """What an application keeps of a lock that it holds."""


HANDLE = Handle()


def shape(deadlock):
    """Return who of a deadlock holds what and waits for what, and which of it is certain."""
    links = tuple((link.owner, link.holds, link.waits_for, link.certain) for link in deadlock.links)
    return deadlock.certain, links


# Tickets say what their thread or task held.


@pytest.mark.parametrize("holds", [None, (), (mark_of("a", 7),), (mark_of("a", 7),) * MOST_MARKS])
def test_a_ticket_says_what_its_waiter_holds_if_it_says_it(holds):
    ticket = Ticket(identity_of("v1", holds), 1, 2, "some~owner.com")
    assert read(ticket.text) == ticket
    assert ticket.holds == holds


def test_a_ticket_of_an_earlier_version_says_nothing():
    ticket = read("5f0c~1700000000000~75~web-1")
    assert ticket is not None
    assert ticket.holds is None


def hold(process, name, taker):
    """Let a thread of a process take a lock."""
    grant = process.acquire(name)
    process.locks.hold(grant, HANDLE, taker)
    return grant


def wait(process, name, taker):
    """Let a thread of a process stand in the queue of a lock."""
    acquisition = process.acquisition(name, fair=True, taker=taker)

    def stop():
        raise KeyboardInterrupt

    process.driver.during_sleep = [stop]
    with pytest.raises(KeyboardInterrupt):
        process.driver.run(acquisition.run())
    return acquisition


def named(process, prefix="", among=None):
    return process.driver.run(process.locks.deadlocks(prefix, among))


@pytest.fixture
def x(process):
    return process


@pytest.fixture
def y(process):
    return Process(process.driver.store, owner="another")


def test_two_threads_that_wait_for_each_other_are_certain(x, y):
    hold(x, "a", 1)
    hold(y, "b", 1)
    wait(x, "b", 1)
    assert named(x) == ()
    wait(y, "a", 1)
    (found,) = named(x)
    assert shape(found) == (True, (("somebody", "a", "b", True), ("another", "b", "a", True)))


def test_two_threads_of_one_client_are_too(x):
    hold(x, "a", 1)
    hold(x, "b", 2)
    wait(x, "b", 1)
    wait(x, "a", 2)
    (found,) = named(x)
    assert shape(found) == (True, (("somebody", "a", "b", True), ("somebody", "b", "a", True)))


def test_threads_of_one_client_that_take_turns_are_none(x):
    hold(x, "a", 1)
    hold(x, "b", 1)
    for thread in (2, 3):
        wait(x, "a", thread)
        wait(x, "b", thread)
    assert named(x) == ()


def test_another_thread_of_an_owner_makes_it_possible(x, y):
    hold(x, "a", 1)
    hold(y, "b", 1)
    wait(x, "b", 2)
    wait(y, "a", 1)
    (found,) = named(x)
    assert shape(found) == (False, (("somebody", "a", "b", False), ("another", "b", "a", True)))


def test_a_longer_circle_is_named_whole(x, y):
    third = Process(x.driver.store, owner="third")
    for process, name in ((x, "a"), (y, "b"), (third, "c")):
        hold(process, name, 1)
    for process, name in ((x, "b"), (y, "c"), (third, "a")):
        wait(process, name, 1)
    (found,) = named(x)
    assert found.certain
    assert [(link.holds, link.waits_for) for link in found.links] == [
        ("a", "b"),
        ("b", "c"),
        ("c", "a"),
    ]


def test_who_waits_behind_another_waiter_waits_for_the_holder(x, y):
    hold(x, "a", 1)
    hold(y, "b", 1)
    wait(x, "b", 3)
    wait(x, "b", 1)
    wait(y, "a", 1)
    assert [one.certain for one in named(x)] == [True]


def test_a_lock_that_was_adopted_is_still_its_thread_s(x, y):
    exporting = Process(x.driver.store, owner="exporter")
    grant = exporting.acquire("a")
    text = exporting.locks.export(grant)
    x.locks.hold(x.adopt(text), HANDLE, 1)
    hold(y, "b", 1)
    wait(x, "b", 1)
    wait(y, "a", 1)
    (found,) = named(x)
    assert [(link.owner, link.certain) for link in found.links] == [
        ("somebody", True),
        ("another", True),
    ]


def test_only_the_last_few_locks_of_a_thread_are_on_its_ticket(x, y):
    hold(x, "a", 1)
    for number in range(MOST_MARKS):
        hold(x, f"more/{number}", 1)
    hold(y, "b", 1)
    wait(x, "b", 1)
    wait(y, "a", 1)
    assert [one.certain for one in named(x)] == [False]


def test_a_holder_whose_lease_is_over_may_be_gone(x, y):
    hold(x, "a", 1)
    hold(y, "b", 1)
    wait(x, "b", 1)
    wait(y, "a", 1)
    x.driver.now += 60
    assert [one.certain for one in named(x)] == [False]


def test_an_heir_is_about_to_accept(x, y):
    hold(x, "a", 1)
    grant = hold(y, "b", 1)
    wait(x, "b", 1)
    wait(y, "a", 1)
    y.release(grant)  # x is the heir, and has not looked yet
    assert named(x) == ()


@pytest.mark.parametrize("ending", ["release", "leave"])
def test_what_is_over_is_not_named_by_a_listing_from_before(x, y, ending):
    grant = hold(x, "a", 1)
    hold(y, "b", 1)
    wait(x, "b", 1)
    waiting = wait(y, "a", 1)
    listed = x.driver.run(x.locks.page("", None, held=True)).locks
    x.driver.calls.clear()
    assert [one.certain for one in named(x, among=listed)] == [True]
    assert x.driver.operations() == ["GetItem", "GetItem"]  # and the table is not read again
    if ending == "release":
        x.release(grant)
    else:
        y.driver.run(waiting.abandon())
    assert named(x, among=listed) == ()


def test_the_data_is_that_of_the_record(x, y):
    grant = x.acquire("a", data={"job": 7})
    x.locks.hold(grant, HANDLE, 1)
    hold(y, "b", 1)
    wait(x, "b", 1)
    wait(y, "a", 1)
    (found,) = named(x)
    assert [link.data for link in found.links] == [{"job": 7}, None]
    assert found.links[0].fencing_token == grant.fence
    assert found.since == found.links[1].since
    assert found.links[0].held_since < found.links[0].since


def test_a_prefix_is_that_of_all_its_locks(x, y):
    for first, second in (("orders/1", "orders/2"), ("users/1", "orders/3")):
        hold(x, first, first)
        hold(y, second, first)
        wait(x, second, first)
        wait(y, first, first)
    assert len(named(x)) == 2
    assert [one.links[0].holds for one in named(x, "orders/")] == ["orders/1"]
    assert named(x, "users/") == ()
    listed = x.driver.run(x.locks.page("", None, held=True)).locks
    assert [one.links[0].holds for one in named(x, "orders/", listed)] == ["orders/1"]


def test_a_record_that_was_spoilt_meanwhile_is_in_none(x, y):
    hold(x, "a", 1)
    hold(y, "b", 1)
    wait(x, "b", 1)
    wait(y, "a", 1)
    listed = x.driver.run(x.locks.page("", None, held=True)).locks
    item = {**x.driver.row("a"), "fence": {"S": "x"}}
    x.driver.store.perform("PutItem", {"TableName": TABLE, "Item": item})
    assert named(x, among=listed) == ()


def test_tickets_of_earlier_versions_make_it_possible(x, y):
    hold(x, "a", 1)
    hold(y, "b", 1)
    for name, owner in (("b", "somebody"), ("a", "another")):
        ticket = Ticket(f"t{name}", 1_700_000_000_000, 0, owner).text
        item = {**x.driver.row(name), "queue": {"L": [{"S": ticket}]}}
        x.driver.store.perform("PutItem", {"TableName": TABLE, "Item": item})
    assert [one.certain for one in named(x)] == [False]


# Clients of both halves, that truly wait.


def start(half, locks, first, second, ready):
    """Take one lock, and when both are ready the second; return what tells how that ended."""
    if half.awaitable:

        async def take_both():
            async with locks._value.acquire(first, data={"then": second}):
                await asyncio.to_thread(ready.wait)
                async with locks._value.acquire(second, fair=True):
                    return "both"

        return asyncio.run_coroutine_threadsafe(take_both(), half._loop).result

    def take_one_after_the_other():
        with locks.acquire(first, data={"then": second}):
            ready.wait()
            with locks.acquire(second, fair=True):
                return "both"

    return ThreadPoolExecutor(1).submit(take_one_after_the_other).result


def waiters(network, name):
    return len((network.row(name) or {}).get("queue", {"L": []})["L"])


def test_clients_that_deadlock_are_named_and_a_break_lets_them_go_on(half, make, network):
    ready, watcher = threading.Barrier(2), make(owner="operator")
    one = start(half, make(owner="one"), "a", "b", ready)
    two = start(half, make(owner="two"), "b", "a", ready)
    wait_until(lambda: waiters(network, "a") and waiters(network, "b"))
    (found,) = watcher.deadlocks()
    assert shape(found) == (True, (("one", "a", "b", True), ("two", "b", "a", True)))
    assert [link.data for link in found.links] == [{"then": "b"}, {"then": "a"}]
    link = found.links[0]
    watcher.break_lock("a", because="deadlock", fencing_token=link.fencing_token)
    assert two() == "both"
    with pytest.raises(LockLost, match="broken"):
        one()
    assert watcher.deadlocks() == ()


def test_a_client_that_merely_waits_is_not_named(half, make, network):
    ready, watcher = threading.Barrier(2), make(owner="operator")
    with make(owner="two").acquire("b") as lock:
        one = start(half, make(owner="one"), "a", "b", ready)
        ready.wait()
        wait_until(lambda: waiters(network, "b"))
        assert watcher.deadlocks() == ()
        assert lock.release()
        assert one() == "both"


def test_all_pages_of_a_table_are_one_graph(half, monkeypatch):
    monkeypatch.setattr("interlock.testing._store.reads.PAGE_BYTES", 300)
    store = MemoryStore(TABLE)
    for number in range(10):
        held = {"pk": f"lock#{number}", "fence": 7, "version": "v", "lease_ms": 1000}
        waiter = Ticket("t", number, 0, f"owner {(number - 1) % 10}").text
        store.put(TABLE, held | {"owner": f"owner {number}", "queue": [waiter]})
    client = store.aio_client() if half.awaitable else store.client()
    locks = half.wrap(half.locks.LockClient(TABLE, client=client))
    (found,) = locks.deadlocks()
    assert [link.holds for link in found.links] == [str(number) for number in range(10)]
    assert [call.operation for call in store.calls].count("Scan") > 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"prefix": 7}, "prefix"),
        ({"among": 7}, "among"),
        ({"among": [7]}, "among"),
        ({"among": "a"}, "among"),
    ],
)
def test_what_is_no_listing_is_refused(make, arguments, says):
    with pytest.raises(InvalidValue, match=says):
        make().deadlocks(**arguments)
