"""Ways to get the lines of a client's waiters wrong, each of which the simulator has to notice."""

from interlock._drivers import lines
from interlock.aio.locks import _queue
from tests.simulation.mutation import Mistake

MISTAKES = (
    Mistake(
        "lock that is handed on for ever",
        "lines-calm",
        lines,
        "if first is None or now - self._since.get(name, now) >= _POLLS * self.poll:",
        "if first is None:",
        "is handed on what others wait for",
    ),
    Mistake(
        "first one that leaves without a word to the next",
        "lines-calm",
        lines,
        "        first = self._first(name)\n        if first is not None:\n",
        "        first = None\n        if first is not None:\n",
        "is first, and has not asked",
    ),
    Mistake(
        "place that one who left keeps",
        "lines-calm",
        lines,
        "if place() not in (None, ticket)",
        "if place() is not None",
        "no progress",
    ),
    Mistake(
        "line whose last comes first",
        "lines-calm",
        lines,
        ".append(ref(ticket))",
        ".insert(0, ref(ticket))",
        "came before|asks out of its turn",
    ),
    Mistake(
        "waiters that all ask the store",
        "lines-calm",
        _queue,
        "while not self._lines.is_first(name, self._ticket):",
        "while False:",
        "asks out of its turn",
    ),
    Mistake(
        "time in the line that does not count",
        "lines-calm",
        _queue,
        "self._end = end = self._acquisition.begin(clock())",
        'self._end = end = float("inf")',
        "waited .* s for",
    ),
    Mistake(
        "event that is looked at when it is one's turn",
        "lines-calm",
        _queue,
        "step = seconds if cancel is None else min(seconds, LOOK)",
        "step = seconds",
        "waits, and its event is set",
    ),
    Mistake(
        "line that learns one after the other that the store does not answer",
        "lines-away",
        _queue,
        "self._lines.disperse(name)",
        "pass",
        "was told after",
    ),
)
