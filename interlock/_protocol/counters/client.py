"""The sans-I/O half of a counter client: arguments checked, operations made."""

from datetime import timedelta
from enum import Enum
from typing import Final, Literal

from interlock._protocol.counters import (
    adding,
    configuring,
    keyed,
    listing,
    reading,
    transferring,
)
from interlock._protocol.counters.bounds import (
    MAX_KEY_BYTES,
    MAX_NAME_BYTES,
    Bounds,
    checked_integer,
    checked_name,
)
from interlock._protocol.counters.layout import MAX_SHARDS, Handle, target_of
from interlock._protocol.counters.ledger import CounterChange, Once
from interlock._protocol.counters.reading import CounterState
from interlock._protocol.counters.transferring import Transfer
from interlock._protocol.durations import seconds
from interlock._protocol.kinds import (
    checked_instance,
    checked_key,
    checked_table,
    optional_text,
    shown,
)
from interlock._protocol.requests import Operation
from interlock._protocol.retry import RetryBudget
from interlock.errors import InvalidValue

REMEMBERED = timedelta(days=1)
TIMEOUT = timedelta(seconds=5)
MAX_HANDLES = 10_000
MAX_PAGE = 1000
MAX_STATES = 100  # what one BatchGetItem takes


class Keep(Enum):
    """Stands for "as it is" where None means "no bound"."""

    KEEP = "keep"


KEEP: Final = Keep.KEEP
Unchanged = Literal[Keep.KEEP]


class CounterOperations:
    """A client's settings, and what it has learned of counters."""

    def __init__(self, table: str, timeout: timedelta, remembered: timedelta) -> None:
        self.table = checked_table(table)
        self.timeout = seconds("timeout", timeout, positive=True)
        self.remembered = seconds("remember_keys_for", remembered, positive=True)
        self._handles: dict[tuple[str, Bounds, int | None], Handle] = {}

    def handle(
        self, name: str, floor: int | None, ceiling: int | None, shards: int | None
    ) -> Handle:
        """Return what is known of a counter under this declaration."""
        bounds = Bounds(floor, ceiling)
        name = checked_name(name)  # in its one spelling
        key = (name, bounds, checked_shards(shards) if shards is not None else None)
        if len(self._handles) > MAX_HANDLES:
            self._handles.clear()
        return self._handles.setdefault(key, Handle(self.table, name, bounds, shards))

    def once(self, key: str | None) -> Once | None:
        """Return what an idempotency key asks for."""
        return None if key is None else Once(checked_key(key, MAX_KEY_BYTES), self.remembered)

    def budget(self, within: float | None = None) -> Operation[RetryBudget]:
        """Start an operation's time: the client's, or so many seconds if they are less."""
        budget = RetryBudget(target_of(self.table))
        yield from budget.start(self.timeout if within is None else min(self.timeout, within))
        return budget

    def add(
        self,
        handle: Handle,
        amount: int,
        key: str | None,
        expected: CounterState | None = None,
        *,
        within: float | None = None,
    ) -> Operation[CounterChange]:
        """Add a signed amount."""
        once = self.once(key)
        checked_state(expected)

        def operation() -> "Operation[CounterChange]":  # else subscripted anew at each call
            budget = yield from self.budget(within)
            if once is not None:
                change = keyed.add_once(handle, amount, once, budget, expected)
            elif expected is not None:
                change = adding.add_expecting(handle, amount, budget, expected)
            else:
                change = adding.add(handle, amount, budget)
            return (yield from reading.examined(change, budget, handle))

        return operation()

    def get(
        self,
        handle: Handle,
        *,
        consistent: bool,
        within: float | None = None,
        as_declared: bool = False,
    ) -> Operation[int]:
        """Read the value; with `as_declared`, that of no counter which was made otherwise."""
        budget = yield from self.budget(within)
        if not consistent:
            return (yield from reading.estimate(handle, budget))
        return (yield from reading.value(handle, budget, as_declared=as_declared))

    def inspect(self, handle: Handle) -> Operation[CounterState | None]:
        """Read value and configuration."""
        return (yield from reading.state(handle, (yield from self.budget())))

    def create(self, handle: Handle) -> Operation[bool]:
        """Make the counter as it was declared."""
        return (yield from configuring.create(handle, (yield from self.budget())))

    def configure(
        self,
        handle: Handle,
        floor: int | Unchanged | None,
        ceiling: int | Unchanged | None,
        shards: int | Unchanged,
        expected: CounterState | None = None,
    ) -> Operation[bool]:
        """Make or change the counter."""
        for path, limit in (("floor", floor), ("ceiling", ceiling)):
            if limit is not None and not isinstance(limit, Keep):
                checked_integer(limit, path)
        if not isinstance(shards, Keep):
            checked_shards(shards)
        checked_state(expected)

        def operation() -> "Operation[bool]":
            budget = yield from self.budget()
            kept = None
            if KEEP in (floor, ceiling, shards):
                kept = yield from reading.state(handle, budget)
            declared = handle.bounds
            old = Bounds(kept.floor, kept.ceiling) if kept else declared
            bounds = Bounds(
                old.floor if isinstance(floor, Keep) else floor,
                old.ceiling if isinstance(ceiling, Keep) else ceiling,
            )
            count = kept.shards if kept else handle.declared_shards or 1
            change = configuring.configure(
                handle, bounds, count if isinstance(shards, Keep) else shards, budget, expected
            )
            return (yield from reading.examined(change, budget, handle))

        return operation()

    def reset(
        self, handle: Handle, to: int | None, expected: CounterState | None = None
    ) -> Operation[int]:
        """Set the value."""
        if to is not None:
            checked_integer(to, "to")
        checked_state(expected)
        return (yield from configuring.reset(handle, to, (yield from self.budget()), expected))

    def delete(self, handle: Handle, expected: CounterState | None = None) -> Operation[bool]:
        """Delete the counter."""
        checked_state(expected)
        return (yield from configuring.delete(handle, (yield from self.budget()), expected))

    def transfer(
        self, source: str, target: str, amount: int, key: str | None
    ) -> Operation[Transfer]:
        """Move an amount between counters."""
        taken, given = (self.handle(name, None, None, None) for name in (source, target))
        checked_amount(amount)
        once, budget = self.once(key), (yield from self.budget())
        moved = transferring.transfer(taken, given, amount, once, budget)
        return (yield from reading.examined(moved, budget, taken, given))

    def page(
        self, prefix: str, limit: int, after: str | None
    ) -> Operation[tuple[list[str], str | None]]:
        """List names."""
        checked_page(prefix, limit, after, MAX_PAGE)
        budget = yield from self.budget()
        return (yield from listing.page(self.table, prefix, limit, after, budget))

    def states(
        self, prefix: str, limit: int, after: str | None
    ) -> Operation[tuple[list[CounterState], str | None]]:
        """List counters with their values."""
        checked_page(prefix, limit, after, MAX_STATES)
        budget = yield from self.budget()
        return (yield from listing.states(self.table, prefix, limit, after, budget))


def checked_amount(amount: int) -> int:
    """Return an amount that can be added or taken away, or raise `InvalidValue`."""
    return checked_integer(amount, "amount", least=1)


def checked_page(prefix: str, limit: int, after: str | None, most: int) -> None:
    """Raise `InvalidValue` for what asks for no page."""
    if not isinstance(prefix, str):
        raise InvalidValue("prefix", f"{shown(prefix)} is not a string")
    checked_integer(limit, "limit", least=1, most=most)
    if len((optional_text("after", after) or "").encode()) > MAX_NAME_BYTES:
        why = f"{shown(after)} exceeds {MAX_NAME_BYTES} bytes, as no counter's name does"
        raise InvalidValue("after", why)


def checked_state(expected: CounterState | None) -> None:
    """Raise `InvalidValue` for what is no state of a counter."""
    if expected is not None:
        checked_instance("expected", expected, CounterState, "what Counter.inspect() returned")


def checked_shards(shards: int) -> int:
    """Return a number of shards, or raise `InvalidValue`."""
    return checked_integer(shards, "shards", least=1, most=MAX_SHARDS)
