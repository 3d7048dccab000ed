"""Any sequence of calls does to counters what it does to integers in a dictionary."""

import itertools
from dataclasses import dataclass, replace

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from interlock import CounterClient
from interlock._protocol.faults import NoReply
from interlock._protocol.requests import Draw
from interlock.errors import CounterLimitExceeded, CounterNotFound, IdempotencyMismatch
from interlock.testing._store.store import Store
from interlock.testing._store.tables import Table
from tests.simulation.driver import StoreDriver

NAMES = st.sampled_from(["a", "b"])
AMOUNTS = st.integers(1, 12)
KEYS = st.sampled_from([None, None, "k1", "k2"])
BOUNDS = st.sampled_from([(None, None), (0, None), (0, 10), (-5, 5), (None, 3), (2, 2)])
SHARDS = st.integers(1, 4)
CLIENTS = st.integers(0, 1)


class Driver(StoreDriver):
    """A driver that visits the shards in turn."""

    def __init__(self, store):
        super().__init__(store)
        self.draws = itertools.cycle([0.0, 0.3, 0.6, 0.9])

    def perform(self, request):
        return next(self.draws) if isinstance(request, Draw) else super().perform(request)


@dataclass(frozen=True)
class Model:
    value: int = 0
    floor: int | None = None
    ceiling: int | None = None
    shards: int = 1

    def holds(self, value):
        below = self.floor is not None and value < self.floor
        return not below and not (self.ceiling is not None and value > self.ceiling)


class Counters(RuleBasedStateMachine):
    """Two clients on one store, so that each learns late what the other has changed.

    A model that is None is a counter that is not there. Keys belong to a counter's name, and are
    remembered beyond its deletion.
    """

    def __init__(self):
        super().__init__()
        self.driver = Driver(Store(Table("t")))
        self.clients = [CounterClient("t", client=self.driver) for _ in range(2)]
        self.models: dict[str, Model | None] = {"a": None, "b": None}
        self.keys: dict[tuple[str, str], tuple[int, int]] = {}

    def lose_the_next_reply(self):
        def lose(call):
            if call.operation == "TransactWriteItems":
                self.driver.after = lambda _: None
                raise NoReply("lost")

        self.driver.after = lose

    @rule(client=CLIENTS, name=NAMES, amount=AMOUNTS, sign=st.sampled_from([1, -1]), key=KEYS)
    def change(self, client, name, amount, sign, key):
        counter = self.clients[client].counter(name)
        call = counter.increment if sign > 0 else counter.decrement
        used = self.keys.get((name, key)) if key else None
        model = self.models[name] or Model()
        try:
            if key:
                self.lose_the_next_reply()
            done = call(amount, idempotency_key=key)
        except CounterLimitExceeded as refusal:
            assert used is None
            assert not model.holds(model.value + sign * amount)
            told = Model(refusal.value, refusal.floor, refusal.ceiling, model.shards)
            assert told == model
            return
        except IdempotencyMismatch:
            assert used is not None
            assert used[0] != sign * amount
            return
        finally:
            self.driver.after = lambda _: None
        assert done.amount == sign * amount
        if used is not None:
            assert (done.replayed, (done.amount, done.value)) == (True, used)
            return
        after = model.value + sign * amount
        assert model.holds(after)
        assert model.shards > 1 or done.value == after
        self.models[name] = replace(model, value=after)
        if key:
            self.keys[name, key] = (done.amount, done.value)

    @rule(client=CLIENTS, name=NAMES, bounds=BOUNDS, shards=SHARDS)
    def configure(self, client, name, bounds, shards):
        old = self.models[name]
        floor, ceiling = bounds
        wanted = Model(0, floor, ceiling, shards)
        start = max(0, floor) if floor is not None else 0
        start = min(start, ceiling) if ceiling is not None else start
        try:
            made = (
                self.clients[client]
                .counter(name)
                .configure(floor=floor, ceiling=ceiling, shards=shards)
            )
        except CounterLimitExceeded:
            assert old is not None
            assert not wanted.holds(old.value)
            return
        assert made == (old is None)
        self.models[name] = replace(wanted, value=start if old is None else old.value)

    @rule(client=CLIENTS, name=NAMES, to=st.integers(-8, 12))
    def reset(self, client, name, to):
        model = self.models[name] or Model()
        try:
            assert self.clients[client].counter(name).reset(to) == to
        except CounterLimitExceeded:
            assert not model.holds(to)
            return
        assert model.holds(to)
        self.models[name] = replace(model, value=to)

    @rule(client=CLIENTS, name=NAMES)
    def delete(self, client, name):
        assert self.clients[client].counter(name).delete() == (self.models[name] is not None)
        self.models[name] = None

    @rule(client=CLIENTS, source=NAMES, amount=AMOUNTS)
    def transfer(self, client, source, amount):
        target = "b" if source == "a" else "a"
        taken, given = self.models[source], self.models[target]
        try:
            self.clients[client].transfer(source, target, amount)
        except CounterNotFound:
            assert None in (taken, given)
            return
        except CounterLimitExceeded as refusal:
            full, change = (taken, -amount) if refusal.name == source else (given, amount)
            assert full is not None
            assert not full.holds(full.value + change)
            return
        assert taken is not None
        assert given is not None
        self.models[source] = replace(taken, value=taken.value - amount)
        self.models[target] = replace(given, value=given.value + amount)

    @invariant()
    def every_client_reads_the_same(self):
        for client in self.clients:
            for name, model in self.models.items():
                state = client.counter(name).inspect()
                if model is None:
                    assert state is None
                    continue
                assert state is not None
                read = Model(state.value, state.floor, state.ceiling, state.shards)
                assert read == model
                assert model.holds(model.value)


def test_any_sequence_of_calls_does_what_it_does_to_integers():
    run_state_machine_as_test(
        Counters,
        settings=settings(
            max_examples=120,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
