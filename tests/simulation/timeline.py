"""What happened, in columns by process: the first thing to read of a failing seed."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from interlock._protocol.faults import Refused

_COLUMN = 44
_LONG = 160


class Row(NamedTuple):
    """One event. `process` is "" for what concerns the whole world."""

    time: float
    process: str
    event: str
    detail: Any


class Timeline:
    """Rows in the order of their events; text only when a reader asks."""

    def __init__(self) -> None:
        self._rows: list[tuple[float, str, str, Any]] = []

    @property
    def rows(self) -> list[Row]:
        """All events so far."""
        return [Row(*row) for row in self._rows]

    def add(self, time: float, process: str, event: str, detail: Any = None) -> None:
        """Record an event; `detail` is a request, a reply, a fault or a text."""
        self._rows.append((time, process, event, detail))

    def show(self, processes: Iterable[str]) -> str:
        """Return the events, one a line, in one column a process; the end of them if many."""
        columns = list(processes)
        lines = [
            " ".join([f"{'seconds':>10}", *(f"{name:<{_COLUMN}}" for name in columns)]).rstrip()
        ]
        rows = self.rows
        hidden = len(rows) - _LONG
        if hidden > 0:
            lines.append(f"{'...':>10} ({hidden} earlier events left out)")
        for row in rows[-_LONG:]:
            text = f"{row.event} {describe(row.detail)}".strip()
            at = columns.index(row.process) if row.process in columns else 0
            lines.append(f"{row.time:>10.4f} {'':<{at * (_COLUMN + 1)}}{text}")
        return "\n".join(lines)


def describe(detail: Any) -> str:
    """Return a request, reply or fault in few words."""
    if detail is None:
        return ""
    if isinstance(detail, Refused):
        codes = [reason.code for reason in detail.reasons]
        held = f" held: {_attributes(detail.item)}" if detail.item else ""
        return f"{detail.code}{f' {codes}' if codes else ''}{held}"
    if isinstance(detail, Mapping):
        return _parameters(detail)
    return str(detail)


def _parameters(params: Mapping[str, Any]) -> str:
    if "TransactItems" in params:
        return "; ".join(
            f"{kind} {_parameters(body)}"
            for action in params["TransactItems"]
            for kind, body in action.items()
        )
    shown = ("Key", "Item", "Attributes", "ExpressionAttributeValues")
    parts = [_attributes(params[name]) for name in shown if name in params]
    for name, word in (("UpdateExpression", ""), ("ConditionExpression", "if ")):
        if name in params:
            parts.append(word + params[name])
    return " ".join(parts)


def _attributes(item: Mapping[str, Any]) -> str:
    pairs = (f"{name}={_short(value)}" for name, value in item.items())
    return "{" + ", ".join(pairs) + "}"


def _short(attribute: Mapping[str, Any]) -> str:
    text = str(next(iter(attribute.values())))
    return text if len(text) <= 24 else text[:21] + "..."
