"""Public names that are imported when they are first used, and say where users find them."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

T = TypeVar("T")


def lazily(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Return a package's `__getattr__`, which imports each name from its home on first use."""

    def __getattr__(name: str) -> Any:  # noqa: N807 - it becomes the package's own
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{package}.{homes[name]}"), name)

    return __getattr__


def public_in(module: str) -> Callable[[T], T]:
    """Give a class or function of a private module the public module as its home.

    Tracebacks, pickles and references then name what users import, wherever it is kept.
    """

    def at_home(exported: T) -> T:
        exported.__module__ = module
        return exported

    return at_home
