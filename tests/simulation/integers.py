"""What the calls of counters do to integers: the model that `registers` compares with."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from interlock._protocol.counters.bounds import Bounds
from interlock.errors import CounterLimitExceeded


@dataclass(frozen=True)
class Model:
    """A counter as integers. A counter that is not there is None."""

    value: int
    bounds: Bounds
    shards: int


MADE = Model(0, Bounds(), 1)
Told: TypeAlias = tuple[int, int | None]
"""A value that a change has returned, and the number of its shard."""


@dataclass(frozen=True)
class Call:
    """An increment, or a transfer to `target`; `key` None: without one."""

    name: str
    amount: int
    key: str | None = None
    target: str | None = None


@dataclass(frozen=True)
class State:
    """Both counters, and the keys that have been used: for which call, with which result."""

    a: Model | None = None
    b: Model | None = None
    keys: frozenset[tuple[Call, tuple[Told, ...] | None]] = frozenset()

    def of(self, name: str) -> Model | None:
        """Return a counter."""
        return self.a if name == "a" else self.b

    def put(self, name: str, model: Model | None) -> "State":
        """Return the state with a counter changed."""
        return replace(self, a=model) if name == "a" else replace(self, b=model)

    def used(self, call: Call) -> tuple[Call, tuple[Told, ...] | None] | None:
        """Return the call that has used the same key, and its result if that is known."""
        same = (one for one in self.keys if (one[0].name, one[0].key) == (call.name, call.key))
        return next(same, None) if call.key else None


Step: TypeAlias = Callable[[State], Sequence[State]]


def changed(call: Call, told: tuple[Told, ...] | None) -> Step:
    """Return the step of a change that returned these values; None: it did not return."""

    def step(state: State) -> list[State]:
        used = state.used(call)
        if used is not None:
            same = used[0] == call and (told is None or used[1] in (None, told))
            return [state] if same else []
        after = _applied(state, call, told or ())
        if after is None:
            return []
        if call.key:
            after = replace(after, keys=after.keys | {(call, told)})
        return [after]

    return step


def refused(call: Call, error: CounterLimitExceeded) -> Step:
    """Return the step of a change that was refused for want of room.

    A transfer may find that before it finds that an increment has used its key.
    """
    name = error.name or call.name
    amount = -call.amount if call.target and name == call.name else call.amount

    def step(state: State) -> list[State]:
        model = state.of(name) or MADE
        bounds = model.bounds
        told = (error.value, error.floor, error.ceiling)
        is_so = told == (model.value, bounds.floor, bounds.ceiling)
        no_room = not bounds.contains(model.value + amount)
        used = state.used(call)
        unused = used is None or (call.target is not None and used[0] != call)
        return [state] if is_so and no_room and unused else []

    return step


def mismatched(call: Call) -> Step:
    """Return the step of a call whose key another one has used."""

    def step(state: State) -> list[State]:
        used = state.used(call)
        return [state] if used is not None and used[0] != call else []

    return step


def configured(name: str, bounds: Bounds, shards: int, result: Any) -> Step:
    """Return the step of `configure` that returned whether it made the counter, or was refused."""

    def step(state: State) -> list[State]:
        model = state.of(name)
        if isinstance(result, CounterLimitExceeded):
            outside = model and model.value == result.value and not bounds.contains(model.value)
            return [state] if outside else []
        if model is None:
            made = Model(bounds.start, bounds, shards)
            return [state.put(name, made)] if result in (None, True) else []
        if result is True or not bounds.contains(model.value):
            return []
        return [state.put(name, Model(model.value, bounds, shards))]

    return step


def made(name: str) -> Step:
    """Return the step of a call that may make an empty counter on its way."""

    def step(state: State) -> list[State]:
        return [state] if state.of(name) else [state, state.put(name, MADE)]

    return step


def _applied(state: State, call: Call, told: tuple[Told, ...]) -> State | None:
    """Return the state with a change made; None if that, or what was told of it, cannot be."""
    legs = [(call.name, call.amount)]
    if call.target:
        legs = [(call.name, -call.amount), (call.target, call.amount)]
        if None in (state.a, state.b):
            return None
    for index, (name, amount) in enumerate(legs):
        model = state.of(name) or MADE
        value = model.value + amount
        if not model.bounds.contains(value):
            return None
        # With several shards, only a shard's value is told.
        if told and told[index][1] is None and told[index][0] != value:
            return None
        state = state.put(name, replace(model, value=value))
    return state
