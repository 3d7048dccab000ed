"""Which tests reach which lines, and how long each takes: measured once, kept until it changes.

Files of which it is not known run together in a process of their own, the lines told apart by test.
What a file said of a module counts while neither has changed.
"""

import hashlib
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import coverage
import pytest

ROOT = Path(__file__).parents[2]
STORE = ROOT / ".local" / "mutation" / "reach"
PROTOCOL = "interlock/_protocol"
# Where mistakes are made: in the protocols, in the bytes of their calls, in what carries these.
HOMES = (PROTOCOL, "interlock/_wire", "interlock/_drivers")
MARKS = "not slow and not contract and not e2e"
# Of the application and of the checkout: what they say of the protocols, others say sooner.
_ELSEWHERE = (
    *("api", "cli", "local", "server", "testing"),
    *("test_english.py", "test_exports.py", "test_halves.py", "test_mutation.py"),
    *("test_public_only.py", "test_surface.py", "test_circles.py", "test_cli.py"),
)
# Tests that run a protocol step by step, in simulated time, say soonest what a mistake breaks.
_STEP_BY_STEP = re.compile(
    r"^def test_\w+\(\s*process\b|transactions\.steps import|_store\.store import"
    r"|unit\.test_counter_\w+ import",
    re.MULTILINE,
)
# They do so too, but over a mock of the service that takes longer.
_STEP_BY_STEP_OVER_A_MOCK = re.compile(r"transactions\.wire import")
_WITHOUT_WAITING = "tests/unit/signing/"  # all of it as quick as those
# Tests of the simulator itself, which put mistakes of their own into the modules.
_OF_MISTAKES = "mistake"

_SHORT = 0.02  # seconds that a test takes of which nothing is known

Reached = dict[str, dict[str, Any]]  # by test: seconds, and lines


def digest(path: Path) -> str:
    """Return what a file's text is recognized by."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def files(module: str) -> list[Path]:
    """Return the files of tests that may reach a module (path from the root).

    Of a protocol's module those that speak of its room ("counters"); of itself where it is in none
    ("retry"), and those that are in no room either. Of signing's tests, for another room, those
    that import the module. Of another module the tests of the wire, and those of units that import
    anything of its home: all others reach it too, by whole clients, and say less of it.
    """
    unit, room, stem = ROOT / "tests/unit", Path(module).parent.name, Path(module).stem
    if not module.startswith(PROTOCOL):
        home = _home(module).replace("/", ".")
        wire = sorted((ROOT / "tests/wire").glob("test_*.py"))
        return [*wire, *(path for path in _of_units(unit) if home in path.read_text())]
    word = re.compile(
        rf"\b{stem if room == '_protocol' else room.removesuffix('s')}", re.IGNORECASE
    )
    imported = _imports(module)
    return [
        path
        for place in (unit, ROOT / "tests/simulation")
        for path in _of_units(place)
        if room == "signing" or "signing" not in path.parts or imported.search(path.read_text())
        if word.search(path.read_text(encoding="utf-8"))
        or (room == "_protocol" and path.parent == unit)
    ]


def _of_units(place: Path) -> list[Path]:
    every = sorted(place.rglob("test_*.py"))
    return [path for path in every if path.relative_to(place).parts[0] not in _ELSEWHERE]


def _home(module: str) -> str:
    return "/".join(Path(module).parts[:2])


def stages(module: str, tests: list[str] | None = None) -> list[list[Path]]:
    """Return the files of tests that may reach a module, or those that are named: quick ones first.

    First those that import the module, or all of signing's own; then those that run its room step
    by step; then those that run another room so, or over a mock; then all others. Outside of the
    protocols, after those that import the module, the tests of the wire are the ones that run it
    step by step. What one stage finds is not shown to the next.
    """
    if tests is not None:
        return [[ROOT / test for test in tests]]
    room, imports = Path(module).parent.name.removesuffix("s"), _imports(module)
    found: tuple[list[Path], ...] = ([], [], [], [])
    for test in files(module):
        text, place = test.read_text(encoding="utf-8"), test.relative_to(ROOT).as_posix()
        unit, wire = place.startswith("tests/unit"), place.startswith("tests/wire")
        mock = unit and _STEP_BY_STEP_OVER_A_MOCK.search(text)
        own = place.startswith(_WITHOUT_WAITING)
        steps = (unit and _STEP_BY_STEP.search(text)) or own
        imported = (unit or wire) and imports.search(text) and not mock
        if imported or (own and room == "signing"):
            stage = 0
        elif wire:
            stage = 1
        elif steps and not mock:
            stage = 1 if room in place else 2
        else:
            stage = 2 if mock else 3
        found[stage].append(test)
    return [stage for stage in found if stage]


def _imports(module: str) -> re.Pattern[str]:
    """Return what a file that imports the module holds."""
    path = Path(module)
    dotted = ".".join(path.parent.parts)
    return re.compile(rf"\b{dotted}\.{path.stem} import|\b{dotted} import [^\n]*\b{path.stem}\b")


def reached(
    module: str, paths: list[Path], say: Callable[[str], None], *, look: bool = False
) -> Reached:
    """Return the tests in files that reach a module, with their seconds and its lines.

    What is not known of one is not measured for a `look`: by the name of the file, each of its
    tests reaches all. A module of constants alone runs no line in a test, so all may reach it.
    """
    unknown = [path for path in paths if not _is_known(path, module)]
    if unknown and not look:
        say(f"what do these reach? {' '.join(path.name for path in unknown)}")
        _measure(unknown)
    found: Reached = {}
    for path in paths:
        if path not in unknown or not look:
            found.update(_of(path, module))
        else:
            name = path.relative_to(ROOT).as_posix()
            found[name] = {"seconds": _SHORT, "lines": _EveryLine()}
    return found or {
        test: {"seconds": seconds, "lines": set()}
        for path in paths
        for test, seconds in _said(path)["seconds"].items()
    }


class _EveryLine(frozenset[int]):
    """The lines of a module, whichever they are."""

    def __rand__(self, lines: Any) -> Any:
        """Return those of the others."""
        return lines


def _kept(path: Path) -> Path:
    """Return where it is kept what a file of tests reaches."""
    return STORE / (path.relative_to(ROOT).as_posix().replace("/", ".") + ".json")


def _said(path: Path) -> dict[str, Any]:
    kept = _kept(path)
    return dict(json.loads(kept.read_text())) if kept.exists() else {}


def _is_known(path: Path, module: str) -> bool:
    """Whether what is kept is of the file and of the module as they are."""
    said = _said(path)
    return said.get("of") == digest(path) and _holds(said, module)


def _of(path: Path, module: str) -> Reached:
    said = _said(path)
    return {
        test: {"seconds": seconds, "lines": set(said["lines"].get(module, {}).get(test, ()))}
        for test, seconds in said["seconds"].items()
        if test in said["lines"].get(module, {})
    }


def _holds(said: dict[str, Any], module: str) -> bool:
    """Whether what was said of a module is of the module as it is, or of others of its home."""
    if module in said["lines"]:
        return bool(said["modules"][module] == digest(ROOT / module))
    return any(each.startswith(_home(module)) for each in said["modules"])


def _measure(paths: list[Path]) -> None:
    """Run files of tests, and keep what each of them reaches."""
    of = {path: digest(path) for path in paths}
    with tempfile.NamedTemporaryFile(suffix=".json") as told:
        subprocess.run(
            [sys.executable, "-m", "tests.mutation.reach", told.name, *map(str, paths)],
            cwd=ROOT,
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=3600,
        )
        found = json.loads(Path(told.name).read_text())
    STORE.mkdir(parents=True, exist_ok=True)
    for path in paths:
        name = path.relative_to(ROOT).as_posix()
        seconds = _of_file(found["seconds"], name)
        every = {module: _of_file(tests, name) for module, tests in found["lines"].items()}
        lines = {module: tests for module, tests in every.items() if tests}
        said = {"of": of[path], "seconds": seconds, "lines": lines, "modules": found["modules"]}
        _kept(path).write_text(json.dumps(said))


def _of_file(tests: dict[str, Any], name: str) -> dict[str, Any]:
    return {test: said for test, said in tests.items() if test.partition("::")[0] == name}


class _Observer:
    """Tells the lines of one test from those of the next, and takes its time."""

    def __init__(self, lines: coverage.Coverage) -> None:
        self.seconds: dict[str, float] = {}
        self._lines = lines

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if is_a_judge(item.nodeid)]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._lines.switch_context(item.nodeid)
        started = time.process_time()
        result = yield
        self.seconds[item.nodeid] = round(time.process_time() - started, 3)
        self._lines.switch_context("")
        return result


def is_a_judge(test: str) -> bool:
    """Whether a test may judge a mistake: not if it makes some itself."""
    return _OF_MISTAKES not in test.lower()


def main(target: str, *paths: str) -> None:
    """Run files of tests, and write what each of their tests reaches."""
    with tempfile.TemporaryDirectory() as folder:
        lines = coverage.Coverage(
            data_file=str(Path(folder, "lines")),
            config_file=False,
            include=[str(ROOT / home / "*") for home in HOMES],
        )
        lines.start()
        observer = _Observer(lines)
        pytest.main(["-q", "-p", "no:cacheprovider", "-m", MARKS, *paths], plugins=[observer])
        lines.stop()
        data = lines.get_data()
        reached: dict[str, dict[str, list[int]]] = {}
        for file in data.measured_files():
            module = Path(file).relative_to(ROOT).as_posix()
            for line, tests in data.contexts_by_lineno(file).items():
                for test in filter(None, tests):
                    reached.setdefault(module, {}).setdefault(test, []).append(line)
    told = {
        "seconds": observer.seconds,
        "lines": reached,
        "modules": {module: digest(ROOT / module) for module in reached},
    }
    Path(target).write_text(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
