"""Two counters to which processes do everything at once, checked against plain integers.

Increments with and without keys, transfers, resets, deletions and changes of bounds and shards: the
answers of all must be explained by one order of the calls, in which each does to integers what its
documentation promises, and which respects which call ended before which began. Calls of which it
was reported that nothing was written have no place in that order; what is stored when the last copy
has arrived is its last step.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

from interlock._protocol.counters import adding, configuring, keyed, ledger, reading, transferring
from interlock._protocol.counters.bounds import Bounds
from interlock._protocol.counters.layout import Handle, bounds_of, integer, new_items
from interlock._protocol.counters.ledger import Once
from interlock._protocol.requests import Operation
from interlock.errors import (
    CounterLimitExceeded,
    CounterNotFound,
    IdempotencyMismatch,
    OutcomeUnknown,
)
from tests.simulation import integers
from tests.simulation.counting import NOTHING_WRITTEN, TABLE, budget, used_keys
from tests.simulation.faults import CALM, Faults
from tests.simulation.integers import MADE, Call, Model, State, Step
from tests.simulation.linearizability import Observed, linearizable
from tests.simulation.world import Violation, World

NAMES = ("a", "b")
LAYOUTS = ((Bounds(), 1), (Bounds(0, 8), 1), (Bounds(0, 8), 3), (Bounds(-4, 6), 2))


@dataclass(frozen=True)
class Plan:
    """What processes do: how often each call is among those that are drawn from.

    `founded` are the layouts of which counters that are there from the start have one, `layouts`
    those of which a configuration chooses one, `spread` says how often the first counter is meant.
    """

    add: int = 5
    transfer: int = 2
    configure: int = 2
    reset: int = 1
    delete: int = 1
    get: int = 1
    keyed: float = 0.6
    amounts: tuple[int, ...] = (1, 2, 5, -1, -3)
    founded: tuple[tuple[Bounds, int], ...] = ()
    layouts: tuple[tuple[Bounds, int], ...] = LAYOUTS
    names: tuple[str, ...] = NAMES


EVERYTHING = Plan()
TIGHT = Plan(
    add=5,
    transfer=3,
    configure=0,
    reset=0,
    delete=0,
    keyed=0.6,
    amounts=(1, 1, 2, 3, -1, -2),
    founded=((Bounds(0, 3), 1), (Bounds(0, 3), 2), (Bounds(-1, 2), 3)),
    names=("a", "a", "b"),
)
FOLDING = Plan(
    add=4,
    transfer=0,
    configure=3,
    reset=3,
    delete=0,
    founded=((Bounds(-9, 9), 3),),
    layouts=((Bounds(-9, 9), 1), (Bounds(-9, 9), 3)),
    names=("a",),
)
NARROWED = Plan(
    add=5,
    transfer=0,
    configure=4,
    reset=0,
    delete=0,
    keyed=0.3,
    amounts=(2, 2, -2),
    founded=((Bounds(0, 6), 1),),
    layouts=((Bounds(0, 2), 1), (Bounds(0, 3), 1), (Bounds(0, 6), 1)),
    names=("a",),
)
LAID_OUT = Plan(
    add=4,
    transfer=1,
    configure=4,
    reset=2,
    delete=2,
    get=2,
    founded=LAYOUTS,
    names=("a", "a", "a", "a", "b"),
)


class Registers:
    """A world with two counters and four processes."""

    def __init__(self, seed: int, faults: Faults = CALM, plan: Plan = EVERYTHING) -> None:
        self.world = World(seed, faults=faults)
        self.plan = plan
        self.dice = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self.history: list[Observed[State]] = []
        self.open: dict[object, Observed[State]] = {}
        self.world.invariant(self.holds)
        self._version = -1
        self.start = State()
        for name in NAMES if plan.founded else ():
            bounds, shards = self.dice.choice(plan.founded)
            self._found(name, bounds, shards)

    def _found(self, name: str, bounds: Bounds, shards: int) -> None:
        """Have a counter from the start, as clients have made it."""
        era = f"{shards}.{name}"
        handle = Handle(TABLE, name)
        for item in new_items(handle, bounds, shards, bounds.start, revision=1, era=era):
            self.world.store.perform("PutItem", {"TableName": TABLE, "Item": item})
        self.start = self.start.put(name, Model(bounds.start, bounds, shards))

    def run(self) -> None:
        """Let four processes make three calls each; raise `Violation` if nothing explains them.

        Ledgers are swept early, as there are few keys.
        """
        for name in "pqrs":
            self.world.process(name).start(self._program())
        kept = self.dice.choice([1, 2, 3])
        with patch.multiple(ledger, SWEPT_AT=kept, SWEPT_IN_A_CROWD_AT=kept, MOST_KEPT=kept + 1):
            self.world.run()
            self.world.drain()
        now = self.world.now
        history = [*self.history, *self.open.values()]
        step, what = self._stored()
        history.append(Observed(now, now, step, f"stored {what}"))
        if not linearizable(history, self.start):
            calls = "\n".join(
                f"{one.began:9.3f} {one.ended or 0:9.3f} {one.name}" for one in history
            )
            problem = f"no order of the calls explains the answers\n{calls}"
            raise Violation(self.world.report(problem))

    def holds(self) -> None:
        """Demand that value and escrow of each counter add up to its bounds, with no shard lost."""
        contents = self.world.store.contents
        if contents.held or contents.version == self._version:
            return
        self._version = contents.version
        for name in NAMES:
            items = self._items(name)
            if not items:
                continue
            headers = [item for item in items if "span" in item]
            assert len(headers) == 1, f"shards of {name!r} are left over"
            assert len(items) == integer(headers[0], "span"), f"{name!r} has lost a shard"
            bounds = bounds_of(headers[0])
            value, up, down = (
                sum(integer(item, side) for item in items) for side in ("value", "up", "down")
            )
            assert (value + up, value - down) == (bounds.most, bounds.least), "escrow is lost"
            assert all(integer(i, side) >= 0 for i in items for side in ("up", "down"))

    def _items(self, name: str) -> list[Any]:
        keys = (f"counter#{name}", f"counter#{name}#")
        stored = self.world.store.items(TABLE)
        return [
            item
            for item in stored
            if not {"once", "new"} & set((pk := item["pk"]["S"]).split("#"))
            and (pk == keys[0] or pk.startswith(keys[1]))
        ]

    def _program(self) -> Operation[None]:
        handles = {name: Handle(TABLE, name) for name in NAMES}
        plan = self.plan
        calls = (
            [self._add] * plan.add
            + [self._transfer] * plan.transfer
            + [self._configure] * plan.configure
            + [self._reset] * plan.reset
            + [self._delete] * plan.delete
            + [self._get] * plan.get
        )
        for _ in range(3):
            yield from self.dice.choice(calls)(handles)

    def _call(
        self,
        what: str,
        operation: Callable[[Any], Operation[Any]],
        answered: Callable[[Any], Step],
        unanswered: Step,
        *,
        makes: str = "",
    ) -> Operation[None]:
        """Make a call, and keep what its answer says of the state.

        On its way it may make the counter that it names, empty.
        """
        began, mark = self.world.now, object()
        self.open[mark] = Observed(began, None, unanswered, f"{what} ?")

        # Once more, if it is deleted meanwhile.
        making = [(mark, time) for time in range(2)] if makes else []
        for one in making:
            self.open[one] = Observed(began, None, integers.made(makes), f"{makes} made ?")
        try:
            result = yield from operation((yield from budget(15.0)))
        except OutcomeUnknown:
            return  # it stays open
        except NOTHING_WRITTEN:
            result = None
        except (CounterLimitExceeded, CounterNotFound, IdempotencyMismatch) as error:
            result = error
        del self.open[mark]
        for one in making:
            del self.open[one]
            step = integers.made(makes)
            self.history.append(Observed(began, self.world.now, step, f"{makes} made"))
        if result is None:
            return
        seen = Observed(began, self.world.now, answered(result), f"{what} {result!r}")
        self.history.append(seen)

    def _add(self, handles: dict[str, Handle]) -> Operation[None]:
        dice = self.dice
        name, amount = dice.choice(self.plan.names), dice.choice(self.plan.amounts)
        call = Call(name, amount, self._key())

        def operation(time: Any) -> Operation[Any]:
            if call.key is None:
                return adding.add(handles[name], amount, time)
            return keyed.add_once(handles[name], amount, Once(call.key, 86400.0), time)

        def answered(result: Any) -> Step:
            if isinstance(result, CounterLimitExceeded):
                return integers.refused(call, result)
            if isinstance(result, IdempotencyMismatch):
                return integers.mismatched(call)
            return integers.changed(call, ((result.value, result.shard),))

        what, unanswered = f"{name} {amount:+} {call.key or ''}", integers.changed(call, None)
        makes = name if call.key else ""
        yield from self._call(what, operation, answered, unanswered, makes=makes)

    def _transfer(self, handles: dict[str, Handle]) -> Operation[None]:
        source, target = self.dice.sample(NAMES, 2)
        amount = self.dice.choice([1, 2, 4])
        call = Call(source, amount, self._key(), target)
        once = Once(call.key, 86400.0) if call.key else None

        def operation(time: Any) -> Operation[Any]:
            return transferring.transfer(handles[source], handles[target], amount, once, time)

        def answered(result: Any) -> Step:
            if isinstance(result, CounterNotFound):
                return lambda state: [state] if state.of(result.name) is None else []
            if isinstance(result, CounterLimitExceeded):
                return integers.refused(call, result)
            if isinstance(result, IdempotencyMismatch):
                return integers.mismatched(call)
            sides = (result.source, result.target)
            return integers.changed(call, tuple((side.value, side.shard) for side in sides))

        what = f"{source} to {target} {amount} {call.key or ''}"
        yield from self._call(what, operation, answered, integers.changed(call, None))

    def _key(self) -> str | None:
        drawn = f"k{self.dice.randrange(3)}"
        return drawn if self.dice.random() < self.plan.keyed else None

    def _configure(self, handles: dict[str, Handle]) -> Operation[None]:
        name = self.dice.choice(self.plan.names)
        bounds, shards = self.dice.choice(self.plan.layouts)
        yield from self._call(
            f"configure {name} {bounds.floor} {bounds.ceiling} {shards}",
            lambda time: configuring.configure(handles[name], bounds, shards, time),
            lambda result: integers.configured(name, bounds, shards, result),
            integers.configured(name, bounds, shards, None),
        )

    def _reset(self, handles: dict[str, Handle]) -> Operation[None]:
        name, to = self.dice.choice(self.plan.names), self.dice.choice([0, 3])

        def take(state: State) -> list[State]:
            model = state.of(name) or MADE
            return [state.put(name, replace(model, value=to))]

        yield from self._call(
            f"reset {name} {to}",
            lambda time: configuring.reset(handles[name], to, time),
            lambda _: take,
            take,
        )

    def _delete(self, handles: dict[str, Handle]) -> Operation[None]:
        name = self.dice.choice(self.plan.names)

        def answered(was: Any) -> Step:
            return lambda state: (
                [state.put(name, None)] if was is (state.of(name) is not None) else []
            )

        yield from self._call(
            f"delete {name}",
            lambda time: configuring.delete(handles[name], time),
            answered,
            lambda state: [state.put(name, None)],
        )

    def _get(self, handles: dict[str, Handle]) -> Operation[None]:
        name = self.dice.choice(self.plan.names)

        def answered(read: Any) -> Step:
            return lambda state: [state] if read == (state.of(name) or MADE).value else []

        yield from self._call(
            f"get {name}",
            lambda time: reading.value(handles[name], time),
            answered,
            lambda state: [state],
        )

    def _stored(self) -> tuple[Step, str]:
        stored: dict[str, Model | None] = {}
        for name in NAMES:
            items = self._items(name)
            header = next((item for item in items if "span" in item), None)
            stored[name] = header and Model(
                sum(integer(item, "value") for item in items),
                bounds_of(header),
                integer(header, "shards"),
            )
        everything = list(self.world.store.items(TABLE))
        kept = {(name, key) for name in NAMES for key in used_keys(everything, name)}
        kept |= {
            tuple(item["pk"]["S"].removeprefix("counter#").split("#once#"))
            for item in everything
            if "#once#" in item["pk"]["S"]
        }

        def step(state: State) -> list[State]:
            same = state.a == stored["a"] and state.b == stored["b"]
            return (
                [state]
                if same and kept == {(done.name, done.key) for done, _ in state.keys}
                else []
            )

        return step, f"{stored}, keys {sorted(kept)}"
