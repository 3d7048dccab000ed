"""Write the tables of measured figures into the documentation: `python -m scripts.figures`.

A page names a table between two comments, and what stands between them is made of the last run in
benchmarks/history:

    <!-- figures: locks / uncontended -->
    <!-- end of figures -->

`make bench RECORD=1` adds a run. `--check` writes nothing, and exits with 1 if a page has other
figures than its run. The page docs/internals/benchmarks.md is made as a whole, of all tables.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

from benchmarks.history import HISTORY

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
ALL = DOCS / "internals" / "benchmarks.md"
_BLOCK = re.compile(
    r"(?P<head><!-- figures: (?P<benchmark>\w+) / (?P<table>[^\n]+?) -->\n)"
    r".*?(?P<end><!-- end of figures -->)",
    re.DOTALL,
)
_HEAD = """\
# Measured

Each table is the last recorded run of `make bench RECORD=1` on the machine named above it: every
line of a table was measured in that run, on the same endpoint, in turns. Emulators answer on
loopback and do one thing at a time, so look at the ratios; against DynamoDB the network is the
larger part of every time here. `benchmarks/history` has the runs before.
"""

# What a benchmark's tables do not say of themselves.
_NOTES = {
    "counters": """\
None of the peers has a bound, or is safe from counting twice; "by hand" is a transaction that does
not tell the new value. The least share is that of the client that was served least, against a fair
one.
""",
    "locks": """\
Processes on one lock have a poll of 50 ms. dynamo-dlm and dynalock put until it succeeds, without
fences, heartbeats or a take-over that is safe. What is waited for is held for 7 s, and then for
50 ms by each, with the default poll; each waiter is a client of its own, but in "one client" a
thread of one, and "in turn" is `fair=True`. Units are what waiting costs while the lock is held.
""",
    "transactions": """\
Contended are 16 workers on 4 accounts: every transfer completes, and the sum is kept.
""",
}

Table = dict[str, dict[str, float]]


class NoFigures(Exception):
    """A page names a table that no recorded run has."""


def last_runs(folder: Path = HISTORY) -> dict[str, dict[str, Any]]:
    """Return the last run of each benchmark, by its name."""
    paths = sorted(folder.glob("*.json"))
    return {path.stem: json.loads(path.read_text(encoding="utf-8"))[-1] for path in paths}


def cell(name: str, figure: float | None) -> str:
    """Return a figure as people read it: its name says whether it is a time, a ratio or a count."""
    if figure is None:
        return ""
    if name.endswith("seconds"):
        unit, scale = next(
            ((unit, scale) for unit, scale in (("s", 1), ("ms", 1e3)) if figure * scale >= 1),
            ("µs", 1e6),
        )
        return f"{_short(figure * scale)} {unit}"
    if "against" in name or name == "overhead":
        return f"{figure:.2f}x"
    return _short(figure)


def _short(figure: float) -> str:
    three = f"{figure:.3g}"
    return f"{figure:,.0f}" if "e" in three or figure == int(figure) else three


def title(name: str) -> str:
    """Return the head of a column: `against_raw` is "against raw", and `seconds` a median."""
    if name == "seconds":
        return "median"
    return name.removesuffix("_seconds").replace("_", " ")


def markdown(table: Table) -> str:
    """Return a table, a line for each row that was measured."""
    columns = list(dict.fromkeys(name for figures in table.values() for name in figures))
    lines = [
        "| | " + " | ".join(map(title, columns)) + " |",
        "|---" * (len(columns) + 1) + "|",
    ]
    for row, figures in table.items():
        cells = " | ".join(cell(name, figures.get(name)) for name in columns)
        lines.append(f"| {row} | {cells} |")
    return "\n".join(lines) + "\n"


def circumstances(run: dict[str, Any]) -> str:
    """Return when and where a run was made."""
    return (
        f"{run['at'][:10]}, commit {run['commit']}, Python {run['python']}, "
        f"{run['processors']} processors"
    )


def filled(text: str, runs: dict[str, dict[str, Any]]) -> str:
    """Return a page with the figures of these runs. Raises `NoFigures` for a table of no run."""

    def fill(block: re.Match[str]) -> str:
        benchmark, table = block["benchmark"], block["table"]
        try:
            found = runs[benchmark]["tables"][table]
        except KeyError:
            known = ", ".join(f"{name} / {each}" for name in runs for each in runs[name]["tables"])
            message = f"no recorded run has {benchmark} / {table}; there are: {known}"
            raise NoFigures(message) from None
        return block["head"] + "\n" + markdown(found) + "\n" + block["end"]

    return _BLOCK.sub(fill, text)


def overview(runs: dict[str, dict[str, Any]]) -> str:
    """Return the page of all tables."""
    parts = [_HEAD]
    for name, run in runs.items():
        parts.append(
            f"\n## {name.capitalize()}\n\n`make bench ONLY={name}`: {circumstances(run)}.\n"
        )
        parts += [f"\n{_NOTES[name]}"] if name in _NOTES else []
        parts += [f"\n### {table}\n\n{markdown(rows)}" for table, rows in run["tables"].items()]
    return "".join(parts)


def pages() -> dict[Path, str]:
    """Return each page that has figures, and its text as the last runs make it."""
    runs = last_runs()
    made = {ALL: overview(runs)}
    for path in sorted(DOCS.rglob("*.md")):
        text = path.read_text(encoding="utf-8")
        if path != ALL and _BLOCK.search(text):
            made[path] = filled(text, runs)
    return made


def main(arguments: list[str]) -> int:
    """Write the pages, or name those that have other figures."""
    made = pages()
    stale = [
        path
        for path, text in made.items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    for path in stale:
        if "--check" in arguments:
            sys.stderr.write(f"{path.relative_to(ROOT)} has other figures: make figures\n")
        else:
            path.write_text(made[path], encoding="utf-8")
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
