"""All that is outside the library and its tests uses the public API only."""

import ast
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OUTSIDE = ("lambda", "server", "stacks", "local", "benchmarks", "examples", "scripts")
# They measure a part of the library that has no public name.
OF_A_PART = {
    Path("benchmarks/floor.py"),
    Path("benchmarks/locks/checking.py"),
    Path("benchmarks/locks/peers.py"),
    Path("benchmarks/transport/__main__.py"),
}


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


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="git says what belongs to the project")
def test_all_that_is_outside_is_looked_at():
    listed = subprocess.run(
        ["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    rooms = {Path(path).parts[0] for path in listed.stdout.splitlines()}
    assert rooms - {"interlock", "tests"} == {"app.py", *OUTSIDE}
    assert {path.parts[0] for path in modules()} == {"app.py", *OUTSIDE}


@pytest.mark.parametrize("path", modules(), ids=str)
def test_nothing_outside_the_library_imports_what_is_private_to_it(path):
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    found = [name for name in imported(tree) if private(name)]
    assert bool(found) == (path in OF_A_PART), found


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
