"""A waiter's ticket in the queue of a lock: a text, so that it can be the version of a record."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

ACCEPTANCE = 0.7  # seconds; more than the longest pause near the front, and two round trips
_MOST_OWNER = 64  # characters; every write of the record pays for them
_MOST_TIME = 253_402_300_799_999  # epoch milliseconds: the end of the year 9999
_MOST_SLEEP = 24 * 3600 * 1000
MOST_MARKS = 4  # every write of the record pays for them
_MARK = 10  # hexadecimal digits: 40 bits, of a hash that no one has a reason to forge
_APART = "."


class Ticket(NamedTuple):
    """A ticket: unique by its `identity`, with what the others have to know of its waiter.

    `since` is when it came, in epoch milliseconds by its own wall clock, for people; `sleeps` for
    how many milliseconds it may not look while it is not near the front.
    """

    identity: str
    since: int
    sleeps: int
    owner: str

    @property
    def text(self) -> str:
        """The ticket as the record has it."""
        return f"{self.identity}~{self.since}~{self.sleeps}~{name_of(self.owner)}"

    @property
    def holds(self) -> tuple[str, ...] | None:
        """The marks of the grants that its thread or task held; None if it does not say."""
        _, apart, marks = self.identity.partition(_APART)
        starts = range(0, len(marks), _MARK)
        return tuple(marks[start : start + _MARK] for start in starts) if apart else None


def name_of(owner: str) -> str:
    """Return what a ticket says of its owner."""
    return owner[:_MOST_OWNER]


def identity_of(unique: str, holds: tuple[str, ...] | None) -> str:
    """Return the identity of a ticket, which says by marks what its thread or task holds.

    Clients take an identity as it is: earlier versions do not know that it says anything.
    """
    return unique if holds is None else f"{unique}{_APART}{''.join(holds)}"


def mark_of(name: str, fence: int) -> str:
    """Return the mark of one grant of a lock."""
    import hashlib  # noqa: PLC0415 - only those need it who wait while they hold

    return hashlib.sha256(f"{fence}#{name}".encode()).hexdigest()[:_MARK]


def marks_of(grants: Iterable[tuple[str, int]]) -> tuple[str, ...]:
    """Return the marks of the last grants of these, by name and fence."""
    return tuple(mark_of(name, fence) for name, fence in list(grants)[-MOST_MARKS:])


def read(text: str | None) -> Ticket | None:
    """Return the ticket that a text is, None if it is none: the version of a holder."""
    parts = (text or "").split("~", 3)
    if len(parts) != len(Ticket._fields) or not (parts[1].isdecimal() and parts[2].isdecimal()):
        return None
    since, sleeps = int(parts[1]), int(parts[2])
    if since > _MOST_TIME or sleeps > _MOST_SLEEP:
        return None
    return Ticket(parts[0], since, sleeps, parts[3])


def acceptance(text: str) -> float:
    """Return for how many seconds at the most a lock may lie for the waiter with this ticket."""
    ticket = read(text)
    return ACCEPTANCE + (ticket.sleeps / 1000 if ticket is not None else 0.0)


def owner_of(text: str) -> str:
    """Return what the record says of the waiter with this ticket."""
    ticket = read(text)
    return (ticket.owner if ticket is not None else "") or "a waiter"


def first_of(item: Mapping[str, Any] | None) -> str | None:
    """Return the ticket that is the first of a record's queue, None if there is none; unchecked."""
    tickets = (item or {}).get("queue", {}).get("L") or [{}]
    first: str | None = tickets[0].get("S")
    return first
