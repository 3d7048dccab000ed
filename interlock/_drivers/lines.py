"""The lines in which the waiters of one client stand: one for each lock.

The first of a line asks the store, as one waiter would; the others wait for it. Who gives the lock
back calls the first of its own line, so that it need not find out by looking; but only for a while,
as the waiters of other processes find out by looking.
"""

import threading
from collections.abc import Callable
from typing import Any
from weakref import ref

_POLLS = 10  # that a lock is handed on within one client for at most, while others may wait


class Ticket:
    """A waiter's place. `called`: it may go on; `alone`: it waits for no other place."""

    __slots__ = ("__weakref__", "alone", "called", "wake")

    def __init__(self, wake: Callable[[], None]) -> None:
        self.wake = wake
        self.alone = False
        self.called = False

    def call(self) -> None:
        """Have the waiter go on."""
        self.called = True
        self.wake()


class Lines:
    """The lines of one client, and which of its locks it holds. Times on the client's clock.

    Places are weak: a waiter that was interrupted before it could leave its place holds up none.
    """

    def __init__(self, poll: float) -> None:
        self.poll = poll
        self._mutex = threading.Lock()
        self._lines: dict[str, list[ref[Ticket]]] = {}
        self._held: dict[str, Any] = {}
        self._since: dict[str, float] = {}  # when the client got a lock that it hands on

    def enter(self, name: str, ticket: Ticket) -> None:
        """Stand at the end of a line."""
        with self._mutex:
            self._lines.setdefault(name, []).append(ref(ticket))

    def is_first(self, name: str, ticket: Ticket) -> bool:
        """Return whether a waiter is to ask the store."""
        return ticket.alone or self._first(name) is ticket

    def leave(self, name: str, ticket: Ticket) -> None:
        """Give a place up, and call who is first then."""
        with self._mutex:
            line = [place for place in self._lines.get(name, []) if place() not in (None, ticket)]
            if line:
                self._lines[name] = line
            else:
                self._lines.pop(name, None)
                if name not in self._held:
                    self._since.pop(name, None)
        first = self._first(name)
        if first is not None:
            first.call()

    def disperse(self, name: str) -> None:
        """Have all of a line ask for themselves: the store does not answer the first."""
        for place in self._lines.get(name, []):
            ticket = place()
            if ticket is not None:
                ticket.alone = True
                ticket.call()

    def call_all(self) -> None:
        """Have all waiters look around."""
        for line in list(self._lines.values()):
            for place in list(line):
                ticket = place()
                if ticket is not None:
                    ticket.wake()

    def is_held(self, name: str) -> bool:
        """Return whether the client holds a lock, as far as it knows."""
        return name in self._held

    def held(self, name: str, grant: Any, now: float) -> None:
        """Note that the client holds a lock from now on."""
        self._held[name] = grant
        self._since.setdefault(name, now)

    def freed(self, name: str, grant: Any, now: float) -> None:
        """Note that a grant is over, and call the first of its line if it may be handed on."""
        if self._held.get(name) is not grant:
            return
        del self._held[name]
        first = self._first(name)
        if first is None or now - self._since.get(name, now) >= _POLLS * self.poll:
            self._since.pop(name, None)
        else:
            first.call()

    def _first(self, name: str) -> Ticket | None:
        for place in self._lines.get(name, ()):
            ticket = place()
            if ticket is not None:
                return ticket
        return None
