"""The counters' history: one item a counter and minute, ended by TTL.

A minute's item holds a sample for each tick, under the tick's number. Only the leader writes, and
each write carries the guard of its lock, so that a leader that was stopped and woke up after
another took over adds nothing, however late its request arrives. `attribute_not_exists` on the
tick keeps the first sample where two leaders share a tick.
"""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from botocore.exceptions import ClientError

from server.store import Store

MINUTE = 60
_REFUSED = "ConditionalCheckFailed"
_ACTIONS = 99  # of DynamoDB's 100 in a transaction; one is the guard


class History:
    """Keeps samples for `keep` seconds."""

    def __init__(self, store: Store, keep: float) -> None:
        self._store = store
        self._keep = keep

    async def record(
        self, tick: int, values: Mapping[str, int], *, fence: int, guard: Mapping[str, Any]
    ) -> bool:
        """Write the values at `tick` (epoch seconds), but none that is there already.

        Returns whether the guard held; raises `ClientError` for any other refusal.
        """
        remaining = iter(values.items())
        while chunk := list(islice(remaining, _ACTIONS)):
            writes = [self._write(tick, name, value, fence) for name, value in chunk]
            if not await self._commit(writes, guard):
                return False
        return True

    async def _commit(self, writes: list[dict[str, Any]], guard: Mapping[str, Any]) -> bool:
        while writes:
            try:
                await self._store.client().transact_write_items(
                    TransactItems=[{"ConditionCheck": dict(guard)}, *writes]
                )
            except ClientError as error:
                if error.response["Error"]["Code"] != "TransactionCanceledException":
                    raise
                guarded, *reasons = (r["Code"] for r in error.response["CancellationReasons"])
                if guarded == _REFUSED:
                    return False
                # Those that are there were written by a leader before, perhaps its last act.
                absent = [w for w, why in zip(writes, reasons, strict=True) if why != _REFUSED]
                if len(absent) == len(writes):
                    raise
                writes = absent
            else:
                return True
        return True

    def _write(self, tick: int, name: str, value: int, fence: int) -> dict[str, Any]:
        minute = tick - tick % MINUTE
        return {
            "Update": {
                "TableName": self._store.table,
                "Key": {"pk": {"S": _key(name, minute)}},
                "UpdateExpression": "SET #tick = :sample, #expires = :expires",
                "ConditionExpression": "attribute_not_exists(#tick)",
                "ExpressionAttributeNames": {"#tick": f"t{tick}", "#expires": "expires"},
                "ExpressionAttributeValues": {
                    ":sample": {"L": [{"N": str(value)}, {"N": str(fence)}]},
                    ":expires": {"N": str(int(minute + MINUTE + self._keep))},
                },
            }
        }

    async def read(self, name: str, *, since: float, until: float) -> list[list[int | str]]:
        """Return `[tick, value, fence]` in order, from `since` to `until` (epoch seconds).

        The value is decimal text: a counter has up to 38 digits, a browser's numbers 15.
        """
        first = int(since) - int(since) % MINUTE
        keys = [_key(name, minute) for minute in range(first, int(until) + 1, MINUTE)]
        found = await self._store.get(keys)
        samples: list[list[int | str]] = []
        for key in keys:
            samples += _samples(found.get(key, {}))
        return [sample for sample in samples if int(sample[0]) >= since]


def _samples(item: Mapping[str, Any]) -> Sequence[list[int | str]]:
    ticks = sorted(
        (int(name[1:]), name) for name in item if name[0] == "t" and name[1:].isdecimal()
    )
    return [[t, item[name]["L"][0]["N"], int(item[name]["L"][1]["N"])] for t, name in ticks]


def _key(name: str, minute: int) -> str:
    return f"history#{name}#{minute}"
