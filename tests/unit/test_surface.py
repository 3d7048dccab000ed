"""The public API: its names, signatures and fields, as they were released."""

import dataclasses
import enum
import importlib
import inspect
import re
from typing import Any

import pytest
from syrupy.extensions.json import JSONSnapshotExtension

MODULES = [
    "interlock",
    "interlock.aio.counters",
    "interlock.aio.latches",
    "interlock.aio.locks",
    "interlock.aio.signing",
    "interlock.aio.transactions",
    "interlock.constructs",
    "interlock.counters",
    "interlock.errors",
    "interlock.latches",
    "interlock.locks",
    "interlock.metrics",
    "interlock.receipts",
    "interlock.signing",
    "interlock.transactions",
]
ADVICE = (
    "the public API is not what was accepted. What is gone or narrower breaks users: keep it, or "
    "raise the major version and say so in CHANGELOG.md under Removed or Changed. What is new goes "
    "under Added. Then accept it by `make snapshot-update`."
)


def names_of(module):
    if hasattr(module, "__all__"):
        return sorted(module.__all__)
    return sorted(
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    )


def described(value):
    """Return what users of a name depend on."""
    if inspect.isclass(value):
        return described_class(value)
    if callable(value):
        return signature(value)
    return type(value).__name__


def described_class(kind):
    bases = [base.__name__ for base in kind.__bases__ if base is not object]
    told: dict[str, Any] = {"bases": bases}
    if issubclass(kind, enum.Enum):
        return told | {"members": {member.name: member.value for member in kind}}
    if dataclasses.is_dataclass(kind):
        told["fields"] = {field.name: str(field.type) for field in dataclasses.fields(kind)}
    told["call"] = signature(kind)
    members = {
        name: described_member(inspect.getattr_static(kind, name))
        for name in dir(kind)
        if not name.startswith("_") and is_ours(kind, name)
    }
    return told | {"members": members} if members else told


def is_ours(kind, name):
    """Whether a member is the library's own, and not what CDK or Python gave the class."""
    owner = next((base for base in kind.__mro__ if name in vars(base)), None)
    return owner is not None and owner.__module__.partition(".")[0] == "interlock"


def described_member(member):
    if isinstance(member, property):
        return "property -> " + signature(member.fget).rpartition(" -> ")[2]
    if isinstance(member, classmethod | staticmethod):
        return f"{type(member).__name__} {signature(member.__func__)}"
    return signature(member) if callable(member) else "attribute"


def signature(value):
    try:
        text = str(inspect.signature(value))
    except ValueError:  # built-in
        return "?"
    text = re.sub(r"<(?:built-in )?function (\w+)[^>]*>", r"\1", text)  # a default, at an address
    text = re.sub(r"<class '([^']+)'>", r"\1", text)
    text = re.sub(r"\{([^{}]*)\}", lambda found: f"{{{in_order(found[1])}}}", text)
    # Where a type lives is no promise; its name is.
    return re.sub(r"\b(?:[A-Za-z_]\w*\.)+(?=[A-Za-z_])", "", text)


def in_order(members):
    return ", ".join(sorted(members.split(", ")))


@pytest.mark.parametrize("name", MODULES)
def test_the_public_api_is_as_it_was_accepted(name, snapshot):
    module = importlib.import_module(name)
    surface = {public: described(getattr(module, public)) for public in names_of(module)}
    assert surface == snapshot.use_extension(JSONSnapshotExtension), ADVICE


def test_every_public_name_says_what_it_is():
    """Docstrings are the reference."""
    silent = [
        f"{name}.{public}"
        for name in MODULES
        for module in [importlib.import_module(name)]
        for public in names_of(module)
        if callable(getattr(module, public)) and not inspect.getdoc(getattr(module, public))
    ]
    assert silent == []
