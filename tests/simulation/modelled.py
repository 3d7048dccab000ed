"""Transactions against a dictionary: whatever sequence is run, both hold the same items after it.

The machine is the same for every store; `tests/contract` runs it on a real engine.
"""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from boto3.dynamodb.conditions import Attr, ConditionBase
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from interlock._protocol.values import to_attribute
from interlock.errors import ConditionFailed, IdempotencyMismatch
from interlock.transactions import Transaction, TransactionClient

FLAT, SORTED = "accounts", "events"
Place = tuple[str, str, int]
Model = dict[Place, dict[str, Any]]

NUMBERS, SETS = ["n", "count"], ["tags", "set"]
OTHERS = ["name", "data.x", "#odd", ":odd", "with space", "größe"]  # reserved, or unfit for a name


@dataclass(frozen=True)
class Step:
    """One call of a transaction; which fields count depends on `kind`."""

    kind: str
    place: Place
    values: dict[str, Any]
    add: dict[str, Any]
    remove: frozenset[str]


@dataclass(frozen=True)
class Demand:
    """A condition in boto3's words and in Python's."""

    text: str
    condition: ConditionBase
    holds: Callable[[dict[str, Any] | None], bool]

    def __repr__(self) -> str:
        return self.text


DEMANDS = [
    Demand("exists", Attr("pk").exists(), lambda item: item is not None),
    Demand("absent", Attr("pk").not_exists(), lambda item: item is None),
    Demand("n >= 3", Attr("n").gte(3), lambda item: (item or {}).get("n", -1) >= 3),
    Demand(
        "no name, or count < 2",
        Attr("name").not_exists() | Attr("count").lt(2),
        lambda item: "name" not in (item or {}) or (item or {}).get("count", 9) < 2,
    ),
]

places = st.one_of(
    st.tuples(st.just(FLAT), st.sampled_from("abc"), st.just(0)),
    st.tuples(st.just(SORTED), st.sampled_from("ab"), st.integers(-1, 1)),
)
numbers = st.integers(-5, 5) | st.decimals("-9", "9", places=3)
texts = st.sets(st.text("xyz", min_size=1, max_size=2), min_size=1, max_size=3)
anything = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=4) | st.binary(max_size=3) | texts,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.text("ab.#", min_size=1), inner, max_size=2)
    ),
    max_leaves=4,
)
items = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(NUMBERS, numbers),
        **dict.fromkeys(SETS, texts),
        **dict.fromkeys(OTHERS, anything),
    },
)
additions = st.fixed_dictionaries(
    {}, optional={**dict.fromkeys(NUMBERS, numbers), **dict.fromkeys(SETS, texts)}
)


@st.composite
def steps(draw: st.DrawFn) -> Step:
    kinds = ["get", "get_many", "count", "count", "put", "update", "update", "delete"]
    kind = draw(st.sampled_from(kinds))
    values, add, remove = draw(items), draw(additions), draw(st.sets(st.sampled_from(OTHERS)))
    add = {name: value for name, value in add.items() if name not in values}
    remove = {name for name in remove if name not in values}
    return Step(kind, draw(places), values, add, frozenset(remove))


class Machine(RuleBasedStateMachine):
    """Runs transactions on `tx` and on the model; `own` makes this run's keys its own."""

    def __init__(self, tx: TransactionClient, own: str = "") -> None:
        super().__init__()
        self.tx = tx
        self.own = own
        self.model: Model = {}
        self.kept: dict[str, tuple[Any, Any]] = {}

    @contextmanager
    def trouble(self, kind: str, rival: Callable[[], None]) -> Iterator[None]:  # noqa: ARG002 - overridden
        """Have something go wrong at the commit, where the store can be told to."""
        yield

    @rule(
        wanted=st.lists(steps(), max_size=5),
        demand=st.none() | st.tuples(places, st.sampled_from(DEMANDS)),
        trouble=st.sampled_from(["none", "none", "lost reply", "conflict", "rival"]),
        rival=st.tuples(places, items),
    )
    def transact(self, wanted, demand, trouble, rival):
        where, brought = rival

        def intrude() -> None:
            self.tx.run(lambda t: t.put(*self.at(where), brought))
            self.model[where] = brought

        def refused() -> bool:
            return demand is not None and not demand[1].holds(self.full(demand[0]))

        def body(t: Transaction) -> None:
            after = copy.deepcopy(self.model)
            for step in wanted:
                self.take(t, step, after)
            if demand is not None:
                t.check(*self.at(demand[0]), demand[1].condition)

        with self.trouble(trouble, intrude):
            failure = self.failure_of(body)
        assert refused() == (failure is not None)
        if failure is not None:
            assert (failure.table, failure.key) == self.at(demand[0])
            same(failure.item, self.full(demand[0]))
            return
        for step in wanted:
            apply(step, self.model)

    @rule(
        key=st.sampled_from(["k1", "k2", "k3"]),
        payload=st.sampled_from([None, {"a": 1}]),
        result=anything,
        step=steps(),
    )
    def transact_once(self, key, payload, result, step):
        def body(t: Transaction) -> Any:
            self.take(t, step, copy.deepcopy(self.model))
            return result

        def run() -> Any:
            return self.tx.run(body, idempotency_key=self.own + key, payload=payload)

        if key not in self.kept:
            same(run(), result)
            self.kept[key] = (payload, result)
            apply(step, self.model)
        elif self.kept[key][0] == payload:
            same(run(), self.kept[key][1])
        else:
            with pytest.raises(IdempotencyMismatch):
                run()

    @rule(wanted=st.lists(steps(), max_size=3))
    def give_up(self, wanted):
        def body(t: Transaction) -> None:
            after = copy.deepcopy(self.model)
            for step in wanted:
                self.take(t, step, after)
            raise KeyError("mine")

        with pytest.raises(KeyError, match="mine"):
            self.tx.run(body)

    @invariant()
    def holds_what_the_model_holds(self):
        flat = [(FLAT, name, 0) for name in "abc"]
        all_places = [*flat, *((SORTED, name, n) for name in "ab" for n in (-1, 0, 1))]
        found = self.tx.snapshot([self.at(place) for place in all_places])
        for place, item in zip(all_places, found, strict=True):
            same(item, self.full(place))

    def failure_of(self, body: Callable[[Transaction], None]) -> ConditionFailed | None:
        """Run a transaction; return the failure of a condition, if it ended so."""
        try:
            self.tx.run(body)
        except ConditionFailed as failure:
            return failure
        return None

    def take(self, t: Transaction, step: Step, after: Model) -> None:
        """Take a step in the transaction and in the model; compare what is read."""
        at = self.at(step.place)
        match step.kind:
            case "get":
                same(t.get(*at), self.full(step.place, after))
            case "get_many":
                others = [step.place, (FLAT, "a", 0), step.place]
                for item, place in zip(
                    t.get_many([self.at(place) for place in others]), others, strict=True
                ):
                    same(item, self.full(place, after))
            case "count":
                # Written is what was read: a stale read would not go unseen.
                read = t.get(*at) or {}
                t.update(*at, {"n": read.get("n", 0) + 1})
            case "put":
                t.put(*at, step.values)
            case "update":
                t.update(*at, step.values, add=step.add, remove=step.remove)
            case "delete":
                t.delete(*at)
        apply(step, after)

    def at(self, place: Place) -> tuple[str, dict[str, Any]]:
        """Return the table and the key of a place."""
        table, name, number = place
        key: dict[str, Any] = {"pk": self.own + name}
        return table, (key | {"sk": number} if table == SORTED else key)

    def full(self, place: Place, model: Model | None = None) -> dict[str, Any] | None:
        """Return the item that the model has at a place, key included."""
        item = (self.model if model is None else model).get(place)
        return None if item is None else self.at(place)[1] | item


def apply(step: Step, model: Model) -> None:
    """Do to the dictionary what a step does to the store."""
    match step.kind:
        case "put":
            model[step.place] = dict(step.values)
        case "count":
            item = model.setdefault(step.place, {})
            item["n"] = item.get("n", 0) + 1
        case "delete":
            model.pop(step.place, None)
        case "update":
            item = model.setdefault(step.place, {})
            for name in step.remove:
                item.pop(name, None)
            item |= step.values
            for name, value in step.add.items():
                if isinstance(value, set):
                    item[name] = item.get(name, set()) | value
                else:
                    item[name] = item.get(name, 0) + value


def same(found: Any, expected: Any) -> None:
    """Compare with types: to Python, 1 is True."""
    assert to_attribute(found) == to_attribute(expected)
