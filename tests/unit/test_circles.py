"""No module of the library needs one that needs it, not even for its annotations."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[2]


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {name_of(path): path for path in (ROOT / "interlock").rglob("*.py")}


def imported(name: str, path: Path) -> set[str]:
    """Return the modules of the library that a module names in any of its imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            parts = {f"{node.module}.{alias.name}" for alias in node.names} & MODULES.keys()
            # A package is needed for what it defines, not for the way to a module of its own.
            found |= parts if len(parts) == len(node.names) else parts | {node.module}
    return (found & MODULES.keys()) - {name}


def test_the_library_has_no_circle_of_imports():
    needed = {name: imported(name, path) for name, path in MODULES.items()}
    try:
        TopologicalSorter(needed).prepare()
    except CycleError as error:
        raise AssertionError(" <- ".join(error.args[1])) from error


def test_modules_are_read():
    client = imported("interlock.locks._client", MODULES["interlock.locks._client"])
    assert {"interlock.locks._held", "interlock.errors"} <= client
