"""The group of instances, as the coordination table shows it, and the history its leader keeps.

Every instance writes a record of itself that ends by TTL, and its id into one roster, so that
reading the group is two reads of known keys and never a scan.
"""

import asyncio
import logging
import math
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from interlock.aio.locks import LockRecord
from server.history import MINUTE, History, stride
from server.leader import Leader
from server.members import Members
from server.problems import problem
from server.settings import Settings
from server.store import Store, text_of
from server.thinning import thinned, width

ROSTER = "service#roster"
REMEMBERED = 300.0
"""Seconds for which an instance that fell silent is still shown."""
SAMPLES = 600
"""Of a counter's history in one answer, about: a chart is hardly more points wide."""

_NAME = re.compile(r"[A-Za-z0-9._~:@-]{1,128}", re.ASCII)  # of a counter, as the API has it
_log = logging.getLogger("server.group")


class Group:
    """This instance's membership in the group.

    Without a table it reports itself as the only, leaderless member.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store | None,
        leader: Leader | None,
        *,
        members: Members | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._store = store
        self._leader = leader
        self._cloud_map = members
        self._clock = wall_clock
        self._started = wall_clock()
        self._history = History(store, settings.keep_history) if store else None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Report this instance, and stand for election, for as long as the context is open."""
        task = (
            asyncio.create_task(self._take_part(self._store), name="group") if self._store else None
        )
        try:
            yield
        finally:
            if task:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    async def _take_part(self, store: Store) -> None:
        # In the background: the first request need not wait for the table's client.
        await store.open()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._keep_reporting(store))
                if self._leader:
                    tasks.create_task(self._leader.run())
        finally:
            with suppress(Exception):
                await self._enlist(store, "DELETE", [self._settings.instance_id])
            await store.close()

    async def cluster(self) -> dict[str, Any]:
        """Return the instances that reported lately, and which of them leads.

        `silent` are those that have not reported for a lease: stopped, or paused. `members` are
        those that Cloud Map names, which hear of changes at once; None where it is not asked.
        """
        if not (self._store and self._store.is_open):
            alone = {"id": self._settings.instance_id, "started": int(self._started)}
            return {
                "instances": [{**alone, "silent": False}],
                "members": self._found,
                "leader": None,
                "standby": None,
            }
        records, (leader, standby) = await asyncio.gather(
            self._records(self._store), self._leader.records() if self._leader else _none()
        )
        now = self._clock()
        # The wall clock only decides what is shown; the lock decides who leads.
        instances = [
            {
                "id": identifier,
                "started": int(text_of(record, "started", "0")),
                "silent": _age(record, now) > self._settings.lease,
            }
            for identifier, record in sorted(records.items())
            if _age(record, now) < REMEMBERED
        ]
        speaking = {each["id"] for each in instances if not each["silent"]}
        return {
            "instances": instances,
            "members": self._found,
            "lease": self._settings.lease,
            "fence": leader.fencing_token if leader else None,
            "leader": _shown(leader) if leader and leader.owner in speaking else None,
            "standby": standby.owner if standby and standby.owner in speaking else None,
        }

    @property
    def _found(self) -> list[str] | None:
        found = self._cloud_map.found if self._cloud_map else None
        return [member.name for member in found] if found is not None else None

    async def _records(self, store: Store) -> dict[str, Mapping[str, Any]]:
        """Return the record of each instance on the roster that has one."""
        keys = {f"instance#{identifier}": identifier for identifier in await self._members(store)}
        found = await store.get(list(keys))
        return {keys[key]: record for key, record in found.items()}

    @staticmethod
    async def _members(store: Store) -> list[str]:
        roster = (await store.get([ROSTER])).get(ROSTER, {})
        members: list[str] = roster.get("members", {}).get("SS", [])
        return members

    async def answer_cluster(self, _: Request) -> Response:
        """Answer with the group."""
        try:
            return JSONResponse(await self.cluster(), headers={"cache-control": "no-store"})
        except Exception as error:  # noqa: BLE001 - every failure of the table is a 503
            _log.exception("the group could not be read")
            return _unreadable(error)

    async def answer_history(self, request: Request) -> Response:
        """Answer with a counter's samples of the last `minutes`: 1 to all that is kept, or 10.

        Of a long time there are about `SAMPLES`, `every` seconds apart at most two; `kept` is for
        how many seconds samples are kept.
        """
        if not self._history:
            return problem(404, "no history is kept: the service runs without a table")
        kept = self._settings.keep_history
        refusal = _refusal(request, math.ceil(kept / MINUTE))
        if refusal is not None:
            return refusal
        name, text = request.path_params["name"], request.query_params.get("minutes", "10")
        span = int(text) * MINUTE
        try:
            now = self._clock()
            samples = await self._history.read(name, since=now - span, until=now)
        except Exception as error:  # noqa: BLE001 - every failure of the table is a 503
            _log.exception("the history could not be read")
            return _unreadable(error)
        every = int(self._settings.sample_every)
        if len(samples) > SAMPLES:
            every = max(width(span, SAMPLES), stride(span) * MINUTE if stride(span) > 1 else 1)
            samples = thinned(samples, every)
        told = {"samples": samples, "every": every, "kept": int(kept)}
        return JSONResponse(told, headers={"cache-control": "no-store"})

    async def _keep_reporting(self, store: Store) -> None:
        while True:
            try:
                await self._report(store)
                if self._leader and self._leader.lock:
                    await self._forget_the_gone(store)
            except Exception:  # noqa: BLE001 - the loop outlives every failure of the table
                _log.exception("this instance could not report itself")
            await asyncio.sleep(self._settings.lease / 5)

    async def _report(self, store: Store) -> None:
        now = self._clock()
        identifier = self._settings.instance_id
        item = {
            "pk": {"S": f"instance#{identifier}"},
            "started": {"N": str(int(self._started))},
            "seen": {"N": f"{now:.3f}"},
            "expires": {"N": str(int(now + 3600))},
        }
        await store.client().put_item(TableName=store.table, Item=item)
        await self._enlist(store, "ADD", [identifier])

    async def _forget_the_gone(self, store: Store) -> None:
        """Take instances off the roster that were killed; a report puts an instance on it again.

        Otherwise the roster would grow with every instance that the group ever replaced. Cloud Map
        would too, for instances that register themselves there.
        """
        members, records, now = (
            await self._members(store),
            await self._records(store),
            self._clock(),
        )
        gone = [
            identifier
            for identifier in members
            if identifier not in records or _age(records[identifier], now) > REMEMBERED
        ]
        if gone:
            await self._enlist(store, "DELETE", gone)
        if self._cloud_map:
            self._cloud_map.forget_all_but(records.keys() - set(gone))

    async def _enlist(self, store: Store, verb: str, members: list[str]) -> None:
        await store.client().update_item(
            TableName=store.table,
            Key={"pk": {"S": ROSTER}},
            UpdateExpression=f"{verb} members :who",
            ExpressionAttributeValues={":who": {"SS": members}},
        )


def _refusal(request: Request, most: int) -> Response | None:
    """Return what is wrong with a request for a history of up to `most` minutes; None for none."""
    if not _NAME.fullmatch(request.path_params["name"]):
        return problem(400, "1 to 128 letters, digits and . _ ~ : @ - are wanted", field="name")
    for parameter in request.query_params:
        times = len(request.query_params.getlist(parameter))
        if parameter != "minutes" or times > 1:
            wrong = "not known here" if parameter != "minutes" else f"given {times} times"
            return problem(400, f"{parameter[:20]} is {wrong}", field=parameter[:20])
    text = request.query_params.get("minutes", "10")
    # Nine digits are more than any history; int() refuses to read thousands of them.
    if not (text.isascii() and text.isdecimal() and len(text) < 9 and 1 <= int(text) <= most):  # noqa: PLR2004 - nine digits, as said
        detail = f"minutes is {text[:20]!r}; give a whole number from 1 to {most}"
        return problem(400, detail, field="minutes")
    return None


def _unreadable(error: Exception) -> Response:
    detail = f"the table cannot be read: {type(error).__name__}"
    return problem(503, detail, headers={"retry-after": "5"})


def _age(record: Mapping[str, Any], now: float) -> float:
    """Seconds since the instance reported itself."""
    return now - float(text_of(record, "seen", "0"))


def _shown(leader: LockRecord) -> dict[str, Any]:
    since = int(leader.since.timestamp()) if leader.since else None
    return {"id": leader.owner, "fence": leader.fencing_token, "since": since}


async def _none() -> tuple[None, None]:
    return None, None
