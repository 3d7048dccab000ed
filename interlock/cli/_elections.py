"""`interlock elections`: who leads, since when, and under which fencing token."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from interlock.cli._group import Verbs, as_json, show
from interlock.cli._listing import every_lock
from interlock.cli._locks import as_entry
from interlock.cli._output import duration, facts, lines, moment
from interlock.cli._table import table_of
from interlock.cli._watching import looked, watch_options

if TYPE_CHECKING:
    from interlock.errors import CorruptRecord
    from interlock.locks import LockRecord

_HEADER = ("NAME", "STATE", "LEADER", "SINCE", "LEADS FOR", "FENCE")


@click.group(cls=Verbs)
def elections() -> None:
    """See who leads.

    An election is a lock, and a term is one grant of it: `locks wait` waits until no client leads,
    and `locks break` ends a term.
    """


@elections.command()
@click.argument("prefix", default="")
@watch_options(every=2.0)
@click.pass_context
def ls(context: click.Context, prefix: str, *, watch: bool, every: float) -> None:
    """List the elections whose names begin with PREFIX (default: all), and who leads.

    An election is listed once a leader was elected in it; reads the whole table, as `locks ls`.
    "expired" is a leader whose lease is over by this machine's clock: it is gone, and no other has
    followed yet, or the two clocks differ.

    \b
    Examples:
      interlock --table coordination elections ls service/ --watch
      interlock --table coordination elections ls --json | jq -r 'select(.held) | .owner'
    """
    client = table_of(context).locks()
    looked(
        lambda: every_lock(client, prefix, held=False),
        lambda found: _list(*found),
        watch=watch,
        every=every,
    )


@elections.command("show")
@click.argument("name")
@click.pass_context
def show_election(context: click.Context, name: str) -> None:
    """Show who leads the election NAME, since when and under which fencing token: its term.

    Exits with 1 if its record is corrupt: `locks break` mends it.

    \b
    Examples:
      interlock --table coordination elections show service/leader
      interlock --table coordination elections show service/leader --json | jq .fencing_token
    """
    record = table_of(context).locks().inspect(name)
    if record is None:
        entry = {"name": name, "held": False, "fencing_token": None}
        show(entry, f"{name}: no client has led yet")
        return
    facts(as_entry(record), _facts(record))


def _list(records: "list[LockRecord]", corrupt: "list[CorruptRecord]") -> None:
    now = datetime.now(UTC)
    found = [record for record in records if record.election]
    lines(map(as_entry, found), _HEADER, [_row(record, now) for record in found])
    if corrupt and not as_json():
        click.echo(f"{len(corrupt)} records are corrupt: `locks ls` lists them", err=True)


def _state(record: "LockRecord") -> str:
    if not record.held:
        return "vacant"
    return "expired" if record.expired else "leads"


def _row(record: "LockRecord", now: datetime) -> tuple[str, ...]:
    return (
        record.name,
        _state(record),
        record.owner or "-",
        moment(record.since, now),
        _led(record, now),
        str(record.fencing_token),
    )


def _facts(record: "LockRecord") -> Iterable[tuple[str, str]]:
    now = datetime.now(UTC)
    yield "name", record.name
    yield "state", _state(record)
    yield "fencing token", str(record.fencing_token)
    if record.held:
        lease = record.lease or timedelta()
        yield "leader", record.owner or "-"
        yield "since", moment(record.since, now)
        yield "leads for", _led(record, now)
        yield "lease", f"{lease.total_seconds():g} s, until {moment(record.until, now)}"
    if record.data is not None:
        yield "data", repr(as_entry(record)["data"])
    if record.broken is not None:
        broken = record.broken
        yield "broken", moment(broken.at, now)
        yield "  because", broken.because
        yield "  by", broken.by
        yield "  term", f"{broken.fencing_token} of {broken.owner or 'unknown'}"


def _led(record: "LockRecord", now: datetime) -> str:
    """Return for how long the leader of this term has led, by this machine's clock."""
    since = record.since
    return "-" if since is None else duration(max(timedelta(), now - since))
