"""Processes that wait for each other: a latch that opens once, and a barrier that all arrive at.

Each is a counter (docs/counters.md), so who may use it is said by `grant_counters`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial

from interlock._protocol.counters.awaiting import GRACE, reached
from interlock._protocol.counters.bounds import checked_integer
from interlock._protocol.durations import patience, seconds
from interlock._protocol.kinds import checked_instance
from interlock._protocol.requests import Operation, new_id
from interlock.aio.counters import Counter, CounterClient
from interlock.errors import CounterLimitExceeded, CounterMismatch

__all__ = ["Barrier", "CountDownLatch"]

_MEETINGS = 10**15  # of a barrier
_MOST = 10**9
_POLL = timedelta(milliseconds=500)


class CountDownLatch:
    """Opens, for good, when it has been counted down `count` times (1 to 10^9).

    All clients give the same `count`; if it was made with another, each method raises
    `CounterMismatch`. `poll` (default 0.5 s, jittered) is how often a waiter looks. It is the
    counter `name`, which starts at 0 and rises; `Counter.delete` clears it away. Raises
    `InvalidValue` and `InvalidCounterName`.
    """

    def __init__(
        self, counters: CounterClient, name: str, *, count: int, poll: timedelta = _POLL
    ) -> None:
        self._count = _checked("count", count)
        self._poll = seconds("poll", poll, positive=True)
        self._counter = _checked_client(counters).counter(name, floor=0, ceiling=self._count)

    async def count_down(self, *, idempotency_key: str | None = None) -> int:
        """Count down by one, and return how many are left; 0 if it was open before.

        With a key it is counted once, however often it is called. Raises what `Counter.increment`
        does, but `CounterLimitExceeded`.
        """
        try:
            with _in_words("count", 1):
                change = await self._counter.increment(idempotency_key=idempotency_key)
        except CounterLimitExceeded:
            return 0
        return self._count - change.value

    async def left(self) -> int:
        """Return how often it is still to be counted down. Raises as `wait` does."""
        counter = self._counter
        with _in_words("count", 1):
            return self._count - await counter._driver.run(_look(counter, None))  # noqa: SLF001 - of the same library

    async def wait(self, timeout: timedelta | None = None) -> bool:
        """Wait until it is open; return False if the time-out (default: none) is before.

        Raises what `Counter.get` does, within a second after the time-out, and `CounterMismatch`.
        """
        end = _end(self._counter, timeout)
        with _in_words("count", 1):
            return await _reached(self._counter, self._count, end, self._poll)


class Barrier:
    """Lets `parties` (1 to 10^9) go on when all of them have arrived; over and over.

    All clients give the same number; if it was made with another, `CounterMismatch` is raised by
    `wait`. `poll` is as a latch's. It is the counter `name`, which counts arrivals: those of each
    meeting follow those of the one before. Raises `InvalidValue` and `InvalidCounterName`.
    """

    def __init__(
        self, counters: CounterClient, name: str, *, parties: int, poll: timedelta = _POLL
    ) -> None:
        self._parties = _checked("parties", parties)
        self._poll = seconds("poll", poll, positive=True)
        # A bound that is never met tells those with another number of parties.
        most = self._parties * _MEETINGS
        self._counter = _checked_client(counters).counter(name, floor=0, ceiling=most)

    async def wait(
        self,
        timeout: timedelta | None = None,
        *,
        idempotency_key: str | None = None,
    ) -> bool:
        """Arrive, and wait until all of this meeting have; return False if the time is up before.

        Who has arrived stays counted: the others do not wait for it again. A process that may be
        started again passes a key of its own for each meeting, with which it arrives once. Raises
        what `Counter.increment` and `Counter.get` do, within a second after the time-out.
        """
        end, counter = _end(self._counter, timeout), self._counter
        key = idempotency_key
        if key is None:
            key = await counter._driver.run(new_id())  # noqa: SLF001 - of the same library
        with _in_words("parties", _MEETINGS):
            arrived = await _arrive(counter, key, end)
        meeting = -(-arrived // self._parties)
        if arrived == meeting * self._parties:
            return True
        with _in_words("parties", _MEETINGS):
            return await _reached(counter, meeting * self._parties, end, self._poll)


@contextmanager
def _in_words(what: str, each: int) -> Iterator[None]:
    """Say of another ceiling which number it stands for, if it is one of the same kind."""
    try:
        yield
    except CounterMismatch as error:
        stored = error.stored
        if error.what != "ceiling" or stored is None or stored % each:
            raise
        raise CounterMismatch(error.name, what, error.declared // each, stored // each) from None


def _end(counter: Counter, timeout: timedelta | None) -> float:
    """Return when a time-out is over, on the monotonic clock of the counter's client."""
    limit = float("inf") if timeout is None else patience(timeout)
    return counter._driver.monotonic() + limit  # noqa: SLF001 - of the same library


async def _arrive(counter: Counter, key: str, end: float) -> int:
    operations, handle = counter._operations, counter._handle  # noqa: SLF001 - of the same library
    driver = counter._driver  # noqa: SLF001 - of the same library
    adding = operations.add(handle, 1, key, within=max(end - driver.monotonic(), GRACE))
    return (await driver.run(adding)).value


async def _reached(counter: Counter, value: int, end: float, poll: float) -> bool:
    waiting = reached(partial(_look, counter), value, end=end, poll=poll)
    return await counter._driver.run(waiting)  # noqa: SLF001 - of the same library


def _look(counter: Counter, within: float | None) -> Operation[int]:
    """Read the value, of a counter that was made with the bounds that are given here."""
    operations, handle = counter._operations, counter._handle  # noqa: SLF001 - of the same library
    return operations.get(handle, consistent=True, within=within, as_declared=True)


def _checked_client(counters: CounterClient) -> CounterClient:
    way_out = "the CounterClient itself, of the same half of the library"
    client: CounterClient = checked_instance("counters", counters, CounterClient, way_out)
    return client


def _checked(parameter: str, number: int) -> int:
    return checked_integer(number, parameter, least=1, most=_MOST)
