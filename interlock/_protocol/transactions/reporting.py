"""Reports of transactions, and their receivers."""

import logging
from collections.abc import Callable

from interlock._dataclasses import dataclass
from interlock._exports import public_in
from interlock._protocol.kinds import checked_metrics, optional_function
from interlock.metrics import Metric, Metrics, note, table_label

_log = logging.getLogger("interlock")


@public_in("interlock.transactions")
@dataclass(frozen=True, slots=True)
class TransactionReport:
    """The attempts and the time of one transaction; times in seconds.

    `attempts` counts runs of the function (0 for a replay), `conflicts` and `throttles` what the
    store refused on the way, `committed` whether it ended well, `replayed` whether its idempotency
    key had been used before, `condition_refused` whether a condition of the caller's did not hold.
    """

    attempts: int
    conflicts: int
    throttles: int
    seconds: float
    committed: bool
    replayed: bool
    condition_refused: bool = False


@dataclass(frozen=True, slots=True)
class Observers:
    """Receivers of a report of each transaction of a client, however it ended.

    Nothing that they raise reaches the caller, whose transaction has been committed or not.
    """

    table: str
    metrics: Metrics | None
    on_finish: Callable[[TransactionReport], None] | None

    def __post_init__(self) -> None:
        checked_metrics(self.metrics)
        optional_function("on_finish", self.on_finish, "one that takes a TransactionReport")

    @property
    def enabled(self) -> bool:
        """Whether there is an observer."""
        return self.metrics is not None or self.on_finish is not None

    def notify(self, report: TransactionReport) -> None:
        """Report a transaction to each of them."""
        if self.metrics is not None:
            values = {
                Metric.TRANSACTION_ATTEMPTS: report.attempts,
                Metric.TRANSACTION_CONFLICTS: report.conflicts,
                Metric.TRANSACTION_THROTTLES: report.throttles,
                Metric.TRANSACTION_TIME: report.seconds * 1000,
                Metric.CONDITIONS_REFUSED: int(report.condition_refused),
            }
            note(self.metrics, values, {"Table": table_label(self.table)})
        try:
            if self.on_finish is not None:
                self.on_finish(report)
        except Exception:  # noqa: BLE001 - the application's code, which may raise anything
            _log.debug("a transaction's report was not taken", exc_info=True)
