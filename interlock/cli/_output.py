"""Output for people: aligned tables, colour on a terminal only, times both ways; and JSON lines."""

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from interlock.cli._group import as_json

_STEPS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
_GAP = "  "


def lines(
    entries: Iterable[Mapping[str, Any]], header: Sequence[str], rows: Iterable[Sequence[str]]
) -> None:
    """Print a list: one JSON object a line where that is asked for, else an aligned table."""
    if as_json():
        for entry in entries:
            click.echo(json.dumps(entry, default=plain))
        return
    for line in aligned(header, list(rows)):
        click.echo(line)


def facts(entry: Mapping[str, Any], pairs: Iterable[tuple[str, str]]) -> None:
    """Print what is known of one thing: as JSON, or a line for each fact."""
    if as_json():
        click.echo(json.dumps(entry, default=plain))
        return
    told = list(pairs)
    width = max(len(name) for name, _ in told)
    for name, value in told:
        click.echo(f"{name:<{width}}{_GAP}{printable(value)}")


def aligned(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table, none for no rows; numbers are not told from texts."""
    if not rows:
        return []
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in [header, *cells]) for i in range(len(header))]
    first = _GAP.join(f"{name:<{width}}" for name, width in zip(header, widths, strict=True))
    made = [style(first.rstrip(), bold=True)]
    for row in cells:
        padded = [f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)]
        made.append(_GAP.join(map(coloured, padded)).rstrip())
    return made


def printable(text: str) -> str:
    """Return a text without what would move a terminal's cursor, or colour it."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def coloured(cell: str) -> str:
    """Return the cell of a table in the colour of the state that it names, if it names one."""
    colour = _COLOURS.get(cell.strip())
    return cell if colour is None else style(cell, fg=colour)


_COLOURS = {
    "held": "green",
    "leads": "green",
    "expired": "yellow",
    "corrupt": "red",
    "ok": "green",
    "warning": "yellow",
    "problem": "red",
}


def style(text: str, **how: Any) -> str:
    """Return a text in colour where a person reads it: on a terminal, without NO_COLOR."""
    plainly = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return text if plainly or not sys.stdout.isatty() else click.style(text, **how)


def moment(when: datetime | None, now: datetime | None = None) -> str:
    """Return a time as it is, in UTC, and as it is from now: "2026-01-02 03:04:05Z (2 min ago)"."""
    if when is None:
        return "-"
    passed = (now or datetime.now(UTC)) - when
    relative = f"{duration(passed)} ago" if passed >= timedelta() else f"in {duration(-passed)}"
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%SZ} ({relative})"


def duration(time: timedelta) -> str:
    """Return a duration in its two greatest units: "2 h 5 min"."""
    left, parts = int(time.total_seconds()), list[str]()
    for size, unit in _STEPS:
        if left >= size or (unit == "s" and not parts):
            parts.append(f"{left // size} {unit}")
            left %= size
        elif parts:
            break
        if len(parts) > 1:
            break
    return " ".join(parts)


def plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes | bytearray):
        return value.hex()
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    return int(value) if value == value.to_integral_value() else float(value)  # a Decimal


class Progress:
    """Progress of something long, on standard error; only where a person looks."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty() and not as_json()
        self._written = False

    def tell(self, text: str) -> None:
        """Replace what was told before."""
        if self._shown:
            click.echo(f"\r\x1b[K{text}", nl=False, err=True)
            self._written = True

    def clear(self) -> None:
        """Leave nothing behind."""
        if self._written:
            click.echo("\r\x1b[K", nl=False, err=True)
