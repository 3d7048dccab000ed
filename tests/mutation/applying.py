"""Put a mistake into a module that is imported already, for all that have imported it."""

import ast
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from functools import cache
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

_PLAIN = (str, int, float, tuple, frozenset, dict, list, set, range, timedelta, re.Pattern)


def apply(module: ModuleType, text: str) -> int:
    """Give a module's functions, defaults and constants what `text` says; return how many changed.

    A function changes in place; a constant is replaced wherever it was imported by its name, and
    what was made of it there is made again. Raises what the module's text raises as it is imported.
    """
    mutant = ModuleType(module.__name__)
    mutant.__file__, mutant.__package__ = module.__file__, module.__package__
    exec(compile(text, str(module.__file__), "exec"), mutant.__dict__)  # noqa: S102 - our own code
    users = list(_users(module, mutant))
    changed = sum(_changed(module.__dict__, mutant.__dict__, None))
    for user in users:
        apply(user, Path(str(user.__file__)).read_text(encoding="utf-8"))
    return changed


def _users(module: ModuleType, mutant: ModuleType) -> Iterator[ModuleType]:
    """Yield the modules that have imported a constant which is to change."""
    constants = {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("__") and _differ(value, vars(mutant).get(name))
    }
    for user in _ours():
        if user is not module and any(
            _imports(user, name, value) for name, value in constants.items()
        ):
            yield user


def _imports(user: ModuleType, name: str, value: Any) -> bool:
    """Whether a module has imported a name; it may have a constant of its own that is like it."""
    return vars(user).get(name) is value and name in _imported(user.__file__)


@cache
def _imported(file: str | None) -> frozenset[str]:
    tree = ast.parse(Path(file).read_text(encoding="utf-8")) if file else ast.parse("")
    imports = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
    return frozenset(alias.asname or alias.name for node in imports for alias in node.names)


def _changed(right: Any, wrong: Any, owner: type | None) -> Iterator[bool]:
    """Change what is not the same object in both: what is imported is."""
    for name, value in list(right.items()):
        other = wrong.get(name)
        if name.startswith("__") and not callable(value):
            continue
        for function, twin in zip(_functions(value), _functions(other), strict=False):
            yield _function(function, twin)
        if isinstance(value, type) and isinstance(other, type):
            if value is not other:
                _ = value.__init__, other.__init__  # type: ignore[misc]  # made on first use
                yield from _changed(vars(value), vars(other), value)
        elif _differ(value, other):
            yield _constant(name, value, other, str(right.get("__name__")), owner)


def _functions(value: Any) -> list[FunctionType]:
    """Return the functions that a name stands for: a property has up to three."""
    if isinstance(value, property):
        return [each for each in (value.fget, value.fset, value.fdel) if each is not None]  # type: ignore[misc]
    while hasattr(value, "__wrapped__") or isinstance(value, staticmethod | classmethod):
        value = value.__wrapped__
    return [value] if isinstance(value, FunctionType) else []


def _function(right: FunctionType, wrong: FunctionType) -> bool:
    before = (right.__code__, right.__defaults__, right.__kwdefaults__)
    if right.__code__ != wrong.__code__:
        right.__code__ = wrong.__code__
    if _differ(right.__defaults__, wrong.__defaults__):
        right.__defaults__ = wrong.__defaults__
    if _differ(right.__kwdefaults__, wrong.__kwdefaults__):
        right.__kwdefaults__ = wrong.__kwdefaults__
    return before != (right.__code__, right.__defaults__, right.__kwdefaults__)


def _differ(right: Any, wrong: Any) -> bool:
    """Whether two values are of the kinds that can be compared, and are not the same."""
    plain = isinstance(right, _PLAIN) and " at 0x" not in repr(right)
    return plain and type(right) is type(wrong) and right != wrong


def _constant(name: str, right: Any, wrong: Any, home: str, owner: type | None) -> bool:
    if owner is not None:
        with suppress(AttributeError):  # a slot's
            setattr(owner, name, wrong)
        return True
    for module in _ours():
        if module.__name__ == home or _imports(module, name, right):
            setattr(module, name, wrong)
    return True


def _ours() -> list[ModuleType]:
    """Return the modules of the library that are imported."""
    every = list(sys.modules.values())
    return [each for each in every if getattr(each, "__name__", "").startswith("interlock")]
