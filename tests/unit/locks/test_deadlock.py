"""Deadlocks: circles of holders that wait, by what the records say, and no others."""

import asyncio
import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock._protocol.locks.deadlock import confirmed, deadlocks_of
from interlock._protocol.locks.state import LockRecord, LockWaiter
from interlock._protocol.locks.ticket import MOST_MARKS, Ticket, identity_of, mark_of, read
from interlock.errors import InvalidValue, LockLost
from interlock.testing import MemoryStore
from tests.unit.locks.conftest import Process
from tests.unit.locks.realtime import wait_until
from tests.unit.locks.scripted import TABLE

EVERY = 10_000
START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LOCKS, OWNERS = "abcd", "xyz"


class Handle:
    """What an application keeps of a lock that it holds."""


HANDLE = Handle()


def shape(deadlock):
    """Return who of a deadlock holds what and waits for what, and which of it is certain."""
    links = tuple((link.owner, link.holds, link.waits_for, link.certain) for link in deadlock.links)
    return deadlock.certain, links


def ring(deadlock):
    owners = [link.owner for link in deadlock.links]
    first = owners.index(min(owners))
    return tuple(owners[first:] + owners[:first])


# What the pure function names, against every circle there may be.


def records():
    """Return any few locks: held and waited for by any, with marks of any grants, or none."""
    grants = [(name, fence) for name in LOCKS for fence in (1, 2)]
    holds = st.none() | st.lists(st.sampled_from(grants), max_size=3).map(
        lambda held: tuple(mark_of(*grant) for grant in held)
    )
    waiter = st.tuples(st.sampled_from(OWNERS), holds)
    lock = st.tuples(st.sampled_from([*OWNERS, None]), st.lists(waiter, max_size=3), st.booleans())
    return st.tuples(*[lock] * len(LOCKS)).map(
        lambda locks: [
            LockRecord(
                name,
                held=True,
                fencing_token=1,
                owner=owner,
                expired=expired,
                waiters=tuple(
                    LockWaiter(rank, who, START + timedelta(seconds=rank), marks)
                    for rank, (who, marks) in enumerate(waiters)
                ),
            )
            for name, (owner, waiters, expired) in zip(LOCKS, locks, strict=True)
        ]
    )


def circles(members, follows):
    """Return the circles of two or more, by trying every sequence."""
    return {
        some
        for length in range(2, len(members) + 1)
        for some in itertools.permutations(sorted(members), length)
        if some[0] == min(some)
        and all(follows(a, b) for a, b in zip(some, (*some[1:], some[0]), strict=True))
    }


def marked(locks):
    by_name = {lock.name: lock for lock in locks}
    return circles(
        by_name,
        lambda a, b: any(mark_of(a, 1) in (one.holds or ()) for one in by_name[b].waiters),
    )


def owned(locks):
    return circles(
        OWNERS,
        lambda a, b: any(
            lock.owner == b and any(one.owner == a for one in lock.waiters) for lock in locks
        ),
    )


@given(records())
def test_all_circles_are_named_once_and_nothing_else(locks):
    found = deadlocks_of(locks, EVERY)
    by_marks, by_owners = marked(locks), owned(locks)
    names = [tuple(link.holds for link in one.links) for one in found]
    rings = [ring(one) for one in found]
    assert len(set(zip(names, rings, strict=True))) == len(found)
    assert by_marks <= set(names)
    # Each circle of owners is there, and what is no circle by marks is one of owners.
    assert by_owners <= set(rings)
    for one, name in zip(found, names, strict=True):
        assert name in by_marks or ring(one) in by_owners
        assert name[0] == min(name)
        waits_for = tuple(link.waits_for for link in one.links)
        assert waits_for == (*name[1:], name[0])


@given(records())
def test_certain_is_what_marks_say_of_leases_that_are_running(locks):
    expired = {lock.name for lock in locks if lock.expired}
    certain = {
        tuple(link.holds for link in one.links) for one in deadlocks_of(locks, EVERY) if one.certain
    }
    assert certain == {names for names in marked(locks) if not expired & set(names)}


@given(records(), st.permutations(LOCKS))
def test_the_order_is_that_of_names_the_certain_ones_first(locks, order):
    found = deadlocks_of(locks, EVERY)
    assert deadlocks_of(sorted(locks, key=lambda one: order.index(one.name)), EVERY) == found
    keys = [(not one.certain, tuple(link.holds for link in one.links)) for one in found]
    assert keys == sorted(keys)


@given(records())
def test_what_was_read_again_unchanged_is_confirmed(locks):
    again = {lock.name: lock for lock in locks}
    for one in deadlocks_of(locks, EVERY):
        confirmation = confirmed(one, again)
        assert confirmation is not None
        assert [link.holds for link in confirmation.links] == [link.holds for link in one.links]
        for link in one.links:
            granted = replace(again[link.holds], fencing_token=2)
            assert confirmed(one, again | {link.holds: granted}) is None
            freed = replace(again[link.holds], held=False)
            assert confirmed(one, again | {link.holds: freed}) is None
            left = replace(again[link.holds], waiters=())
            assert confirmed(one, again | {link.holds: left}) is None
            assert confirmed(one, {n: r for n, r in again.items() if n != link.holds}) is None


def test_no_more_are_named_than_are_asked_for():
    owners = [f"owner {number}" for number in range(30)]
    locks = [
        LockRecord(
            f"lock of {owner}",
            held=True,
            fencing_token=1,
            owner=owner,
            waiters=tuple(LockWaiter(rank, one, START) for rank, one in enumerate(owners)),
        )
        for owner in owners
    ]
    assert len(deadlocks_of(locks)) == 100


def held(name, owner, *waiters):
    """Return a lock that is held, with waiters: each an owner, its marks, and when it came."""
    line = tuple(
        LockWaiter(rank, who, START + timedelta(seconds=since), marks)
        for rank, (who, marks, since) in enumerate(waiters)
    )
    return LockRecord(name, held=True, fencing_token=1, owner=owner, waiters=line)


def pair(first, holder, second, other):
    """Return two locks whose holders wait for each other, as their tickets say."""
    return [
        held(first, holder, (other, (mark_of(second, 1),), 0)),
        held(second, other, (holder, (mark_of(first, 1),), 0)),
    ]


@pytest.mark.parametrize("most", [1, 2, 3])
def test_no_fewer_are_named_than_there_are_and_are_asked_for(most):
    possible = [held("c", "x", ("z", None, 0)), held("d", "z", ("x", None, 0))]
    found = deadlocks_of([*pair("a", "x", "b", "y"), *possible], most)
    assert [one.certain for one in found] == [True, False][:most]


@pytest.mark.parametrize("turned", [False, True])
def test_of_several_waits_of_an_owner_for_another_the_longest_is_named(turned):
    locks = [
        held("a", "x", ("y", None, 5)),
        held("b", "y", ("x", None, 9)),
        held("c", "x", ("y", None, 2)),
    ]
    (found,) = deadlocks_of(reversed(locks) if turned else locks)
    assert found.since == START + timedelta(seconds=9)
    assert [(link.waits_for, link.since) for link in found.links] == [
        ("c", START + timedelta(seconds=2)),
        ("b", START + timedelta(seconds=9)),
    ]


@pytest.mark.parametrize("change", [{"held": False}, {"version": Ticket("t", 1, 0, "y").text}])
def test_a_lock_that_is_free_or_an_heir_s_is_in_none(change):
    one, other = pair("a", "x", "b", "y")
    assert deadlocks_of([one, replace(other, **change)]) == ()


@pytest.mark.parametrize(
    ("holder", "waiter", "told"),
    [
        ("o" * 100, "o" * 64, "o" * 100),  # a ticket has room for so much
        ("exporter", "adopter", "adopter"),
        (None, "adopter", "adopter"),
    ],
)
def test_an_owner_is_called_as_it_is_known_best(holder, waiter, told):
    one, other = pair("a", waiter, "b", "y")
    (found,) = deadlocks_of([replace(one, owner=holder), other])
    assert [link.owner for link in found.links] == [told, "y"]


@pytest.mark.parametrize("turned", [False, True])
def test_of_two_that_came_at_once_the_one_whose_ticket_says_more_is_meant(turned):
    one, other = pair("a", "x", "b", "y")
    (found,) = deadlocks_of([one, other])
    twins = [*other.waiters, replace(other.waiters[0], holds=None)]
    again = replace(other, waiters=tuple(reversed(twins) if turned else twins))
    assert confirmed(found, {"a": one, "b": again}) == found


def test_deadlocks_are_of_the_public_module():
    (found,) = deadlocks_of(pair("a", "x", "b", "y"))
    for told in (found, found.links[0]):
        assert type(told).__module__ == "interlock.locks"


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
