"""The library's own dataclasses are to their users as those of the module `dataclasses`."""

import copy
import dataclasses
import inspect
import pickle
import subprocess
import sys
import uuid
from typing import Any

import pytest

from interlock import _dataclasses as own
from interlock._drivers.environment import random_id, random_number


def both(options, body):
    """Return the class that each of the two makes of the same body."""
    classes = []
    for made_by in (dataclasses, own):
        namespace: dict[str, Any] = {"field": made_by.field, "__module__": __name__}
        exec(f"class Kind:\n {body}", namespace)  # noqa: S102 - a body of this table
        classes.append(made_by.dataclass(slots=True, **options)(namespace["Kind"]))
    return classes


BODIES = {
    "no fields": "pass",
    "one field": "a: int",
    "defaults": "a: int\n b: str = 'b'",
    "a factory": "a: int\n b: list[int] = field(default_factory=list)",
    "not given": "a: int\n b: int = field(default=7, init=False)",
    "not shown": "a: int\n b: int = field(default=7, repr=False)",
    "checked": "a: int\n def __post_init__(self): assert self.a != 13",
    "shown its own way": "a: int\n def __repr__(self): return 'mine'",
}
OPTIONS: list[dict[str, bool]] = [
    {},
    {"frozen": True},
    {"eq": False},
    {"kw_only": True},
    {"frozen": True, "kw_only": True},
]


def outcome(function, *arguments, **named):
    try:
        return function(*arguments, **named)
    except Exception as error:  # noqa: BLE001 - is compared
        return type(error).__name__, str(error)


def instance(kind, **given):
    return kind(**({"a": 1} | given if "a" in kind.__slots__ else given))


def parameters(kind):
    return [getattr(kind.__dataclass_params__, name) for name in ("init", "repr", "eq", "frozen")]


ASKED = {
    "signature": lambda kind: str(inspect.signature(kind)),
    "match": lambda kind: kind.__match_args__,
    "slots": lambda kind: kind.__slots__,
    "fields": lambda kind: [repr(field) for field in dataclasses.fields(kind)],
    "parameters": parameters,
    "is one": dataclasses.is_dataclass,
    "has no hash": lambda kind: kind.__hash__ is None,
    "text": lambda kind: repr(instance(kind)).rpartition(".")[2],
    "equals": lambda kind: instance(kind) == instance(kind),
    "equals another": lambda kind: instance(kind, a=2) == instance(kind, a=1),
    "equals no number": lambda kind: instance(kind) == 1,
    "members of a set": lambda kind: len({instance(kind), instance(kind)}),
    "by position": lambda kind: str(kind(1)),
    "by position and name": lambda kind: str(kind(1, b=5)),
    "without": lambda kind: str(kind()),
    "with too many": lambda kind: str(kind(1, 2, 3)),
    "as a dict": lambda kind: dataclasses.asdict(instance(kind)),
    "replaced": lambda kind: str(dataclasses.replace(instance(kind), a=5)),
    "copied": lambda kind: str(copy.copy(instance(kind))),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=list(BODIES))
@pytest.mark.parametrize("options", OPTIONS, ids=lambda told: "-".join(told) or "plain")
def test_a_class_answers_as_one_of_the_module_dataclasses(body, options):
    theirs, ours = both(options, body)
    answers = {asked: outcome(answer, ours) for asked, answer in ASKED.items()}
    assert answers == {asked: outcome(answer, theirs) for asked, answer in ASKED.items()}


@pytest.mark.parametrize("change", [lambda p: setattr(p, "x", 3), lambda p: delattr(p, "x")])
def test_a_frozen_value_cannot_be_changed(change):
    with pytest.raises(dataclasses.FrozenInstanceError, match="field 'x'"):
        change(Point(1))


def test_a_value_is_checked_when_it_is_made():
    _, kind = both({}, BODIES["checked"])
    with pytest.raises(AssertionError):
        kind(13)


@own.dataclass(frozen=True, slots=True)
class Point:
    """A point."""

    x: int
    y: int = 0


@own.dataclass(frozen=True, slots=True)
class Tinted(Point):
    """A point with a colour."""

    colour: str = "red"


class Named(Point):
    """A point with more than its fields."""


def test_what_is_pickled_is_equal():
    point = Tinted(1, 2, "blue")
    assert pickle.loads(pickle.dumps(point)) == point  # noqa: S301 - made here


def test_a_pickle_is_that_of_the_module_dataclasses(monkeypatch):
    """So that two releases of the library read each other's."""
    ours = pickle.dumps(Point(1, 2))
    theirs = dataclasses.make_dataclass("Point", ["x", "y"], frozen=True, slots=True)
    theirs.__module__ = __name__
    monkeypatch.setattr(sys.modules[__name__], "Point", theirs)
    assert pickle.loads(ours) == theirs(1, 2)  # noqa: S301 - made here


def test_fields_are_inherited_in_order():
    assert Tinted.__match_args__ == ("x", "y", "colour")
    assert [field.name for field in dataclasses.fields(Tinted)] == ["x", "y", "colour"]
    assert Tinted(1, colour="blue") == Tinted(1, 0, "blue")


def test_classes_are_not_equal_across_kinds():
    assert Point(1, 0) != Tinted(1, 0)


def test_a_class_that_is_derived_keeps_its_kind_when_a_field_is_replaced():
    assert type(own.replace(Named(1), x=2)) is Named


def test_a_class_that_is_derived_may_have_what_is_no_field():
    point: Any = Named(1)
    point.name = "home"
    assert point.name == "home"
    with pytest.raises(dataclasses.FrozenInstanceError):
        point.x = 2


def test_a_value_matches_by_position():
    match Point(1, 2):
        case Point(x, y):
            assert (x, y) == (1, 2)


def test_a_replaced_field_leaves_the_others():
    assert own.replace(Tinted(1, 2, "blue"), y=5) == Tinted(1, 5, "blue")


@pytest.mark.skipif(not hasattr(copy, "replace"), reason="copy.replace came with Python 3.13")
def test_copy_replaces():
    module: Any = copy
    assert module.replace(Point(1, 2), x=5) == Point(5, 2)


def test_a_factory_makes_a_value_for_each():
    _, kind = both({}, BODIES["a factory"])
    assert kind(1).b is not kind(1).b


def test_names_of_fields_are_told_in_order():
    assert own.names_of(Tinted) == ("x", "y", "colour")


def test_a_class_without_slots_is_refused():
    with pytest.raises(TypeError, match="slots=True"):
        own.dataclass(slots=False)


@pytest.mark.parametrize("unneeded", ["inspect", "uuid", "random", "asyncio", "ssl"])
def test_a_lock_client_is_imported_without(unneeded):
    program = (
        f"import sys; from interlock import LockClient; assert {unneeded!r} not in sys.modules"
    )
    subprocess.run([sys.executable, "-S", "-c", program], check=True, env={"PYTHONPATH": "."})


@pytest.mark.parametrize("unneeded", ["pathlib", "urllib.parse", "ipaddress", "encodings.idna"])
def test_a_first_call_is_carried_without(unneeded):
    program = (
        "import sys; import interlock._drivers.blocking.wire\n"
        "from interlock._drivers.resolving import literal\n"
        f"assert literal('127.0.0.1', 80); assert {unneeded!r} not in sys.modules"
    )
    subprocess.run([sys.executable, "-S", "-c", program], check=True, env={"PYTHONPATH": "."})


@pytest.mark.parametrize(
    "client", ["LockClient", "CounterClient", "TransactionClient", "Signer", "EmbeddedMetrics"]
)
def test_a_client_is_imported_without_the_module_dataclasses(client):
    program = f"import sys; from interlock import {client}; assert 'dataclasses' not in sys.modules"
    subprocess.run([sys.executable, "-S", "-c", program], check=True, env={"PYTHONPATH": "."})


def test_an_identifier_is_a_random_uuid():
    made = [uuid.UUID(random_id()) for _ in range(100)]
    assert {(each.version, each.variant) for each in made} == {(4, uuid.RFC_4122)}
    assert len(set(made)) == 100


def test_a_random_number_is_from_0_to_1():
    assert all(0 <= random_number() < 1 for _ in range(100))
