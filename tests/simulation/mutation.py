"""Make one mistake in the library on purpose, to see that the simulator notices.

    with mutated(record, "version IN (", "fence > ("):
        ...

A simulator that does not notice known mistakes proves nothing by its silence.
"""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from types import FunctionType, ModuleType
from typing import Any, NamedTuple


class Mistake(NamedTuple):
    """`wrong` in the place of `right` in a module, and what a run of a scenario says of it.

    `found` is the seed by which it is found as things are: tried first, it saves a long search.
    """

    name: str
    scenario: str
    module: ModuleType
    right: str
    wrong: str
    says: str
    found: int = 0

    @property
    def seeds(self) -> tuple[int, ...]:
        """The 500 seeds that may find it; when the library changes another may be the first."""
        return self.found, *range(500)

    @property
    def edit(self) -> tuple[ModuleType, str, str]:
        """What `mutated` takes."""
        return self.module, self.right, self.wrong


@contextmanager
def mutated(module: ModuleType, right: str, wrong: str) -> Iterator[None]:
    """Put `wrong` for `right`, which is once in a module's source, into its functions and texts.

    Functions change in place, so that a module that has imported them by name has the mistake too.
    """
    source = inspect.getsource(module)
    assert source.count(right) == 1, f"{module.__name__} has {source.count(right)} of: {right}"
    mutant = ModuleType(module.__name__)
    mutant.__file__ = module.__file__
    exec(compile(source.replace(right, wrong), str(module.__file__), "exec"), mutant.__dict__)  # noqa: S102 - our own code
    changed = dict(_changes(module.__dict__, mutant.__dict__, module.__name__))
    codes = {function: function.__code__ for function in changed if callable(function)}
    texts = {name: module.__dict__[name] for name in changed if isinstance(name, str)}
    assert changed, "the mistake changes nothing"
    try:
        for target, value in changed.items():
            if isinstance(target, str):
                module.__dict__[target] = value
            else:
                target.__code__ = value
        yield
    finally:
        module.__dict__.update(texts)
        for function, code in codes.items():
            function.__code__ = code


def _changes(right: dict[str, Any], wrong: dict[str, Any], home: str) -> Iterator[tuple[Any, Any]]:
    """Find what differs: functions with their new code, constants with their new value."""
    for name, value in right.items():
        other: Any = wrong.get(name)
        if isinstance(value, FunctionType) and value.__module__ == home:
            # An `__init__` that is made of a class's fields is no function until it is needed.
            if isinstance(other, FunctionType) and value.__code__ != other.__code__:
                yield value, other.__code__
        elif isinstance(value, property):
            yield from _changes({name: value.fget}, {name: other.fget}, home)
        elif isinstance(other, type) and other.__module__ == home:
            yield from _changes(dict(vars(value)), dict(vars(other)), home)
        elif isinstance(value, str | int | float) and not name.startswith("__") and value != other:
            yield name, other
