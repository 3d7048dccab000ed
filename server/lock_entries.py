"""Locks as JSON has them for people; times are seconds since the epoch."""

from datetime import datetime, timedelta
from typing import Any

from interlock.aio.locks import Deadlock, DeadlockLink, LockBreak, LockRecord
from interlock.errors import CorruptRecord


def entry_of(record: LockRecord) -> dict[str, Any]:
    """Return a lock, without what its holder has stored."""
    state = ("expired" if record.expired else "held") if record.held else "free"
    return {
        "name": record.name,
        "state": state,
        "fencing_token": record.fencing_token,
        "owner": record.owner,
        "since": _seconds(record.since),
        "until": _seconds(record.until),
        "lease": None if record.lease is None else record.lease / timedelta(seconds=1),
        "broken": record.broken and _break(record.broken),
        "waiters": [
            {"owner": waiter.owner, "since": _seconds(waiter.since)} for waiter in record.waiters
        ],
    }


def corrupt_of(error: CorruptRecord) -> dict[str, Any]:
    """Return a record that cannot be relied upon."""
    name = error.key.partition("#")[2]
    return {
        "name": name,
        "state": "corrupt",
        "attribute": error.attribute,
        "newer": error.newer,
    }


def data_of(record: LockRecord | DeadlockLink, *, shown: bool) -> dict[str, Any]:
    """Return what the holder of a lock has stored with it, or whether there is any."""
    return {
        "data": _plain(record.data) if shown else None,
        "data_withheld": record.data is not None and not shown,
    }


def deadlock_of(deadlock: Deadlock, *, shown: bool) -> dict[str, Any]:
    """Return a deadlock, with the data of its locks for those who are shown it."""
    links = [
        {
            "owner": link.owner,
            "holds": link.holds,
            "fencing_token": link.fencing_token,
            "held_since": _seconds(link.held_since),
            "waits_for": link.waits_for,
            "since": _seconds(link.since),
        }
        | data_of(link, shown=shown)
        for link in deadlock.links
    ]
    return {"certain": deadlock.certain, "since": _seconds(deadlock.since), "links": links}


def _break(broken: LockBreak) -> dict[str, Any]:
    return {
        "because": broken.because,
        "by": broken.by,
        "at": broken.at.timestamp(),
        "fencing_token": broken.fencing_token,
        "owner": broken.owner,
    }


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


def _plain(value: Any) -> Any:
    """Return what a holder has stored as JSON has it."""
    if isinstance(value, dict):
        return {str(key): _plain(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(member) for member in value]
    if isinstance(value, set | frozenset):
        return sorted((_plain(member) for member in value), key=str)
    if isinstance(value, bytes | bytearray):
        return value.hex()
    if isinstance(value, str | bool | None):
        return value
    return int(value) if value == int(value) else str(value)  # a Decimal, to its last digit
