"""Every interleaving of a small world, instead of some: a depth-first search over its choices.

A choice is which of the events at hand happens next, what becomes of a request (while faults are
left in the budget), and whether a process stops for a while. A run is determined by its choices,
so the search replays a prefix and takes the next branch at its end. Two runs that reach one state
go on alike: the second is cut off there. A state is the store, what each task has learned so far
(which determines where its generator is), what is on its way, the time, and the budget left.
"""

import heapq
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from interlock._protocol.faults import Fault
from interlock._protocol.requests import Call
from interlock.testing._store.tables import Table
from tests.simulation.faults import Fate, Faults
from tests.simulation.process import Process, Task
from tests.simulation.timeline import describe
from tests.simulation.world import World

_LATENCY = 0.01


class _CutOffError(Exception):
    """This run has come to a state from where everything was tried, or to the bound."""


class _Middle:
    """The dice of a search: always in the middle. What matters is chosen, not drawn."""

    def random(self) -> float:
        return 0.5

    def randrange(self, stop: int) -> int:
        return stop // 2


@dataclass(slots=True)
class Search:
    """What a search has seen."""

    budget: int
    fates: tuple[Fate, ...]
    window: float
    most_steps: int
    pause: float
    runs: int = 0
    states: int = 0
    bounded: int = 0
    complete: bool = False
    seen: set[Any] = field(default_factory=set)
    path: list[list[int]] = field(default_factory=list)


class ChosenWorld(World):
    """A world in which a search decides."""

    def __init__(self, search: Search, tables: tuple[Table, ...]) -> None:
        super().__init__(0, faults=Faults(latency=0.0), tables=tables, within=1e9)
        self.rng = _Middle()  # type: ignore[assignment]
        self.search = search
        self.budget = search.budget
        self.position = 0
        self.learned: dict[int, int] = {}

    def choose(self, count: int) -> int:
        """Take the branch that the search is at; a new one starts with its first."""
        if count == 1:
            return 0
        path = self.search.path
        if self.position == len(path):
            path.append([0, count])
        taken = path[self.position][0]
        self.position += 1
        return taken

    def delivered(self, task: Task, reply: Any, fault: Fault | None) -> None:
        """Fold what a task learns into what it knows."""
        known = self.learned.get(id(task), 0)
        what = describe(fault) if fault else repr(reply)
        self.learned[id(task)] = hash((known, what, round(self.now, 6)))

    def _latency(self) -> float:
        return _LATENCY

    def _fate(self, call: Call) -> Fate:  # noqa: ARG002 - all calls can meet all fates
        if not self.budget or self.now >= self.faults.until:
            return Fate.FINE
        fates = (Fate.FINE, *self.search.fates)
        fate = fates[self.choose(len(fates))]
        self.budget -= fate is not Fate.FINE
        return fate

    def strike(self, process: Process) -> bool:
        """Choose whether a process stops for a while."""
        if not (self.search.pause and self.budget) or self.choose(2) == 0:
            return False
        self.budget -= 1
        process.pause(self.search.pause)
        return True

    def _next(self) -> tuple[float, int, Callable[..., None], tuple[Any, ...]] | None:
        if not self._agenda:
            return None
        search = self.search
        if self.steps >= search.most_steps:
            search.bounded += 1
            raise _CutOffError
        if self.position == len(search.path):
            state = self._state()
            if state in search.seen:
                raise _CutOffError
            search.seen.add(state)
            search.states += 1
        soonest = self._agenda[0][0]
        at_hand = sorted(event for event in self._agenda if event[0] <= soonest + search.window)
        event = at_hand[self.choose(len(at_hand))]
        self._agenda.remove(event)
        heapq.heapify(self._agenda)
        return (max(event[0], self.now), *event[1:])

    def _state(self) -> Any:
        contents = self.store.contents
        coming = sorted(
            (round(due, 6), action.__name__, _name(action), _told(args))
            for due, _, action, args in self._agenda
        )
        return hash(
            (
                repr(sorted(contents.items.items())),
                repr(sorted(contents.held)),
                tuple(self.learned.get(id(t), 0) for p in self.processes for t in p.tasks),
                tuple(process.paused_until for process in self.processes),
                repr(coming),
                round(self.now, 6),
                self.budget,
            )
        )


def _name(action: Callable[..., None]) -> str:
    owner = getattr(action, "__self__", None)
    return f"{owner.process.name}/{owner.name}" if isinstance(owner, Task) else ""


def _told(args: tuple[Any, ...]) -> str:
    return repr([f"{a.process.name}/{a.name}" if isinstance(a, Task) else _plain(a) for a in args])


def _plain(argument: Any) -> str:
    """Return what an argument says, without addresses: what differs only in those is alike."""
    if isinstance(argument, Fault):
        return describe(argument)
    return "a commit" if callable(argument) else repr(argument)


def search_all(
    build: Callable[[World], object],
    *,
    tables: tuple[Table, ...] = (),
    faults: int = 0,
    fates: tuple[Fate, ...] = (Fate.LOST_REQUEST, Fate.LOST_REPLY),
    pause: float = 0.0,
    window: float = 0.05,
    most_steps: int = 60,
    most_runs: int = 1_000_000,
) -> Search:
    """Run every world that `build` can become, with up to `faults` faults in each.

    A fault is one of `fates` for a request, or a `pause` of that many seconds for a process.
    Events not more than `window` seconds apart may happen in either order. A run ends after
    `most_steps` steps. Raises `Violation` for the first run in which an invariant breaks;
    `complete` says whether nothing was left when `most_runs` were done.
    """
    search = Search(faults, fates, window, most_steps, pause)
    while search.runs < most_runs:
        search.runs += 1
        world = ChosenWorld(search, tables)
        build(world)
        with suppress(_CutOffError):
            world.run()
        while search.path and search.path[-1][0] + 1 == search.path[-1][1]:
            search.path.pop()
        if not search.path:
            search.complete = True
            return search
        search.path[-1][0] += 1
    return search
