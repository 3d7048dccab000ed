"""The counters' history: one item a counter and minute, ended by TTL.

A minute's item holds a sample for each tick, under the tick's number. Only the leader writes, in
transactions that its lock guards: a leader that was stopped and woke up after another took over
adds nothing, however late its request arrives. So what a new leader reads after its grant is all
that the one before it has written, and it writes only what is absent: each tick keeps its first
sample.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from server.store import Store

if TYPE_CHECKING:
    from interlock.aio.locks import Lock
    from interlock.aio.transactions import Transaction
    from interlock.metrics import Metrics

MINUTE = 60
MOST_MINUTES = 1440
"""Items that one reading asks for: of a longer time, it takes every second, third, ... minute."""
_ACTIONS = 99  # of DynamoDB's 100 in a transaction; one is the guard


class History:
    """Keeps samples for `keep` seconds; writes one chunk of them within `timeout` seconds."""

    def __init__(
        self,
        store: Store,
        keep: float,
        *,
        timeout: float = 5.0,
        metrics: "Metrics | None" = None,
    ) -> None:
        self._store = store
        self._keep = keep
        self._metrics = metrics
        self._timeout = timedelta(seconds=timeout)

    async def record(self, tick: int, values: Mapping[str, int], lock: "Lock") -> None:
        """Write the values at `tick` (epoch seconds) in the name of the lock's holder.

        Raises `LockLost` if the lock is not held any more, and whatever else
        `TransactionClient.run` raises; some of the values may be written then.
        """
        # Imported here, as the leader alone needs it: it costs a tenth of the service's start.
        from interlock.aio.transactions import TransactionClient

        transactions = TransactionClient(
            self._store.table,
            client=self._store.client(),
            timeout=self._timeout,
            metrics=self._metrics,
        )
        remaining = iter(values.items())
        while chunk := list(islice(remaining, _ACTIONS)):
            await transactions.run(partial(self._write, tick, chunk, lock))

    async def absent(self, tick: int, names: Iterable[str]) -> set[str]:
        """Return those of the counters that have no sample at `tick`."""
        names = set(names)
        found = await self._store.get([_key(name, _minute(tick)) for name in names])
        return {
            name for name in names if f"t{tick}" not in found.get(_key(name, _minute(tick)), ())
        }

    async def read(self, name: str, *, since: float, until: float) -> list[list[int | str]]:
        """Return `[tick, value, fence]` in order, from `since` to `until` (epoch seconds).

        The value is decimal text: a counter has up to 38 digits, a browser's numbers 15. Of a
        time that is longer than `MOST_MINUTES`, whole minutes are left out, evenly.
        """
        minutes = range(_minute(int(since)), int(until) + 1, MINUTE * stride(until - since))
        keys = [_key(name, minute) for minute in minutes]
        found = await self._store.get(keys)
        samples: list[list[int | str]] = []
        for key in keys:
            samples += _samples(found.get(key, {}))
        return [sample for sample in samples if int(sample[0]) >= since]

    async def _write(
        self, tick: int, values: Iterable[tuple[str, int]], lock: "Lock", tx: "Transaction"
    ) -> None:
        minute = _minute(tick)
        expires = int(minute + MINUTE + self._keep)
        tx.guard(lock)
        for name, value in values:
            sample = {f"t{tick}": [value, lock.fencing_token], "expires": expires}
            tx.update(self._store.table, {"pk": _key(name, minute)}, sample)


def stride(span: float) -> int:
    """Return of how many minutes one is read, of `span` seconds."""
    return max(1, math.ceil(span / MINUTE / MOST_MINUTES))


def _samples(item: Mapping[str, Any]) -> Sequence[list[int | str]]:
    ticks = sorted(
        (int(name[1:]), name) for name in item if name[0] == "t" and name[1:].isdecimal()
    )
    return [[t, item[name]["L"][0]["N"], int(item[name]["L"][1]["N"])] for t, name in ticks]


def _minute(tick: int) -> int:
    return tick - tick % MINUTE


def _key(name: str, minute: int) -> str:
    return f"history#{name}#{minute}"
