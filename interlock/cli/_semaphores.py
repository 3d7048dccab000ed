"""`interlock semaphores`: who holds the permits."""

from itertools import groupby
from typing import TYPE_CHECKING

import click

from interlock.cli._group import Verbs
from interlock.cli._listing import every_lock
from interlock.cli._output import lines
from interlock.cli._table import table_of

if TYPE_CHECKING:
    from interlock.locks import LockRecord

_HEADER = ("NAME", "HELD", "PERMITS SEEN", "HOLDERS")


@click.group(cls=Verbs)
def semaphores() -> None:
    """See who holds the permits of semaphores."""


@semaphores.command()
@click.argument("prefix", default="")
@click.pass_context
def ls(context: click.Context, prefix: str) -> None:
    """List the semaphores whose names begin with PREFIX (default: all).

    A table has a record of each permit that was ever taken, and not how many there may be. Reads
    the whole table, as `locks ls` does. `locks show NAME#NUMBER` tells more of one permit, and
    `locks break NAME#NUMBER` breaks it.
    """
    records, _ = every_lock(table_of(context).locks(), prefix, held=False)
    permits = [record for record in records if "#" in record.name]
    entries, rows = [], []
    for name, group in groupby(permits, _semaphore):
        taken = list(group)
        holders = {record.name: record.owner for record in taken if record.held}
        entries.append({"name": name, "held": holders, "permits_seen": len(taken)})
        told = ", ".join(f"#{key.rpartition('#')[2]} {owner}" for key, owner in holders.items())
        rows.append((name, str(len(holders)), str(len(taken)), told or "-"))
    lines(entries, _HEADER, rows)


def _semaphore(record: "LockRecord") -> str:
    return record.name.rpartition("#")[0]
