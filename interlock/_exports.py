"""Public names that are imported when they are first used, and say where users find them."""

import importlib
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


def lazily(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Return a package's `__getattr__`, which imports each name from its home on first use."""

    def __getattr__(name: str) -> Any:  # noqa: N807 - it becomes the package's own
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{package}.{homes[name]}"), name)

    return __getattr__


def without(names: list[str], needing: Mapping[str, Sequence[str]]) -> None:
    """Take out of `__all__` each name that needs a module which is not installed.

    So `import *` does without it, and only who names it is told what to install.
    """
    for name, modules in needing.items():
        if not all(map(_is_installed, modules)):
            names.remove(name)


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):  # hidden from this process, say
        return False


def public_in(module: str) -> Callable[[T], T]:
    """Give a class or function of a private module the public module as its home.

    Tracebacks, pickles and references then name what users import, wherever it is kept.
    """

    def at_home(exported: T) -> T:
        exported.__module__ = module
        return exported

    return at_home
