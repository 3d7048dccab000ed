"""What a transaction client makes of its arguments: keys, functions that carry them, and reads."""

import functools
from datetime import timedelta

import pytest

from interlock._protocol.layout import TableLayout
from interlock._protocol.transactions import client as arguments
from interlock._protocol.transactions.client import DAY, KeyedFunction, TransactionOperations
from interlock._protocol.transactions.idempotency import Committed
from interlock._protocol.transactions.reporting import Observers
from interlock._protocol.transactions.settings import Settings
from interlock.errors import InvalidValue
from tests.unit.transactions.steps import A, B

HERE = __name__


def ship(_t, order=1, *, request=None):
    return order, request


def operations(*, unscoped_keys=True, **settings):
    given = Settings("coordination", **settings)
    return TransactionOperations(
        given, Observers("coordination", None, None), unscoped_keys=unscoped_keys
    )


def once(function=ship, key="k", given=None, **options):
    known = {"operation": None, "payload": None, "retention": DAY, **options}
    return (given or operations()).once(function, key, **known)


# What a key stands for.


def test_a_key_is_the_functions_own_for_as_long_as_it_is_to_be_remembered():
    made = once(retention=timedelta(hours=2))
    assert (made.table, made.key, made.retention) == ("coordination", "k", 7200.0)
    assert made.operation == f"{HERE}.ship"


def test_a_client_has_the_observers_that_it_was_given():
    observers = Observers("coordination", None, print)
    made = TransactionOperations(Settings("coordination"), observers, unscoped_keys=False)
    assert made.observers is observers


def test_a_day_is_the_time_for_which_a_key_is_remembered():
    assert timedelta(days=1) == arguments.DAY
    assert once().retention == arguments.DAY.total_seconds()


def test_an_operation_is_called_what_the_caller_calls_it():
    assert once(operation="orders.ship").operation == "orders.ship"


def test_a_partial_stands_for_what_it_binds_unless_a_payload_is_given():
    bound = functools.partial(ship, order=2)
    assert once(bound).fingerprint != once(ship).fingerprint
    assert once(bound).fingerprint == once(functools.partial(ship, order=2)).fingerprint
    assert once(bound, payload=5).fingerprint == once(ship, payload=5).fingerprint
    assert once(payload=5).fingerprint != once(payload=6).fingerprint


def test_functions_without_a_name_are_told_by_what_they_do_unless_the_operation_has_a_name():
    one, other = (lambda _: 1), (lambda _: 2)
    assert once(one).fingerprint != once(other).fingerprint
    assert once(one, operation="o").fingerprint == once(other, operation="o").fingerprint


@pytest.mark.parametrize(
    ("unscoped_keys", "layout", "so"),
    [
        (True, TableLayout(), True),
        (False, TableLayout(), False),
        (True, TableLayout(partition_key="name"), False),
    ],
)
def test_records_of_before_are_looked_for_where_there_may_be_some(unscoped_keys, layout, so):
    made = once(given=operations(unscoped_keys=unscoped_keys, layout=layout))
    assert (made.unscoped is not None) is so
    assert made.layout == layout


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        ({"function": "ship"}, "function"),
        ({"function": "ship", "key": None}, "function"),
        ({"operation": "a#b"}, "operation"),
        ({"retention": 5}, "retention"),
        ({"key": None, "operation": "o"}, "operation"),
        ({"key": None, "payload": 5}, "payload"),
        ({"key": None, "retention": timedelta(days=2)}, "retention"),
    ],
    ids=str,
)
def test_what_cannot_be_meant_by_a_call_is_refused_by_its_name(options, wrong):
    with pytest.raises(InvalidValue) as refused:
        once(**options)
    assert refused.value.path == wrong


def test_a_call_without_a_key_may_be_made_often():
    assert once(key=None) is None


def test_a_run_has_the_clients_settings_and_the_key(world):
    given = operations(version_attribute="v")
    committed = []
    for _ in range(2):
        run = given.run(once(), [])
        begun = world.driver.run(run.begin())
        if not isinstance(begun, Committed):
            begun.put("t", A, {}, None)
            begun = world.driver.run(run.commit(begun, None))
        committed.append(begun.replayed)
    assert "v" in world.item(A)
    assert committed == [False, True]


# Functions that carry a key.


def keyed(function=ship, parameter="request", operation=None, retention=DAY):
    return KeyedFunction(function, parameter, operation, retention)


@pytest.mark.parametrize(
    ("options", "operation"),
    [
        ({}, f"{HERE}.ship"),
        ({"operation": "orders.ship"}, "orders.ship"),
        ({"parameter": None}, None),
    ],
    ids=str,
)
def test_a_function_with_a_key_has_an_operation(options, operation):
    assert keyed(**options).operation == operation


@pytest.mark.parametrize(
    ("args", "kwargs", "key", "payload"),
    [
        ((), {}, None, {"order": 1}),
        ((5,), {"request": "r"}, "r", {"order": 5}),
        ((), {"order": 5, "request": "r"}, "r", {"order": 5}),
    ],
)
def test_one_argument_is_the_key_and_all_others_are_what_it_stands_for(args, kwargs, key, payload):
    assert keyed().key_and_payload(args, kwargs) == (key, payload)


def test_a_function_without_a_key_stands_for_nothing():
    assert keyed(parameter=None).key_and_payload((5,), {"request": "r"}) == (None, None)


class Odd:
    """What can be called, and has no signature of a kind that is known."""

    __signature__ = "(t)"

    def __call__(self, t):
        return t


def of_self(self, t, request):
    return self, t, request


def of_cls(cls, t, request):
    return cls, t, request


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        ({"function": "ship"}, "function"),
        ({"function": "ship", "parameter": None}, "function"),
        ({"function": of_self}, "function"),
        ({"function": of_cls}, "function"),
        ({"function": of_self, "parameter": None}, "function"),
        ({"function": lambda: None}, "function"),
        ({"function": lambda: None, "parameter": None}, "function"),
        ({"function": lambda *, t, request: (t, request)}, "function"),
        ({"function": min, "parameter": None}, "function"),
        ({"function": Odd(), "parameter": None}, "function"),
        ({"retention": 5}, "retention"),
        ({"parameter": "_t"}, "idempotency_key"),
        ({"parameter": "another"}, "idempotency_key"),
        ({"operation": "a#b"}, "operation"),
        ({"parameter": None, "operation": "o"}, "operation"),
        ({"parameter": None, "retention": timedelta(days=2)}, "retention"),
    ],
)
def test_what_cannot_be_meant_by_a_function_is_refused_by_its_name(options, wrong):
    with pytest.raises(InvalidValue) as refused:
        keyed(**options)
    assert refused.value.path == wrong


# Reads without a transaction.


def test_a_snapshot_shows_items_at_one_instant_without_their_versions_in_its_time(world):
    world.write(A, n=1)
    began = world.driver.now
    targets = [("t", A), ("t", B), ("t", A)]
    seen = world.driver.run(operations(timeout=3.0).snapshot(targets))
    assert seen == [{"pk": "a", "n": 1}, None, {"pk": "a", "n": 1}]
    assert world.calls == ["TransactGetItems"]
    assert world.driver.deadlines == [began + 3.0]


def test_a_snapshot_of_nothing_asks_nothing(world):
    assert world.driver.run(operations().snapshot([])) == []
    assert world.calls == []
