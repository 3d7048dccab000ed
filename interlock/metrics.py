"""Metrics as log lines that CloudWatch Logs turns into metrics: no call of an API, no dependency.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import enum
import json
import logging
import sys
import time
from collections.abc import Callable, Mapping
from typing import Protocol

__all__ = ["NAMESPACE", "EmbeddedMetrics", "Metric", "Metrics"]

NAMESPACE = "Interlock"

_log = logging.getLogger("interlock")


class Metric(enum.StrEnum):
    """Metrics of the runtime. All have the dimension `Table`, signing has `KeyId`.

    `LOCK_HOLD_TIME` is how long a client held a lock that it has given back, or lost, as it learns
    of it: a term of a leader, too, and the whole time for which a job is taken. `LEADING` is for
    applications to report: 1 a minute and more by the process that leads.
    """

    LOCKS_ACQUIRED = "LocksAcquired"
    LOCKS_CONTENDED = "LocksContended"
    LOCKS_LOST = "LocksLost"
    LOCKS_BROKEN = "LocksBroken"
    LOCK_WAIT_TIME = "LockWaitTime"
    LOCK_HOLD_TIME = "LockHoldTime"
    LEADING = "Leading"
    TRANSACTION_ATTEMPTS = "TransactionAttempts"
    TRANSACTION_CONFLICTS = "TransactionConflicts"
    TRANSACTION_THROTTLES = "TransactionThrottles"
    TRANSACTION_TIME = "TransactionTime"
    CONDITIONS_REFUSED = "ConditionsRefused"
    SIGNING_ERRORS = "SigningErrors"

    @property
    def unit(self) -> str:
        """CloudWatch's unit: times are in milliseconds, all else is counted."""
        return "Milliseconds" if self.endswith("Time") else "Count"


def table_label(table: str) -> str:
    """Return a table's name for the dimension `Table`, where the client was given its ARN."""
    return table.rpartition(":table/")[2]


class Metrics(Protocol):
    """A receiver of a client's metrics. Must return soon, and is called from any thread.

    What it raises is dropped, and never fails what is measured.
    """

    def record(self, values: Mapping[Metric, float], dimensions: Mapping[str, str]) -> None:
        """Take note of values that were measured together; times are in milliseconds."""
        ...


class EmbeddedMetrics:
    """Writes each record as one line of JSON in CloudWatch's embedded metric format.

    `write` takes one line without its end, e.g. the `info` of a logger that adds nothing to its
    messages (default: the standard output, which is the log of a Lambda function). A line that
    cannot be written is dropped: measuring never fails what is measured. `namespace` (default
    "Interlock") is where the constructs' metrics and alarms look. `clock` gives seconds since the
    epoch.
    """

    def __init__(
        self,
        write: Callable[[str], object] | None = None,
        *,
        namespace: str = NAMESPACE,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._write = write or _print
        self._namespace = namespace
        self._clock = clock

    def record(self, values: Mapping[Metric, float], dimensions: Mapping[str, str]) -> None:
        """Write one line with these values."""
        directive = {
            "Namespace": self._namespace,
            "Dimensions": [list(dimensions)],
            "Metrics": [{"Name": metric.value, "Unit": metric.unit} for metric in values],
        }
        document = {
            "_aws": {"Timestamp": int(self._clock() * 1000), "CloudWatchMetrics": [directive]},
            **dimensions,
            **{metric.value: value for metric, value in values.items()},
        }
        try:
            self._write(json.dumps(document, separators=(",", ":"), allow_nan=False))
        except Exception:  # noqa: BLE001 - `write` is the application's, and may raise anything
            _log.debug("metrics could not be written", exc_info=True)


def note(metrics: Metrics, values: Mapping[Metric, float], dimensions: Mapping[str, str]) -> None:
    """Have a receiver take note of values, whatever it raises."""
    try:
        metrics.record(values, dimensions)
    except Exception:  # noqa: BLE001 - the application's own, and it may raise anything
        _log.debug("metrics were not taken", exc_info=True)


class Acquired(Protocol):
    """An acquisition that has ended, as far as it is measured."""

    @property
    def contended(self) -> bool:
        """Whether it met another holder."""

    @property
    def waited(self) -> float:
        """The seconds that it took."""


class LockMetrics:
    """Records what happens to the locks of a table; nothing if there are no `metrics`."""

    def __init__(self, table: str, metrics: Metrics | None) -> None:
        self._metrics = metrics
        self._dimensions = {"Table": table_label(table)}

    def acquired(self, acquisition: Acquired, count: int) -> None:
        """Note locks that were acquired together."""
        if self._metrics is not None:
            contended = {Metric.LOCKS_CONTENDED: 1} if acquisition.contended else {}
            values = {
                Metric.LOCKS_ACQUIRED: count,
                Metric.LOCK_WAIT_TIME: acquisition.waited * 1000,
            }
            note(self._metrics, {**values, **contended}, self._dimensions)

    def not_acquired(self, acquisition: Acquired) -> None:
        """Note an acquisition that failed."""
        if self._metrics is not None and acquisition.contended:
            note(self._metrics, {Metric.LOCKS_CONTENDED: 1}, self._dimensions)

    def ended(self, held: float | None, *, lost: bool, broken: bool) -> None:
        """Note a lock that is held no more, for how many seconds it was, and whether it was lost.

        `held` None: it was noted before. `broken`: it was lost to a client that broke it.
        """
        values: dict[Metric, float] = {}
        if held is not None:
            values[Metric.LOCK_HOLD_TIME] = held * 1000
        if lost:
            values[Metric.LOCKS_LOST] = 1
        if broken:
            values[Metric.LOCKS_BROKEN] = 1
        if self._metrics is not None and values:
            note(self._metrics, values, self._dimensions)


def _print(line: str) -> None:
    # In one piece: lines of several threads would otherwise run into each other.
    sys.stdout.write(f"{line}\n")
