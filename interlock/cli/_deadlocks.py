"""`interlock locks deadlocks`: who waits for whom in a circle, and the way out."""

import shlex
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from interlock.cli._group import Verb, as_json
from interlock.cli._listing import every_lock, plainly
from interlock.cli._output import duration, lines, moment, printable, style
from interlock.cli._table import Table, table_of
from interlock.cli._watching import looked, watch_options

if TYPE_CHECKING:
    from interlock.locks import Deadlock, DeadlockLink

CERTAIN, POSSIBLE = 4, 5


@click.command(cls=Verb)
@click.argument("prefix", default="")
@watch_options(every=10.0)
@click.pass_context
def deadlocks(context: click.Context, prefix: str, *, watch: bool, every: float) -> None:
    """Name the deadlocks among locks whose names begin with PREFIX (default: all).

    Holders that wait in the queues of each other's locks: who holds what and waits for what, since
    when and with which data, and how to break it. Waiters that are not fair are in no record, so
    in no deadlock. Certain are those whose waiters took the locks themselves; possible are those
    whose owners have the same names.

    Reads the whole table, as `locks ls` does, and each lock of a deadlock again.

    \b
    Examples:
      interlock --table coordination locks deadlocks
      interlock --table coordination locks deadlocks orders/ --json | jq .links

    \b
    Exit status:
      0  there is none
      4  there is one for certain
      5  there are possible ones, and no certain one
    """
    table = table_of(context)
    client = table.locks()
    found = looked(
        lambda: client.deadlocks(prefix, among=every_lock(client, prefix, held=True)[0]),
        lambda found: _tell(found, table),
        watch=watch,
        every=every,
    )
    if found:
        context.exit(CERTAIN if found[0].certain else POSSIBLE)


def _tell(found: "tuple[Deadlock, ...]", table: Table) -> None:
    if as_json():
        lines(map(_entry, found), (), ())
        return
    if not found:
        click.echo("no deadlock")
    now = datetime.now(UTC)
    for number, deadlock in enumerate(found):
        if number:
            click.echo()
        for line in _told(deadlock, table, now):
            click.echo(line)


def _told(deadlock: "Deadlock", table: Table, now: datetime) -> Iterator[str]:
    kind = "deadlock" if deadlock.certain else "possible deadlock"
    since = duration(max(now - deadlock.since, now - now))
    yield style(f"{kind} of {len(deadlock.links)} locks, for {since}", bold=True)
    for link in deadlock.links:
        yield f"  {printable(link.owner)}"
        yield f"    holds      {printable(link.holds)} since {moment(link.held_since, now)}"
        yield f"    waits for  {printable(link.waits_for)} since {moment(link.since, now)}"
        if link.data is not None:
            yield f"    data       {printable(repr(plainly(link.data)))}"
        if not link.certain and not deadlock.certain:
            yield "    perhaps    by two of its threads or processes, or its lease is over"
    yield f"  way out: {_way_out(deadlock, table)}"


def _way_out(deadlock: "Deadlock", table: Table) -> str:
    """Return the command that ends the youngest of the grants: the least of work is lost."""
    link = max(deadlock.links, key=_held_since)
    words = ["interlock", "--table", table.name, "locks", "break", link.holds]
    more = ["--fence", str(link.fencing_token), "--because", f"deadlock with {link.waits_for}"]
    return printable(shlex.join([*words, *more]))


def _held_since(link: "DeadlockLink") -> float:
    return link.held_since.timestamp() if link.held_since else 0.0


def _entry(deadlock: "Deadlock") -> dict[str, Any]:
    links = [
        {name: plainly(value) for name, value in asdict(one).items()} for one in deadlock.links
    ]
    return {"certain": deadlock.certain, "since": plainly(deadlock.since), "links": links}
