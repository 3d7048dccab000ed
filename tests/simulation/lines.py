"""Clients of which several threads or tasks want one lock: they stand in line inside the process.

The library's own places run here, in their own coroutines; what a client does around them (it holds
what was granted, renews it, gives it back, and undoes what is cancelled) is said in a few lines.
"""

from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from random import Random
from typing import Any

from interlock._drivers.lines import Lines, Ticket
from interlock._protocol.locks.acquire import Acquisition
from interlock._protocol.locks.client import LockOperations
from interlock._protocol.locks.grant import Grant
from interlock._protocol.requests import Call, Operation, draw, sleep
from interlock.aio.locks._queue import Place
from interlock.errors import LockTimeout, LockWaitCancelled
from tests.simulation.awaiting import Performing, Waits
from tests.simulation.faults import CALM, Faults
from tests.simulation.locking import GIVEN_UP, SETTINGS, TABLE, Plan, User
from tests.simulation.meeting import driven
from tests.simulation.process import Process, Task
from tests.simulation.referee import Referee
from tests.simulation.world import World

WAITERS = 4
HANDS_ON = 10 * SETTINGS.poll  # for how long a client may hand a lock on while others wait
AT_ONCE = 0.2  # seconds in which what is done at once is done, by any latency
PLAN = Plan(rounds=3, timeouts=(None, None, None, 8.0), work=3.0)
# A store that does not answer: each is told when an acquisition is (after 15 s), those behind the
# first one as soon again.
AWAY = Faults(lost_request=1.0, until=300.0)
TOLD = 45.0
OF_THE_PATIENT = replace(PLAN, timeouts=(None,))


class Cancelled(Exception):
    """What a task is cancelled by."""


class Client:
    """What the waiters of one process share."""

    def __init__(self, world: "InLine", process: Process) -> None:
        self.world = world
        self.process = process
        self.operations = LockOperations(SETTINGS, lambda: process.name)
        self.lines = Lines(SETTINGS.poll)
        self.line: list[Waiter] = []  # in the order of their coming
        self.grant: Grant | None = None  # as far as it knows
        self.since: float | None = None  # when it got the lock that it hands on

    @property
    def first(self) -> "Waiter | None":
        """The one who is to ask the store."""
        for waiter in self.line:
            if waiter.ticket is not None and self.lines.is_first("l", waiter.ticket):
                return waiter
        return None

    def held(self, waiter: "Waiter", grant: Grant) -> None:
        """Note that a waiter holds the lock, and judge whether it was its turn."""
        before = [one for one in self.line[: self.line.index(waiter)] if one.is_patient]
        if self.world.calm and waiter.is_patient:
            assert not before, f"{waiter} came before {before[0]}"
        now = self.process.monotonic()
        self.lines.held("l", grant, now)
        self.grant, self.since = grant, now if self.since is None else self.since

    def freed(self, grant: Grant) -> None:
        """Note that it is held no more, and judge whether it is handed on, and for how long."""
        now, first = self.process.monotonic(), self.first
        told = first.changes.told if first else 0
        self.lines.freed("l", grant, now)
        if grant is not self.grant:
            return
        since, self.grant, self.since = self.since, None, None
        if first is None:
            return
        assert since is not None
        if first.changes.told > told:
            assert now - since < HANDS_ON, f"{first} is handed on what others wait for"
            self.since = since
            self.world.handed += 1
            self.world.asks_at_once(first)
        else:
            assert now - since >= HANDS_ON, f"{first} is first, and is not handed it on"
            self.world.ended += 1

    def left(self, waiter: "Waiter", *, was_first: bool) -> None:
        """Judge whether the next one asks when one has left the line."""
        self.line.remove(waiter)
        first = self.first
        if self.lines.is_held("l"):
            return
        if first is None:
            self.since = None
        elif was_first:
            self.world.asks_at_once(first)


@dataclass(slots=True)
class Waiter(User):
    """One thread or task of a client."""

    beside: "InLine"
    client: Client
    number: int
    changes: Waits = field(init=False)
    task: Task = field(init=False)
    ticket: Ticket | None = None  # while it waits
    is_patient: bool = False
    is_cancelled: bool = False
    asked: float = -1.0  # when it last sent a call

    def __post_init__(self) -> None:
        User.__post_init__(self)
        self.operations = self.client.operations
        self.changes = Waits(lambda: self.task)

    def __str__(self) -> str:
        return f"waiter {self.number} of {self.name}"

    def is_set(self) -> bool:
        """Whether the event is set that ends its wait, which it is itself."""
        return self.is_cancelled

    def life(self) -> Operation[None]:
        """Hold the lock as many times as planned."""
        for _ in range(self.plan.rounds):
            grant = None
            while grant is None:
                yield from sleep(self.plan.rest * (yield from draw()))
                grant = yield from self.wait()
                if grant is None and self.beside.away:
                    return
            self.referee.granted(self.name, grant)
            self.keep(grant)
            yield from self.work(grant)
            yield from self.release(grant)

    def wait(self) -> Operation[Grant | None]:
        """Stand in line for the lock; return None if it is not to be had, or no more wanted."""
        drawn = self.dice.choice(self.plan.timeouts)
        timeout = None if drawn is None else timedelta(seconds=drawn)
        acquisition = self.operations.acquire("l", timeout=timeout)
        fate = self.dice.random() + self.beside.away  # then none is cancelled
        later = self.beside.now + 10.0 * self.dice.random()
        by_event = self if fate < 0.1 else None
        lines, driver = self.client.lines, Performing(self.process)
        place = Place(lines, acquisition, driver, lambda: False, by_event)
        changes: Any = self.changes
        place._changes = changes
        place._ticket = self.ticket = ticket = Ticket(changes.notify)
        self.is_patient, self.is_cancelled = drawn is None, False
        if by_event:
            self.beside.at(later, self.set, ticket)
        elif fate < 0.2:
            self.beside.at(later, self.interrupt, ticket)
        began, grant = self.process.monotonic(), None
        self.client.line.append(self)
        try:
            yield from driven(place.run())
        except (LockTimeout, LockWaitCancelled, Cancelled, *GIVEN_UP):
            for late in acquisition.granted:
                late.close()
            self.process.start(self.undo(acquisition), name="undo", awaited=False)
            self.beside.gave_up(self, drawn, self.process.monotonic() - began)
        else:
            (grant,) = acquisition.granted
            self.client.held(self, grant)
        was_first = self.client.first is self
        place.leave()
        self.ticket = None
        self.client.left(self, was_first=was_first)
        return grant

    def beat(self, grant: Grant) -> Operation[None]:
        """Renew the lock when it is due; a loss frees it."""
        yield from User.beat(self, grant)
        if not grant.closed:
            self.client.freed(grant)

    def release(self, grant: Grant) -> Operation[None]:
        """Give the lock back."""
        grant.close()
        with suppress(*GIVEN_UP):
            if (yield from self.operations.release(grant)):
                self.referee.released(self.name, grant)
        self.client.freed(grant)

    def undo(self, acquisition: Acquisition) -> Operation[None]:
        """Give back what an acquisition was granted, or may have been."""
        with suppress(*GIVEN_UP):
            for grant in acquisition.granted:
                yield from self.operations.release(grant)
            if acquisition.leftovers:
                yield from acquisition.abandon()

    def set(self, ticket: Ticket) -> None:
        """Set the event that ends its wait, if it waits still."""
        if ticket is self.ticket:
            self.is_cancelled = True
            self.beside.ends_at_once(self)

    def interrupt(self, ticket: Ticket) -> None:
        """Cancel its task where it is, if it waits still."""
        process = self.process
        if ticket is self.ticket and process.alive and process.paused_until <= self.beside.now:
            self.task.expect()
            cancelled: Any = Cancelled()
            self.task.resume(fault=cancelled)


class Watching(Referee):
    """A referee of processes of which several tasks ask for one lock at a time."""

    def released(self, process: str, grant: Grant) -> None:
        """Note that a lock was given back; others of the process may have asked for it before."""
        super().released(process, grant)
        self._ledger(grant.name).void.clear()


class InLine(World):
    """Clients with several waiters each, for one lock."""

    def __init__(self, seed: int, faults: Faults) -> None:
        super().__init__(seed, faults=faults, within=PLAN.within)
        self.calm, self.away = faults == CALM, faults == AWAY
        self.handed = self.ended = self.given_up = 0
        self.waiters: dict[Task, Waiter] = {}
        self.referee = Watching(self, TABLE)
        plan = OF_THE_PATIENT if self.away else PLAN
        for name in "abc":
            process = self.process(name)
            self.referee.enter(process)
            client = Client(self, process)
            for number in range(WAITERS):
                dice = Random(f"{seed} {name}{number}")  # noqa: S311 - repeatable on purpose
                waiter = Waiter(self, name, plan, self.referee, dice, self, client, number)
                waiter.task = process.start(waiter.life(), name=f"waiter {number}")
                self.waiters[waiter.task] = waiter

    def send(self, task: Task, call: Call) -> None:
        """Demand that of those who wait for ever the first alone asks the store."""
        waiter = self.waiters.get(task)
        if waiter is not None and waiter.ticket is not None:
            waiter.asked = self.now
            first = waiter.client.lines.is_first("l", waiter.ticket)
            assert first or not (self.calm and waiter.is_patient), f"{waiter} asks out of its turn"
        super().send(task, call)

    def asks_at_once(self, waiter: Waiter) -> None:
        """Demand that a waiter asks the store now, if it is still there in a moment."""
        if self.calm:
            self.at(self.now + AT_ONCE, self._has_asked, waiter, waiter.ticket, self.now)

    def ends_at_once(self, waiter: Waiter) -> None:
        """Demand that a wait ends now."""
        if self.calm:
            self.at(self.now + AT_ONCE, self._has_ended, waiter, waiter.ticket)

    def gave_up(self, waiter: Waiter, timeout: float | None, waited: float) -> None:
        """Demand that one who gave up was told in time."""
        self.given_up += 1
        if self.calm and timeout is not None:
            assert waited < timeout + AT_ONCE, f"{waiter} waited {waited:.1f} s for {timeout}"
        if self.away:
            assert waited < TOLD, f"{waiter} was told after {waited:.0f} s that none answers"

    @staticmethod
    def _has_asked(waiter: Waiter, ticket: Ticket, since: float) -> None:
        waits = waiter.ticket is ticket and waiter.asked < since
        assert not waits, f"{waiter} is first, and has not asked"

    @staticmethod
    def _has_ended(waiter: Waiter, ticket: Ticket) -> None:
        assert waiter.ticket is not ticket, f"{waiter} waits, and its event is set"
