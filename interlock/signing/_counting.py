"""Counts what went wrong, for those who asked for metrics."""

from collections.abc import Iterator
from contextlib import contextmanager

from interlock.errors import InterlockError
from interlock.metrics import Metric, Metrics


@contextmanager
def errors_counted(metrics: Metrics | None, key_id: str) -> Iterator[None]:
    """Count each error of a signature under the key's id, as the caller has named it."""
    try:
        yield
    except InterlockError:
        if metrics is not None:
            metrics.record({Metric.SIGNING_ERRORS: 1}, {"KeyId": key_id})
        raise
