"""Figures of benchmarks, kept as JSON: benchmarks/history/NAME.json, the last run last.

A benchmark notes its figures as it prints them; they are written when it ends, if
INTERLOCK_BENCH_RECORD is set (`make bench RECORD=1`), and nothing is kept otherwise. A run says
when and of which commit it is, and on how many processors: only those of one machine compare.
"""

import json
import os
import platform
import subprocess
import time
from atexit import register
from pathlib import Path
from typing import Any

HISTORY = Path(__file__).parent / "history"
RECORD = "INTERLOCK_BENCH_RECORD"

_noted: dict[str, dict[str, dict[str, dict[str, float]]]] = {}


def note(benchmark: str, table: str, row: str, **figures: float) -> None:
    """Note a row of a table that a benchmark prints: seconds, rates and ratios by their names."""
    if not os.environ.get(RECORD):
        return
    if not _noted:
        register(save)
    _noted.setdefault(benchmark, {}).setdefault(table, {})[row] = {
        name: float(f"{figure:.4g}") for name, figure in figures.items()
    }


def save(folder: Path = HISTORY) -> None:
    """Add what was noted to the histories, a run each."""
    for benchmark, tables in _noted.items():
        path = folder / f"{benchmark}.json"
        runs = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
        runs.append({**_circumstances(), "tables": tables})
        folder.mkdir(exist_ok=True)
        path.write_text(json.dumps(runs, indent=1) + "\n", encoding="utf-8")
    _noted.clear()


def _circumstances() -> dict[str, Any]:
    return {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": _commit(),
        "python": platform.python_version(),
        "processors": os.cpu_count(),
    }


def _commit() -> str | None:
    """Return the commit that is measured, None where there is no repository."""
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(
            command, cwd=Path(__file__).parent, check=True, capture_output=True, text=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
