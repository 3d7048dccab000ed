"""`interlock locks`: see the locks of a table, wait for one, and break one."""

import sys
import time
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from interlock.cli._deadlocks import deadlocks
from interlock.cli._group import REFUSED, Seconds, Verbs, as_json, fail, show
from interlock.cli._hold import TIMED_OUT, adopt, export, hold, run
from interlock.cli._listing import every_lock, plainly
from interlock.cli._output import duration, facts, lines, moment
from interlock.cli._table import table_of
from interlock.cli._watching import looked, watch_options

if TYPE_CHECKING:
    from interlock.errors import CorruptRecord
    from interlock.locks import LockClient, LockRecord

_LOOK = 0.5  # seconds between two looks
_HEADER = ("NAME", "STATE", "HOLDER", "SINCE", "LEASE", "FENCE", "WAITERS")


@click.group(cls=Verbs)
def locks() -> None:
    """See, take, run under and break the locks of a table.

    Permits of semaphores are locks, too: "render#3"; so are elections, which `elections` shows. A
    job's lock is "resting" when its run has ended and the rest of its `at_least` has not.

    \b
    Examples:
      interlock --table coordination locks show orders/42
      interlock --table coordination locks wait nightly --timeout 600
      interlock --table coordination locks hold orders/42
    """


@locks.command()
@click.argument("prefix", default="")
@click.option("--held", is_flag=True, help="Leave out the locks that are free.")
@watch_options(every=2.0)
@click.pass_context
def ls(context: click.Context, prefix: str, *, held: bool, watch: bool, every: float) -> None:
    """List the locks whose names begin with PREFIX (default: all).

    Reads the whole table, a page of 1 MB at a time, and pays for it: half a read unit for each
    4 KB. Locks cost nothing more for being listed.

    \b
    Examples:
      interlock --table coordination locks ls --held
      interlock --table coordination locks ls orders/ --json | jq .owner
    """
    client = table_of(context).locks()
    looked(
        lambda: every_lock(client, prefix, held=held),
        lambda found: _list(*found),
        watch=watch,
        every=every,
    )


@locks.command("show")
@click.argument("name")
@click.pass_context
def show_lock(context: click.Context, name: str) -> None:
    """Show who holds the lock NAME, since when, its data, its queue, last break and last run.

    Exits with 1 if its record is corrupt: `locks break` mends it.
    """
    record = table_of(context).locks().inspect(name)
    if record is None:
        show({"name": name, "held": False, "fencing_token": None}, f"{name}: never taken")
        return
    facts(as_entry(record), _facts(record))


@locks.command()
@click.argument("name")
@click.option("--timeout", type=Seconds(min=0), help="Seconds (default: for ever).")
@click.pass_context
def wait(context: click.Context, name: str, timeout: float | None) -> None:
    """Wait until the lock NAME is free, without taking it.

    It may be taken again a moment later: to do something under it, use `locks run`. A lock whose
    lease is over by this machine's clock counts as held until another takes it over.

    \b
    Exit status:
      0    free
      124  still held after --timeout
    """
    client = table_of(context).locks()
    end = None if timeout is None else time.monotonic() + timeout
    while (record := client.inspect(name)) is not None and record.held:
        if end is not None and time.monotonic() >= end:
            fail(f"{name} is held by {record.owner}", TIMED_OUT, as_entry(record))
        time.sleep(_LOOK if end is None else max(0.0, min(_LOOK, end - time.monotonic())))
    show({"name": name, "held": False}, f"{name} is free")


@locks.command("break")
@click.argument("name")
@click.option("--because", required=True, help="Why; shown to the next holder and by `show`.")
@click.option("--fence", type=int, help="Break only the grant with this fencing token.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def break_lock(
    context: click.Context, name: str, because: str, fence: int | None, *, yes: bool
) -> None:
    """End the grant of the lock NAME, whatever its holder does; mend its record if it is corrupt.

    The fence rises and the lock is free. The holder's guarded writes are refused from now on; it
    learns of it by its next heartbeat, and what it does without a guard until then is done.
    Asks first on a terminal, about the grant that it shows, and breaks only that one.

    \b
    Examples:
      interlock --table coordination locks break orders/42 --because "INC-7: host is gone"
      interlock --table coordination locks break orders/42 --fence 7 --because "..." --yes

    \b
    Exit status:
      0  broken, or mended
      1  there was nothing to break: it is free, or that grant is over
    """
    client = table_of(context).locks()
    if not yes and sys.stdin.isatty():
        fence = _confirmed(client, name, fence)
    record = client.break_lock(name, because=because, fencing_token=fence)
    if record is None:
        which = "the lock is free" if fence is None else f"grant {fence} is over"
        fail(f"{name}: nothing to break: {which}", REFUSED)
    owner = record.broken.owner if record.broken else None
    told = f"{name}: free, fencing token {record.fencing_token}; was held by {owner or 'unknown'}"
    show(as_entry(record), told)


for _verb in (run, hold, export, adopt, deadlocks):
    locks.add_command(_verb)


def as_entry(record: "LockRecord") -> dict[str, Any]:
    """Return a record as JSON has it."""
    return {name: plainly(value) for name, value in asdict(record).items()}


def state_of(record: "LockRecord") -> str:
    """Return the state of a lock in one word."""
    if not record.held:
        return "free"
    if record.expired:
        return "expired"
    return "resting" if record.resting else "held"


def _list(found: "list[LockRecord]", corrupt: "list[CorruptRecord]") -> None:
    now = datetime.now(UTC)
    rows = [row_of(record, now) for record in found]
    rows += [(_name(error), "corrupt", "-", "-", "-", "-", "-") for error in corrupt]
    entries = [as_entry(record) for record in found]
    entries += [
        {"name": _name(error), "corrupt": error.attribute, "detail": str(error)}
        for error in corrupt
    ]
    lines(entries, _HEADER, rows)
    if corrupt and not as_json():
        click.echo('`interlock locks break NAME --because "..."` mends a corrupt record', err=True)


def row_of(record: "LockRecord", now: datetime) -> tuple[str, ...]:
    """Return the cells of a lock in a list."""
    if not record.held:
        broken = f"broken by {record.broken.by}" if record.broken else "-"
        return (record.name, "free", broken, "-", "-", str(record.fencing_token), "-")
    return (
        record.name,
        state_of(record),
        record.owner or "-",
        moment(record.since, now),
        _lease(record, now),
        str(record.fencing_token),
        _waiters(record, now),
    )


def _lease(record: "LockRecord", now: datetime) -> str:
    """Return for how long a lock is held without a heartbeat, or until when a job's rests."""
    if state_of(record) == "resting":
        return f"until {moment(record.until, now)}"
    return "-" if record.lease is None else f"{record.lease.total_seconds():g} s"


def _waiters(record: "LockRecord", now: datetime) -> str:
    """Return how many wait in the queue of a lock, and for how long the longest has waited."""
    if not record.waiters:
        return "-"
    since = min(waiter.since for waiter in record.waiters)
    return f"{len(record.waiters)}, for {duration(max(timedelta(), now - since))}"


def _facts(record: "LockRecord") -> Iterable[tuple[str, str]]:
    now = datetime.now(UTC)
    yield "name", record.name
    resting = state_of(record) == "resting"
    yield "state", f"resting until {moment(record.until, now)}" if resting else state_of(record)
    yield "fencing token", str(record.fencing_token)
    if record.held:
        lease = record.lease or timedelta()
        yield "holder", record.owner or "-"
        yield "since", moment(record.since, now)
        yield "lease", f"{lease.total_seconds():g} s, until {moment(record.until, now)}"
        if record.since is not None:
            yield "held for", duration(max(timedelta(), now - record.since))
    if record.data is not None:
        yield "data", repr(plainly(record.data))
    if record.broken is not None:
        broken = record.broken
        yield "broken", moment(broken.at, now)
        yield "  because", broken.because
        yield "  by", broken.by
        yield "  grant", f"{broken.fencing_token} of {broken.owner or 'unknown'}"
    for waiter in record.waiters:
        yield f"waiter {waiter.rank}", f"{waiter.owner} since {moment(waiter.since, now)}"
    if record.last_run is not None:
        ran = record.last_run
        yield "last run", moment(ran.started, now)
        yield "  by", f"{ran.owner}, fencing token {ran.fencing_token}"
        yield "  took", duration(ran.duration)
        yield "  outcome", f"raised {ran.error}" if ran.error is not None else ran.outcome
        if ran.result is not None:
            yield "  result", repr(ran.result)


def _confirmed(client: "LockClient", name: str, fence: int | None) -> int | None:
    """Ask whether to break what is shown; return the fence of it, to break nothing else."""
    from interlock.errors import CorruptRecord

    try:
        record = client.inspect(name)
    except CorruptRecord as error:
        click.echo(f"{error}", err=True)
        click.confirm(f"Mend the record of {name}?", abort=True, err=True)
        return fence
    if record is None or not record.held:
        return fence
    since = moment(record.since)
    click.confirm(f"Break {name}, held by {record.owner} since {since}?", abort=True, err=True)
    return record.fencing_token if fence is None else fence


def _name(error: "CorruptRecord") -> str:
    return error.key.partition("#")[2]
