"""Locks, as people see them: those that are held, each by its name, and how one is broken.

Reading is for all who may read, but what a holder has stored with its lock is shown to those
alone who may break it. A break names the grant that was shown: it ends that one, and none that
came after.
"""

import asyncio
import json
import logging
import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from interlock.aio.locks import Deadlock, LockClient, LockPage, LockRecord
from interlock.errors import CorruptRecord, InvalidLockName, InvalidValue
from server.identity import person_of, raw_path
from server.limits import BodyTooLarge, read_body
from server.listing import EVERY, Listing
from server.lock_entries import corrupt_of, data_of, deadlock_of, entry_of
from server.origin import from_another_site
from server.problems import problem
from server.roles import Role
from server.settings import Settings
from server.store import Store

_PREFIX = b"/service/locks/"
_JSON = re.compile(r'application/json(\s*;\s*charset="?utf-8"?)?\s*', re.IGNORECASE)
_MEMBERS = frozenset({"lock", "fencing_token", "because"})
_MOST_TOKEN = 10**18
_MOST_WORDS = 400
_NO_GRANT = -1
"""A token that no grant has: by it a corrupt record is mended, and nothing else is ended."""
_log = logging.getLogger("server.locks")


class Unanswerable(Exception):
    """A request that is refused: `response` says why."""

    def __init__(self, status: int, detail: str, **members: Any) -> None:
        super().__init__(detail)
        self.response = problem(status, detail, **members)


class Locks:
    """Shows the table's locks, and breaks them. Without a table there are none."""

    def __init__(
        self, settings: Settings, store: Store | None, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._locks: LockClient | None = None
        self._listing = Listing(self._page, self._deadlocks)

    async def close(self) -> None:
        """Stop reading."""
        await self._listing.close()
        if self._locks is not None:
            await self._locks.close()

    async def answer_list(self, request: Request) -> Response:
        """Answer with the locks that are held, as they were up to `age` seconds ago.

        `whole` is false while the table is read for the first time, of which `scanned` records
        were; `held` is how many locks are held, of which up to 1,000 are there; `deadlocks` are
        those among them.
        """
        try:
            self._open()
            _refuse_parameters(request)
            found = await self._listing.now()
        except Exception as error:  # noqa: BLE001 - every failure of the table is a 503
            return _refusal(error)
        entries = [entry_of(record) for record in found.locks]
        entries += [corrupt_of(error) for error in found.corrupt]
        told = {
            "locks": sorted(entries, key=lambda entry: str(entry["name"])),
            "held": found.held,
            "whole": found.whole,
            "scanned": found.scanned,
            "deadlocks": [deadlock_of(one, shown=_may_break(request)) for one in found.deadlocks],
            "age": round(self._listing.age(found), 1),
            "every": EVERY,
            "table": self._store.table if self._store else None,
            "now": self._clock(),
        }
        return JSONResponse(told, headers={"cache-control": "no-store"})

    async def answer_one(self, request: Request) -> Response:
        """Answer with one lock, read consistently; 404 if it was never taken."""
        try:
            locks = self._open()
            name = _name(request)
            _refuse_parameters(request)
            record = await locks.inspect(name)
        except CorruptRecord as error:
            told = corrupt_of(error) | {"now": self._clock()}
            return JSONResponse(told, headers={"cache-control": "no-store"})
        except Exception as error:  # noqa: BLE001 - every failure of the table is a 503
            return _refusal(error)
        if record is None:
            return problem(404, f"the lock {name!r} was never taken, or long ago")
        return self._one(request, record)

    async def answer_break(self, request: Request) -> Response:
        """End one grant of a lock: 200 with the lock after it, 409 if that grant is over.

        To repeat the same request is safe: what was broken by it stays broken once.
        """
        try:
            self._open()
            name, token, because = await self._asked(request)
            record = await self._break(request, name, token, because)
        except Exception as error:  # noqa: BLE001 - every failure of the table is a 503
            return _refusal(error, name="lock", more="; the grant may be ended: look again")
        if record is None:
            which = "its record is sound" if token == _NO_GRANT else f"the grant {token} is over"
            return problem(409, f"nothing was broken: {which}", field="fencing_token")
        return self._one(request, record)

    async def _break(
        self, request: Request, name: str, token: int, because: str
    ) -> LockRecord | None:
        """Return the lock's record after the break, None if that grant is over."""
        locks, person = self._open(), person_of(request.scope)
        instance = self._settings.instance_id
        by = f"{person.name} by {instance}" if person else instance
        assert self._store is not None  # noqa: S101 - `_open` has looked
        async with LockClient(self._store.table, client=self._store.client(), owner=by) as breaking:
            record = await breaking.break_lock(name, because=because, fencing_token=token)
        told = {"lock": name, "fence": token, "because": because}
        if record is not None:
            _log.warning("a lock was broken", extra={"fields": told})
            return record
        # An earlier request may have done it, through any instance, whose answer was lost.
        after = await locks.inspect(name)
        broken = after.broken if after else None
        return (
            after if broken and (broken.fencing_token, broken.because) == (token, because) else None
        )

    async def _asked(self, request: Request) -> tuple[str, int, str]:
        """Return which grant of which lock is to be broken, and why."""
        if from_another_site(request):
            raise Unanswerable(403, "writes are taken from this service's own pages only")
        _refuse_parameters(request)
        _refuse_other_bodies(request)
        try:
            async with asyncio.timeout(self._settings.timeout):
                body = await read_body(request, self._settings.max_body)
        except BodyTooLarge:
            most = self._settings.max_body
            raise Unanswerable(413, f"the body has over {most} bytes") from None
        except TimeoutError:
            raise Unanswerable(408, "the body did not come in time") from None
        return _break_of(body)

    async def _page(self, after: str | None) -> LockPage:
        return await self._open().page(held=True, after=after)

    async def _deadlocks(self, locks: list[LockRecord]) -> tuple[Deadlock, ...]:
        return await self._open().deadlocks(among=locks)

    def _open(self) -> LockClient:
        """Return the client; raise `Unanswerable` where there is none."""
        if self._store is None:
            raise Unanswerable(404, "there are no locks: the service runs without a table")
        if not self._store.is_open:
            raise Unanswerable(503, "this instance has just started", headers={"retry-after": "1"})
        if self._locks is None:
            self._locks = LockClient(
                self._store.table, client=self._store.client(), owner=self._settings.instance_id
            )
        return self._locks

    def _one(self, request: Request, record: LockRecord) -> Response:
        """Return one lock; with its data, if the person who asks may break it."""
        data = data_of(record, shown=_may_break(request))
        entry = entry_of(record) | data | {"now": self._clock()}
        return JSONResponse(entry, headers={"cache-control": "no-store"})


def _may_break(request: Request) -> bool:
    """Whether who asks may break locks, and so is shown what their holders have stored."""
    person = person_of(request.scope)
    return person is None or person.role is Role.ADMINISTRATOR


def _name(request: Request) -> str:
    """Return the lock's name of a path: strictly, where the path parameter has a replacement."""
    raw = raw_path(request.scope).removeprefix(_PREFIX)
    if not raw:
        raise Unanswerable(404, "there is nothing at this address")
    try:
        return unquote(raw.decode("ascii"), errors="strict")
    except UnicodeDecodeError:
        raise Unanswerable(400, "the name is not UTF-8", field="name") from None


def _break_of(body: bytes) -> tuple[str, int, str]:
    try:
        # Of text: of bytes it would also take UTF-16.
        asked = json.loads(body.decode(), object_pairs_hook=_members)
    except (ValueError, RecursionError):
        raise Unanswerable(400, "the body is not JSON") from None
    if not isinstance(asked, dict):
        raise Unanswerable(400, "the body is not an object")
    for member in sorted(asked.keys() - _MEMBERS):
        raise Unanswerable(400, f"{_short(member)} is not known here", field=_short(member))
    for member in sorted(_MEMBERS - asked.keys()):
        raise Unanswerable(400, f"{member} is missing", field=member)
    token = asked["fencing_token"]
    if token is not None and not (type(token) is int and 0 <= token <= _MOST_TOKEN):
        detail = "give the token of the grant to end; null to mend a corrupt record"
        raise Unanswerable(400, detail, field="fencing_token")
    try:
        str(asked["because"]).encode()
    except UnicodeEncodeError:
        raise Unanswerable(400, "because is no text in UTF-8", field="because") from None
    return asked["lock"], _NO_GRANT if token is None else token, asked["because"]


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name in members:
            raise Unanswerable(400, f"{_short(name)} is there twice", field=_short(name))
        members[name] = value
    return members


def _short(name: str) -> str:
    return name[:20].encode("ascii", "replace").decode()


def _refuse_other_bodies(request: Request) -> None:
    """Refuse a body that is not said to be JSON, once, and as it is."""
    kinds = request.headers.getlist("content-type")
    if len(kinds) != 1 or not _JSON.fullmatch(kinds[0]):
        raise Unanswerable(415, "the body is to be application/json", field="Content-Type")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Unanswerable(415, "send the body as it is", field="Content-Encoding")


def _refuse_parameters(request: Request) -> None:
    for parameter in request.query_params:
        raise Unanswerable(400, f"{parameter[:20]} is not known here", field=parameter[:20])


def _refusal(error: Exception, *, name: str = "name", more: str = "") -> Response:
    """Return the answer that an error is; `name` is what a request calls the lock's name."""
    if isinstance(error, ClientDisconnect):
        raise error
    if isinstance(error, Unanswerable):
        return error.response
    if isinstance(error, InvalidLockName):
        return problem(400, str(error)[:_MOST_WORDS], field=name)
    if isinstance(error, InvalidValue):
        return problem(400, str(error)[:_MOST_WORDS], field="because")
    if isinstance(error, CorruptRecord):  # of a newer version, which is left alone
        return problem(409, str(error))
    _log.error("the table has not done what it was asked", exc_info=error)
    detail = f"the table cannot be read: {type(error).__name__}{more}"
    return problem(503, detail, headers={"retry-after": "5"})
