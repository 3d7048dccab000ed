"""What locks count and time, as metrics, if anybody asked for them."""

from typing import Protocol

from interlock.metrics import Metric, Metrics, table_label


class Taken(Protocol):
    """An acquisition that has ended."""

    @property
    def contended(self) -> bool:
        """Whether it met another holder."""

    @property
    def waited(self) -> float:
        """The seconds that it took."""


class Gauge:
    """Records into `metrics`, by the dimension `Table`; nothing without them."""

    def __init__(self, table: str, metrics: Metrics | None) -> None:
        self._metrics = metrics
        self._dimensions = {"Table": table_label(table)}

    def acquired(self, taken: Taken, count: int = 1) -> None:
        """Note locks that were acquired together."""
        if self._metrics is not None:
            contended = {Metric.LOCKS_CONTENDED: 1} if taken.contended else {}
            values = {Metric.LOCKS_ACQUIRED: count, Metric.LOCK_WAIT_TIME: taken.waited * 1000}
            self._metrics.record({**values, **contended}, self._dimensions)

    def not_acquired(self, taken: Taken) -> None:
        """Note an acquisition that failed."""
        if self._metrics is not None and taken.contended:
            self._metrics.record({Metric.LOCKS_CONTENDED: 1}, self._dimensions)

    def lost(self) -> None:
        """Note a lock that was lost."""
        if self._metrics is not None:
            self._metrics.record({Metric.LOCKS_LOST: 1}, self._dimensions)
