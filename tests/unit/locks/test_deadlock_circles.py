"""Deadlocks among records: all circles of holders that wait, once each, and no others."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock._protocol.locks.deadlock import confirmed, deadlocks_of
from interlock._protocol.locks.state import LockRecord, LockWaiter
from interlock._protocol.locks.ticket import Ticket, mark_of

EVERY = 10_000
START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LOCKS, OWNERS = "abcd", "xyz"


def ring(deadlock):
    owners = [link.owner for link in deadlock.links]
    first = owners.index(min(owners))
    return tuple(owners[first:] + owners[:first])


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
