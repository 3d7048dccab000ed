"""Who leads the group: the lock `service/leader`, held by the instance that samples the history.

The lock's record is `lock#service/leader` in the coordination table. A waiter takes over when it
has itself seen `version` unchanged for a lease on its own monotonic clock; no wall clock decides.
"""

import asyncio
import logging
import random
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from server.store import Store

LOCK = "lock#service/leader"
_log = logging.getLogger("server.leading")


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One time of leading: its fencing token, and since when (epoch seconds, to be shown)."""

    table: str
    fence: int
    since: float = field(default_factory=time.time)

    def guard(self) -> dict[str, Any]:
        """Return the ConditionCheck that fails once another term has begun or this one ended."""
        return {
            "TableName": self.table,
            "Key": {"pk": {"S": LOCK}},
            "ConditionExpression": "fence = :fence AND attribute_exists(version)",
            "ExpressionAttributeValues": {":fence": {"N": str(self.fence)}},
        }


class Leading:
    """Campaigns, leads, and campaigns again when the lead was lost.

    `lease` is in seconds. `duty` is awaited over and over while this instance leads; it paces
    itself.
    """

    def __init__(
        self,
        store: Store,
        owner: str,
        lease: float,
        duty: Callable[[Term], Awaitable[None]],
    ) -> None:
        self._store = store
        self._owner = owner
        self._lease = lease
        self._duty = duty
        self._version: str | None = None
        self._tried: str | None = None
        self._until = 0.0
        self.term: Term | None = None

    async def run(self) -> None:
        """Run until cancelled; then resign, so that nobody waits out the lease."""
        while True:
            try:
                await self._campaign()
                await self._lead()
            except Exception:  # noqa: BLE001 - whatever it is, the loop outlives it
                _log.exception("the election failed; it goes on")
                await asyncio.sleep(self._lease / 10)

    async def _campaign(self) -> None:
        seen, since = "", time.monotonic()
        while True:
            record = (await self._store.get([LOCK])).get(LOCK, {})
            held: str | None = record.get("version", {}).get("S")
            if held != seen:
                seen, since = held or "", time.monotonic()
            lease = float(record.get("lease_ms", {}).get("N", self._lease * 1000)) / 1000
            free = held is None or time.monotonic() - since > lease
            if free and await self._grant(held):
                return
            await asyncio.sleep(self._lease / 20 * (0.5 + random.random()))  # noqa: S311 - jitter

    async def _grant(self, held: str | None) -> bool:
        version = str(uuid.uuid4())
        before = time.monotonic()
        condition = "attribute_not_exists(version)" if held is None else "version = :held"
        values = {
            ":version": {"S": version},
            ":owner": {"S": self._owner},
            ":lease": {"N": str(int(self._lease * 1000))},
            ":seed": {"N": str(int(time.time() * 1000))},
            ":one": {"N": "1"},
            **({":held": {"S": held}} if held is not None else {}),
        }
        names = {"#owner": "owner"}
        record = await self._write(
            "SET fence = if_not_exists(fence, :seed) + :one, version = :version, "
            "#owner = :owner, lease_ms = :lease REMOVE expires",
            condition,
            values,
            names,
            version,
        )
        if record is None:
            return False
        self._version, self._tried, self._until = version, None, before + self._lease
        self.term = Term(table=self._store.table, fence=int(record["fence"]["N"]))
        _log.info("leading", extra={"fields": {"fence": self.term.fence}})
        return True

    async def _lead(self) -> None:
        assert self.term is not None  # noqa: S101 - granted just now
        duty = asyncio.create_task(self._keep_at(self.term), name="duty")
        try:
            while await self._renew():  # noqa: ASYNC110 - a heartbeat, not a wait for a condition
                await asyncio.sleep(self._lease / 4)
        finally:
            duty.cancel()
            _log.warning("leads no longer", extra={"fields": {"fence": self.term.fence}})
            if self._resigning():
                await self._resign()
            self.term = None

    @staticmethod
    def _resigning() -> bool:
        """Whether this is the end of the whole task, with the lock still ours to give back."""
        task = asyncio.current_task()
        return bool(task and task.cancelling())

    async def _keep_at(self, term: Term) -> None:
        while True:
            try:
                await self._duty(term)
            except Exception:  # noqa: BLE001 - whatever it is, the loop outlives it
                _log.exception("the leader's duty failed; it goes on")
                await asyncio.sleep(1)

    async def _renew(self) -> bool:
        """Return whether this instance still leads."""
        before, version = time.monotonic(), str(uuid.uuid4())
        try:
            record = await self._write(
                "SET version = :version",
                # The heartbeat before this one may have been carried out although its answer
                # was lost: either version is ours.
                "version = :mine OR version = :tried",
                {
                    ":version": {"S": version},
                    ":mine": {"S": self._version},
                    ":tried": {"S": self._tried or self._version},
                },
                {},
                version,
            )
        except Exception:  # noqa: BLE001 - whatever it is, the loop outlives it
            _log.exception("a heartbeat failed")
            self._tried = version
            return time.monotonic() < self._until
        if record is None:
            return False
        self._version, self._tried, self._until = version, None, before + self._lease
        return True

    async def _resign(self) -> None:
        try:
            await self._write(
                "REMOVE version", "version = :mine", {":mine": {"S": self._version}}, {}, ""
            )
        except Exception:  # noqa: BLE001 - must not take the place of the cancellation
            _log.exception("the lead could not be given back; it ends with its lease")

    async def _write(
        self,
        update: str,
        condition: str,
        values: Mapping[str, Any],
        names: Mapping[str, str],
        version: str,
    ) -> Mapping[str, Any] | None:
        """Return the lock's record after the write, or None if it was refused.

        A refusal that shows the version of this very attempt is a lost reply: it succeeded.
        """
        try:
            reply = await self._store.client().update_item(
                TableName=self._store.table,
                Key={"pk": {"S": LOCK}},
                UpdateExpression=update,
                ConditionExpression=condition,
                ExpressionAttributeValues=values,
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **({"ExpressionAttributeNames": names} if names else {}),
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            item: Mapping[str, Any] = error.response.get("Item", {})  # type: ignore[assignment]
            return item if version and item.get("version", {}).get("S") == version else None
        attributes: Mapping[str, Any] = reply["Attributes"]
        return attributes
