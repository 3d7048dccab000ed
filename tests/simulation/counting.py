"""Processes that use one counter at once, and what must hold of it at every step."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from interlock._protocol.counters import adding, configuring, keyed, ledger, reading
from interlock._protocol.counters.bounds import Bounds
from interlock._protocol.counters.layout import Handle, bounds_of, integer, target_of
from interlock._protocol.counters.ledger import Once
from interlock._protocol.requests import Operation
from interlock._protocol.retry import RetryBudget
from interlock.errors import (
    CounterLimitExceeded,
    OutcomeUnknown,
    ServiceUnavailable,
    Throttled,
    TransactionConflict,
)
from tests.simulation.faults import Faults
from tests.simulation.linearizability import Observed
from tests.simulation.world import World

NAME = "n"
TABLE = "coordination"
NOTHING_WRITTEN = (ServiceUnavailable, Throttled, TransactionConflict)
GIVEN_UP = (OutcomeUnknown, *NOTHING_WRITTEN)


def budget(seconds: float) -> Operation[RetryBudget]:
    """Start the time of an operation."""
    budget = RetryBudget(target_of(TABLE))
    yield from budget.start(seconds)
    return budget


def used_keys(items: list[Any], name: str = NAME) -> dict[str, ledger.Entry]:
    """Return what ledgers and records hold of a counter's keys; a key may be in both, alike."""
    found: dict[str, ledger.Entry] = {}
    prefix = f"counter#{name}#once#"
    for item in items:
        pk = item["pk"]["S"]
        if pk.startswith(prefix) and "target" not in item:
            key = pk.removeprefix(prefix)
            entries = [ledger.recorded(item, Once(key, 0.0))]
        elif pk.startswith((f"counter#{name}#", f"counter#{name}")) and "#once#" not in pk:
            entries = ledger.entries(item)
            assert len(entries) == integer(item, "kept"), "entries are miscounted"
        else:
            continue
        for entry in entries:
            assert found.setdefault(entry.key, entry) == entry, f"{entry.key} is kept twice"
    return found


@dataclass
class Books:
    """What the processes were told, to be held against what is stored."""

    acknowledged: int = 0
    open: dict[object, tuple[float, int]] = field(default_factory=dict)
    """Calls without a key that have no answer, because it was lost or the caller was killed."""
    keyed: list[str] = field(default_factory=list)
    denied: list[str] = field(default_factory=list)
    """The keys of all calls, and of those of which it was reported that nothing was written."""
    results: dict[str, set[tuple[int, int | None]]] = field(default_factory=dict)
    answered: list[Observed[int]] = field(default_factory=list)


class Counting:
    """A world with one counter in it."""

    def __init__(self, seed: int, faults: Faults, bounds: Bounds, shards: int) -> None:
        self.world = World(seed, faults=faults)
        self.dice = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self.bounds, self.shards = bounds, shards
        self.books = Books()
        self._dirty = True
        start = bounds.start
        self._rooms = [(0.0, bounds.most - start, start - bounds.least)]
        self.world.store.on_change(self._changed)
        self.world.invariant(self.holds)

    def handle(self, shards: int | None = None) -> Handle:
        """Return what a process knows at first."""
        return Handle(TABLE, NAME, self.bounds, shards)

    def items(self) -> list[Any]:
        """Return the counter's items as they are stored."""
        stored = self.world.store.items(TABLE)
        return [item for item in stored if _is_of_a_counter(item["pk"]["S"])]

    def value(self) -> int:
        """Return the counter's value as it is stored."""
        return sum(integer(item, "value") for item in self.items())

    def holds(self) -> None:
        """Demand that value and escrow add up to the bounds, and that no escrow is overdrawn."""
        if not self._dirty or any(
            _is_of_a_counter(place.key[0]) for place in self.world.store.contents.held
        ):
            return  # a transaction is writing the counter's items, one by one
        self._dirty = False
        items = self.items()
        if not items:
            return
        (header,) = (item for item in items if "span" in item)
        assert len(items) == integer(header, "span"), "a shard is missing, or left over"
        bounds = bounds_of(header)
        value, up, down = (sum(integer(i, side) for i in items) for side in ("value", "up", "down"))
        assert bounds.contains(value), f"{value} is outside {bounds}"
        assert value + up == bounds.most, "escrow upwards does not add up to the ceiling"
        assert value - down == bounds.least, "escrow downwards does not add up to the floor"
        assert all(integer(i, side) >= 0 for i in items for side in ("up", "down")), "overdrawn"
        self._rooms.append((self.world.now, up, down))

    def demand_short(self, since: float, amount: int) -> None:
        """Demand that at some instant since then the counter had no room for the amount."""
        side = 1 if amount > 0 else 2
        before = [room for room in self._rooms if room[0] <= since][-1:]
        rooms = before + [room for room in self._rooms if room[0] > since]
        short = any(room[side] < abs(amount) for room in rooms)
        assert short, f"'full' was said of {amount} while it was not"

    def adder(self, amounts: list[tuple[int, str | None]], handle: Handle) -> Operation[None]:
        """Add amounts one after the other, each under a key or not, and keep the books."""
        for amount, key in amounts:
            since = self.world.now
            once = None if key is None else Once(key, 86400.0)
            call = object()
            if key is None:
                self.books.open[call] = (since, amount)
            else:
                self.books.keyed.append(key)
            try:
                time = yield from budget(20.0)
                if once is None:
                    change = yield from adding.add(handle, amount, time)
                else:
                    change = yield from keyed.add_once(handle, amount, once, time)
            except CounterLimitExceeded as full:
                self.demand_short(since, amount)
                self._given_up(call, key)
                self._observe(since, self._refused(amount, full.value))
            except OutcomeUnknown:
                pass  # it stays open
            except NOTHING_WRITTEN:
                self._given_up(call, key)
            else:
                self.books.open.pop(call, None)
                assert change.amount == amount
                if key is None:
                    self.books.acknowledged += amount
                    self._observe(since, self._added(amount, change.value))
                else:
                    told = self.books.results.setdefault(key, set())
                    told.add((change.value, change.shard))

    def reader(self, times: int) -> Operation[None]:
        """Read the value a few times."""
        handle = self.handle()
        for _ in range(times):
            since = self.world.now
            try:
                value = yield from reading.value(handle, (yield from budget(20.0)))
            except GIVEN_UP:
                continue
            self._observe(since, _read(value))

    def configurer(self, plans: list[tuple[Bounds, int]]) -> Operation[None]:
        """Give the counter one layout after the other."""
        handle = Handle(TABLE, NAME)
        for bounds, shards in plans:
            try:
                yield from configuring.configure(handle, bounds, shards, (yield from budget(30.0)))
            except (*GIVEN_UP, CounterLimitExceeded):
                continue

    def _given_up(self, call: object, key: str | None) -> None:
        self.books.open.pop(call, None)
        if key is not None:
            self.books.denied.append(key)

    def settle(self) -> None:
        """After the run, and when the last copy has arrived: all that was reported is true.

        Every acknowledged amount counts, each key once with one result, and no key counts that only
        calls have used of which it was reported that nothing was written.
        """
        self.world.drain()
        committed = used_keys(list(self.world.store.items(TABLE)))
        books = self.books
        assert set(books.results) <= set(committed), "an acknowledged key is not remembered"
        for key, told in books.results.items():
            assert told == {(committed[key].value, committed[key].shard)}, f"{key}: two results"
        denied = [key for key in books.denied if books.keyed.count(key) == 1]
        late = [key for key in denied if key in committed]
        assert not late, f"{late} counted, of which it was reported that nothing was written"
        sure = books.acknowledged + sum(entry.amount for entry in committed.values())
        rest = self.value() - self.bounds.start - sure
        low = sum(amount for _, amount in books.open.values() if amount < 0)
        high = sum(amount for _, amount in books.open.values() if amount > 0)
        assert low <= rest <= high, f"{rest} was counted beyond what was told"

    def _changed(self, _: object) -> None:
        self._dirty = True

    def history(self) -> list[Observed[int]]:
        """Return all calls, those without an answer included."""
        unanswered = (
            Observed(since, None, self._unanswered(amount))
            for since, amount in self.books.open.values()
        )
        return [*self.books.answered, *unanswered]

    def _observe(self, since: float, step: Callable[[int], list[int]]) -> None:
        self.books.answered.append(Observed(since, self.world.now, step))

    def _unanswered(self, amount: int) -> Callable[[int], list[int]]:
        return lambda n: [n + amount] if self.bounds.contains(n + amount) else []

    @staticmethod
    def _added(amount: int, value: int) -> Callable[[int], list[int]]:
        return lambda n: [value] if n + amount == value else []

    def _refused(self, amount: int, value: int) -> Callable[[int], list[int]]:
        return lambda n: [n] if n == value and not self.bounds.contains(n + amount) else []


def _is_of_a_counter(pk: str) -> bool:
    """Return whether a key is a header's or a shard's, not that of a record beside them."""
    return not {"once", "new"} & set(pk.split("#"))


def _read(value: int) -> Callable[[int], list[int]]:
    return lambda n: [n] if n == value else []
