"""Name the deadlocks among locks, by what their records say of holders and waiters.

A waiter in the queue of a lock waits for its holder alone: those before it in the queue wait for
the same holder, so they close no circle that the holder does not. A circle is one of locks, of
which the holder of each waits for the next.

Who holds a lock and who waits for another are the same *for certain* if the waiter's ticket has the
mark of the grant: then the thread or task that waits took it, through the same client, and had not
given it back when it came. Without the mark they may be the same, if the owners are called the
same: a client may have many threads, several clients may share a name, a lock may have been handed
to another thread, and a task does not take what its parent took. Tickets of earlier versions have
no marks, and a ticket has room for four.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from interlock._dataclasses import dataclass
from interlock._protocol.locks.cycles import cycles
from interlock._protocol.locks.state import LockRecord, LockWaiter
from interlock._protocol.locks.ticket import mark_of, name_of, read

MOST_DEADLOCKS = 100

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class DeadlockLink:
    """A holder that waits: `owner` holds one lock, and waits for the next one of the deadlock.

    `holds` is the lock that it has by the grant with `fencing_token`, since `held_since` and with
    `data`, as it stored them; `waits_for` the lock in whose queue it stands since `since`. Times
    are by the holder's own wall clock.

    `certain`: the thread or task that waits took the grant itself, through the same client, as its
    ticket says, and the lease is not over by the reader's wall clock. Otherwise another thread, or
    process, of the same owner may be the one that waits, and the holder go on; or the holder is
    gone, and the lock will be taken over.
    """

    owner: str
    holds: str
    fencing_token: int
    held_since: datetime | None
    data: Any
    waits_for: str
    since: datetime
    certain: bool


@dataclass(frozen=True, slots=True)
class Deadlock:
    """Holders of locks that wait for each other: that of each link waits for the next one's lock.

    The last one waits for the lock of the first, whose name is the least. None of them goes on
    until a lock is broken (`LockClient.break_lock`) or given back, or a waiter gives up, as it does
    at the end of its `timeout`.

    `certain`: all of its links are. It does not say that no waiter has a `timeout`, that no other
    thread will give one of the locks back, or that no process has died within its lease. One that
    is not certain is possible: by their names these owners hold what the others wait for, and
    whether the same threads do both is not known.
    """

    links: tuple[DeadlockLink, ...]
    certain: bool

    @property
    def since(self) -> datetime:
        """The time at which the last of its waiters came, by that one's own wall clock."""
        return max(link.since for link in self.links)


class _Wait(NamedTuple):
    """A waiter, and the lock that it waits for."""

    waiter: LockWaiter
    held: LockRecord


def deadlocks_of(records: Iterable[LockRecord], most: int = MOST_DEADLOCKS) -> tuple[Deadlock, ...]:
    """Return up to `most` deadlocks among locks: first the certain ones, then the possible ones.

    Those by marks are all circles of locks. The others are circles of two or more owners, each
    owner once: of several waits of an owner for another the longest is told, and no circle is that
    has the owners of one by marks. An owner that waits for what it holds itself is none: threads of
    one client that take turns look just so. Nor is a lock in any that was granted to an heir which
    has not accepted it: it changes hands.

    In the order of their locks' names. The work is O((locks + waiters) * most).
    """
    contended = {
        record.name: record
        for record in records
        if record.held and record.waiters and read(record.version) is None
    }
    marked = _by_marks(contended, most)
    rings = {_ring(circle) for circle in marked}
    others = _by_owners(contended, most + len(rings))
    told = [*marked, *(circle for circle in others if _ring(circle) not in rings)]
    return tuple(sorted(map(_named, told), key=order)[:most])


def confirmed(seen: Deadlock, again: Mapping[str, LockRecord]) -> Deadlock | None:
    """Return a deadlock as its locks' records show it that were read again, None if it is gone.

    A ticket is in a queue once, and a fence rises with each grant. So what both readings show was
    there all the time between them; if the second one began when the first had ended, all of it was
    there at that moment together.
    """
    fences = {link.holds: link.fencing_token for link in seen.links}
    circle = []
    for link in seen.links:
        held = again.get(link.waits_for)
        if held is None or not held.held or held.fencing_token != fences[held.name]:
            return None
        came = link.since, name_of(link.owner)
        same = [one for one in held.waiters if (one.since, one.owner) == came]
        if not same:
            return None
        # Of two that came in one millisecond, that which shows more.
        mark = mark_of(link.holds, link.fencing_token)
        circle.append(_Wait(max(same, key=lambda one: mark in (one.holds or ())), held))
    return _named(circle)


def _by_marks(contended: Mapping[str, LockRecord], most: int) -> list[list[_Wait]]:
    marked = {mark_of(one.name, one.fencing_token): one.name for one in contended.values()}
    waits: dict[str, dict[str, _Wait]] = {name: {} for name in contended}
    for held in contended.values():
        for waiter in held.waiters:
            for mark in waiter.holds or ():
                if mark in marked:
                    waits[marked[mark]].setdefault(held.name, _Wait(waiter, held))
    return _circles(waits, most)


def _by_owners(contended: Mapping[str, LockRecord], most: int) -> list[list[_Wait]]:
    """Return the circles of owners, by the longest wait of each for each other."""
    waits: dict[str, dict[str, _Wait]] = {}
    for held in contended.values():
        holder = name_of(held.owner or "")
        for waiter in held.waiters:
            if holder and waiter.owner:
                wait, longest = _Wait(waiter, held), waits.setdefault(waiter.owner, {})
                longest[holder] = min(wait, longest.get(holder, wait), key=_since)
    return _circles(waits, most)


def _circles(waits: Mapping[str, Mapping[str, _Wait]], most: int) -> list[list[_Wait]]:
    return [
        [waits[one][after] for one, after in zip(nodes, (*nodes[1:], nodes[0]), strict=True)]
        for nodes in cycles(waits, most)
    ]


def _ring(circle: list[_Wait]) -> tuple[str, ...]:
    """Return the owners of a circle, from the one with the least name on."""
    return _turned([wait.waiter.owner for wait in circle], str)


def _named(circle: list[_Wait]) -> Deadlock:
    before = [circle[-1], *circle[:-1]]
    links = [
        _link(held, waiter, after.name)
        for (_, held), (waiter, after) in zip(before, circle, strict=True)
    ]
    return Deadlock(_turned(links, _lock), all(link.certain for link in links))


def _link(held: LockRecord, waiter: LockWaiter, waits_for: str) -> DeadlockLink:
    took = mark_of(held.name, held.fencing_token) in (waiter.holds or ())
    whole = held.owner if held.owner and name_of(held.owner) == waiter.owner else waiter.owner
    return DeadlockLink(
        whole,
        held.name,
        held.fencing_token,
        held.since,
        held.data,
        waits_for,
        waiter.since,
        took and not held.expired,
    )


def _turned(circle: Sequence[T], key: Callable[[T], str]) -> tuple[T, ...]:
    """Return a circle from its least member on."""
    first = min(range(len(circle)), key=lambda place: key(circle[place]))
    return (*circle[first:], *circle[:first])


def _since(wait: _Wait) -> tuple[datetime, int, str]:
    return (wait.waiter.since, wait.waiter.rank, wait.held.name)


def _lock(link: DeadlockLink) -> str:
    return link.holds


def order(deadlock: Deadlock) -> tuple[bool, tuple[str, ...]]:
    return not deadlock.certain, tuple(map(_lock, deadlock.links))


Deadlock.__module__ = "interlock.locks"
DeadlockLink.__module__ = "interlock.locks"
