"""The reference application, and all else outside the library, uses the public API only."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OUTSIDE = ("lambda", "server", "stacks", "local")


def modules():
    files = [path for folder in OUTSIDE for path in (ROOT / folder).rglob("*.py")]
    return [path.relative_to(ROOT) for path in [ROOT / "app.py", *files]]


def imported(tree):
    """Yield every module that the source imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def private(name):
    first, *rest = name.split(".")
    return first == "interlock" and any(part[0] == "_" and part[:2] != "__" for part in rest)


def test_the_whole_application_is_looked_at():
    assert {path.parts[0] for path in modules()} == {"app.py", *OUTSIDE}


@pytest.mark.parametrize("path", modules(), ids=str)
def test_nothing_outside_the_library_imports_what_is_private_to_it(path):
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    assert [name for name in imported(tree) if private(name)] == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import interlock._drivers.clients", True),
        ("def f():\n    from interlock._protocol import faults", True),
        ("from interlock.signing import _sigv4", True),
        ("from interlock import CounterClient", False),
        ("import interlockx._a", False),
    ],
)
def test_what_counts_as_private(source, found):
    assert any(private(name) for name in imported(ast.parse(source))) == found
