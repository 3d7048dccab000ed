"""The blocking half is made from the awaitable one, and offers the same."""

import dataclasses
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ["counters", "latches", "locks", "receipts", "signing", "tables", "transactions"]
# Where a type differs, it is by its half: the words that scripts/unasync.py leaves out.
OF_A_HALF = re.compile(
    r"(?:\b[\w.]+\.)?\bAcquiring\[([^\[\]]*)\]"
    r"|(?:collections\.abc\.)?\bAwaitable\[((?:[^\[\]]|\[[^\[\]]*\])*)\]"
    r"|(?:collections\.abc\.)?\bCoroutine\[(?:typing\.)?Any, (?:typing\.)?Any, "
    r"((?:[^\[\]]|\[[^\[\]]*\])*)\]|\bAsync(?=I)"
)


def test_the_blocking_half_is_as_the_awaitable_one_was_written():
    check = subprocess.run(
        [sys.executable, "-m", "scripts.unasync", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert check.returncode == 0, check.stderr


def test_every_room_of_the_awaitable_half_is_looked_at():
    found = {path.stem for path in (ROOT / "interlock/aio").iterdir() if path.name[0] != "_"}
    assert found == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_both_halves_offer_the_same(room):
    blocking = importlib.import_module(f"interlock.{room}")
    awaitable = importlib.import_module(f"interlock.aio.{room}")
    assert sorted(blocking.__all__) == sorted(awaitable.__all__)
    for name in blocking.__all__:
        assert surface(getattr(blocking, name)) == surface(getattr(awaitable, name)), name


def surface(value):
    """Return the signatures of a class, of its methods and properties, or of a function."""
    if not inspect.isclass(value):
        return signature(value) if callable(value) else value
    members = {
        name: member
        for name in dir(value)
        if not name.startswith("_")
        for member in [inspect.getattr_static(value, name)]
    }
    described = {
        name: signature(member.fget if isinstance(member, property) else member)
        for name, member in members.items()
        if callable(member) or isinstance(member, property)
    }
    fields = dataclasses.fields(value) if dataclasses.is_dataclass(value) else ()
    types = {field.name: of_any_half(str(field.type)) for field in fields}
    return {"": signature(value), "fields": types, **described}


def signature(function):
    try:
        text = str(inspect.signature(function))
    except (TypeError, ValueError):
        return "?"
    return of_any_half(text)


def of_any_half(text):
    """Return a type or a signature without what is by its half."""
    text = re.sub(r"\binterlock\.aio\b", "interlock", text).replace("awaitable", "blocking")
    text = re.sub(r" at 0x[0-9a-f]+", "", text)  # of a default that is a function
    text = re.sub(r"(collections\.abc\.)?\bAwaitable\[None\] \| None\b", "None", text)
    return OF_A_HALF.sub(lambda found: found[1] or found[2] or found[3] or "", text)


DOORS = [
    "background",
    "changes",
    "client",
    "driver",
    "exclusion",
    "fetching",
    "heartbeat",
    "opening",
    "pausing",
    "transports",
]


@pytest.mark.parametrize("door", DOORS)
def test_the_two_engine_rooms_have_the_same_doors(door):
    rooms = [
        importlib.import_module(f"interlock._drivers.{half}.{door}")
        for half in ("awaitable", "blocking")
    ]
    awaitable, blocking = (
        {
            name
            for name, value in vars(room).items()
            if not name.startswith("_")
            and (getattr(value, "__module__", "") == room.__name__ or name.isupper())
        }
        for room in rooms
    )
    assert awaitable == blocking
