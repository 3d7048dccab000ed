"""Counts what went wrong, for those who asked for metrics."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from interlock.errors import InterlockError
from interlock.metrics import Metric, Metrics, note


@contextmanager
def errors_counted(metrics: Metrics | None, key_id: Callable[[], str]) -> Iterator[None]:
    """Count each error of a signature under the key's ARN, or the caller's name for it."""
    try:
        yield
    except InterlockError:
        if metrics is not None:
            note(metrics, {Metric.SIGNING_ERRORS: 1}, {"KeyId": key_id()})
        raise
