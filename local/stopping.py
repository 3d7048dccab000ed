"""Being told to stop, at any moment, without losing hold of anything."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # Ctrl-C, `kill`, a closed window


class Stopped(BaseException):
    """A signal asks for the end; the message is the signal's name.

    No `Exception`, as KeyboardInterrupt is none: the SDK takes every one for a failed request.
    """


class _Holding:
    depth = 0
    pending: int | None = None


def stop_on_signals() -> None:
    """Let the first SIGINT, SIGTERM or SIGHUP raise `Stopped`, and no second one."""
    for number in _SIGNALS:
        signal.signal(number, _stop)


@contextmanager
def held() -> Iterator[None]:
    """Put off `Stopped` until the body is done: what it starts is then known and can be stopped."""
    _Holding.depth += 1
    try:
        yield
    finally:
        _Holding.depth -= 1
        number = _Holding.pending
        if number is not None and not _Holding.depth:
            _Holding.pending = None
            raise Stopped(signal.Signals(number).name)


def _stop(number: int, _frame: FrameType | None) -> None:
    # Once: a second Ctrl-C must not cut the stopping short and leave something running.
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    if _Holding.depth:
        _Holding.pending = number
        return
    raise Stopped(signal.Signals(number).name)
