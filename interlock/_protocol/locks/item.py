"""Read a lock's item, trusting nothing that it says before it was checked."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, DecimalException
from typing import Any, TypeAlias

from interlock._dataclasses import dataclass
from interlock._protocol.locks.runs import run_fence, run_of
from interlock._protocol.locks.settings import MOST_LEASE, PREFIX
from interlock._protocol.locks.state import JobRun, LockBreak, LockRecord, LockWaiter, LossReason
from interlock._protocol.locks.ticket import read
from interlock._protocol.values import from_attribute
from interlock.errors import CorruptRecord

Item: TypeAlias = Mapping[str, Any]

FORMAT = 1
ELECTION = "election"
MOST_FENCE = 10**18  # the seed is 10**12, and rises by one a grant
_MOST_DIGITS = 20
MOST_TIME = 253_402_300_799_999  # epoch milliseconds: the end of the year 9999


@dataclass(frozen=True, slots=True)
class LockItem:
    """A lock's item whose deciding attributes have been checked.

    `version` None: it is free. `door` is the writer's fence that has closed a reader's slot last,
    None if none is known. `waiters` are the tickets in its queue, the first one first.
    """

    table: str
    name: str
    fence: int
    version: str | None
    lease: float
    void_before: int
    door: int | None
    waiters: tuple[str, ...]
    attributes: Mapping[str, Any]

    @property
    def held_until(self) -> float | None:
        """The end of the lease by the holder's wall clock, in seconds since the epoch."""
        milliseconds = _whole(self.table, self.attributes, "held_until", 0, MOST_TIME)
        return None if milliseconds is None else milliseconds / 1000

    @property
    def last_break(self) -> LockBreak | None:
        """The last break of the lock; None if there was none, or it is not recorded clearly."""
        told = broken_of(self.attributes)
        texts = [told.get(name, {}).get("S") for name in ("because", "by", "owner")]
        numbers = [_exact(told.get(name, {}).get("N", "")) for name in ("at", "grant")]
        if texts[0] is None or texts[1] is None or min(numbers) < 0 or numbers[0] > MOST_TIME:
            return None
        at = datetime.fromtimestamp(numbers[0] / 1000, UTC)
        return LockBreak(texts[0], texts[1], at, numbers[1], texts[2])

    @property
    def follows_break(self) -> bool:
        """Whether this grant is the first one after a break."""
        return _exact(broken_of(self.attributes).get("fence", {}).get("N", "")) + 1 == self.fence

    @property
    def last_run(self) -> JobRun | None:
        """The last run of the job of this name; None if there is none, or no clear record."""
        return run_of(self.name, self.attributes)

    def for_people(self, wall: float) -> LockRecord:
        """Return the public form, as read at this wall clock. Raises `CorruptRecord`."""
        if self.version is None:
            return LockRecord(
                self.name,
                held=False,
                fencing_token=self.fence,
                broken=self.last_break,
                last_run=self.last_run,
                waiters=self._in_line(),
                election=ELECTION in self.attributes,
            )
        item, until = self.attributes, self.held_until
        since = _whole(self.table, item, "held_since", 0, MOST_TIME)
        return LockRecord(
            self.name,
            held=True,
            fencing_token=self.fence,
            owner=_text(self.table, item, "owner"),
            lease=timedelta(seconds=self.lease),
            since=None if since is None else datetime.fromtimestamp(since / 1000, UTC),
            data=from_attribute(item["data"]) if "data" in item else None,
            version=self.version,
            until=None if until is None else datetime.fromtimestamp(until, UTC),
            expired=until is not None and until < wall,
            resting=0 < self.fence == run_fence(item),
            broken=self.last_break,
            last_run=self.last_run,
            waiters=self._in_line(),
            election=ELECTION in item,
        )

    def _in_line(self) -> tuple[LockWaiter, ...]:
        """Return those who wait for their turn, as far as their tickets say who they are."""
        tickets = enumerate(map(read, self.waiters))
        return tuple(
            LockWaiter(
                rank,
                ticket.owner,
                datetime.fromtimestamp(ticket.since / 1000, UTC),
                ticket.holds,
            )
            for rank, ticket in tickets
            if ticket is not None
        )


def parse(table: str, item: Mapping[str, Any]) -> LockItem:
    """Return an item whose deciding attributes are as a client of this library writes them.

    Raises `CorruptRecord` for all else: nothing may be decided by such a record.
    """
    name = item["pk"]["S"].removeprefix(PREFIX)
    if (_whole(table, item, "format", 1, MOST_FENCE) or FORMAT) > FORMAT:
        raise CorruptRecord(table, item["pk"]["S"], "format", item["format"], newer=True)
    version = _text(table, item, "version")
    lease_ms = _whole(table, item, "lease_ms", 1, round(MOST_LEASE * 1000))
    if version is not None and lease_ms is None:
        raise CorruptRecord(table, item["pk"]["S"], "lease_ms", None)
    return LockItem(
        table,
        name,
        _whole(table, item, "fence", 0, MOST_FENCE) or 0,
        version,
        (lease_ms or 0) / 1000,
        _whole(table, item, "void_before", 0, MOST_TIME) or 0,
        _whole(table, item, "door", 0, MOST_FENCE),
        _tickets(table, item),
        item,
    )


def key_of(name: str) -> dict[str, Any]:
    """Return the primary key of a lock's item."""
    return {"pk": {"S": PREFIX + name}}


def is_of(item: Mapping[str, Any] | None, name: str) -> bool:
    """Return whether this is an item of that lock."""
    return item is not None and item.get("pk") == {"S": PREFIX + name}


def shows(item: Mapping[str, Any] | None, version: str) -> bool:
    """Return whether an item, or part of one, has this version: so was written by its request."""
    return item is not None and item.get("version") == {"S": version}


def version_of(item: Mapping[str, Any] | None) -> str | None:
    """Return the version of a held lock, None of a free one; unchecked."""
    held = item.get("version") if item else None
    return None if held is None else held.get("S", "")


def broken_of(item: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return what an item says of its last break, unchecked; empty if it says nothing."""
    told = (item or {}).get("broken", {}).get("M")
    return told if isinstance(told, Mapping) else {}


def sound_number(table: str, item: Mapping[str, Any], attribute: str) -> int | None:
    """Return what a deciding number is, None if it is not there or is none that decides."""
    most = MOST_TIME if attribute == "void_before" else MOST_FENCE
    try:
        return _whole(table, item, attribute, 0, most)
    except CorruptRecord:
        return None


def loss_of(item: Mapping[str, Any] | None, fence: int) -> LossReason:
    """Return how the lock of this fence was lost, by a record that has none of its versions."""
    if not item:
        return LossReason.DELETED
    if broken_of(item).get("grant") == {"N": str(fence)}:
        return LossReason.BROKEN
    if "version" not in item and item.get("fence") == {"N": str(fence)}:
        return LossReason.RELEASED
    return LossReason.TAKEN_OVER


def _whole(
    table: str, item: Mapping[str, Any], attribute: str, least: int, most: int
) -> int | None:
    """Return a whole number within bounds, None if it is not there; else raise."""
    found = item.get(attribute)
    if found is None:
        return None
    text = found.get("N", "")
    number = int(text) if text.isdecimal() else _exact(text)
    if not least <= number <= most:
        raise CorruptRecord(table, item["pk"]["S"], attribute, found)
    return number


def _tickets(table: str, item: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the tickets in the queue of a lock, none if it has no queue; else raise."""
    found = item.get("queue")
    if found is None:
        return ()
    tickets = [entry.get("S") for entry in found.get("L", [{}])]
    if not all(tickets):
        raise CorruptRecord(table, item["pk"]["S"], "queue", found)
    return tuple(tickets)


def _text(table: str, item: Mapping[str, Any], attribute: str) -> str | None:
    found = item.get(attribute)
    if found is None:
        return None
    text: str = found.get("S", "")
    if not text:
        raise CorruptRecord(table, item["pk"]["S"], attribute, found)
    return text


def _exact(text: str) -> int:
    """Return the whole number that another spelling ("1E3") says, -1 if it says none."""
    try:
        exact = Decimal(text)
    except DecimalException:
        return -1
    small = exact.is_finite() and exact.adjusted() < _MOST_DIGITS
    return int(exact) if small and exact == exact.to_integral_value() else -1
