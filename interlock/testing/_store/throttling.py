"""The limit that one partition key has, however much the table has.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from interlock._protocol.faults import CancellationReason, Refused
from interlock.testing._store.tables import Contents, Place

_EXCEEDED = "The level of configured provisioned throughput for one or more partitions was exceeded"


@dataclass(slots=True)
class PartitionLimit:
    """Token buckets: units a second for each partition key, and as many saved up at most."""

    writes: float = 1000.0
    reads: float = 3000.0
    _buckets: dict[tuple[str, Any, str], tuple[float, float]] = field(default_factory=dict)

    def admit_write(self, place: Place, units: float, now: float) -> None:
        """Take write units, or refuse."""
        if not self._take(place, "writes", self.writes, units, now):
            raise Refused("ProvisionedThroughputExceededException", _EXCEEDED)

    def admit_read(self, place: Place, units: float, now: float) -> None:
        """Take read units, or refuse."""
        if not self._take(place, "reads", self.reads, units, now):
            raise Refused("ProvisionedThroughputExceededException", _EXCEEDED)

    def admit_transaction(self, contents: Contents, params: Mapping[str, Any], now: float) -> None:
        """Take two write units an action (one to prepare, one to commit), or cancel."""
        reasons = []
        for action in params["TransactItems"]:
            ((kind, body),) = action.items()
            table = contents.table(body["TableName"])
            key = table.key_of(body["Item" if kind == "Put" else "Key"])
            admitted = self._take(Place(table.name, key), "writes", self.writes, 2.0, now)
            reasons.append(
                CancellationReason("None")
                if admitted
                else CancellationReason("ThrottlingError", _EXCEEDED)
            )
        if any(reason.code != "None" for reason in reasons):
            raise Refused(
                "TransactionCanceledException", "Transaction cancelled", reasons=tuple(reasons)
            )

    def _take(self, place: Place, kind: str, rate: float, units: float, now: float) -> bool:
        bucket = (place.table, place.key[0], kind)
        level, since = self._buckets.get(bucket, (rate, now))
        level = min(rate, level + (now - since) * rate)
        # The service lets a request through while anything is left, and owes the rest.
        admitted = level >= min(units, 1.0)
        self._buckets[bucket] = (level - units if admitted else level, now)
        return admitted
