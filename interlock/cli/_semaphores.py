"""`interlock semaphores`: who holds the permits."""

from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING

import click

from interlock.cli._group import Verbs, as_json
from interlock.cli._listing import every_lock
from interlock.cli._locks import as_entry, row_of
from interlock.cli._output import lines
from interlock.cli._table import table_of

if TYPE_CHECKING:
    from interlock.locks import LockRecord

_HEADER = ("NAME", "HELD", "PERMITS", "SEEN", "HOLDERS")
_PERMITS = ("PERMIT", "STATE", "HOLDER", "SINCE", "LEASE", "FENCE")


@click.group(cls=Verbs)
def semaphores() -> None:
    """See who holds the permits of semaphores."""


@semaphores.command()
@click.argument("prefix", default="")
@click.pass_context
def ls(context: click.Context, prefix: str) -> None:
    """List the semaphores whose names begin with PREFIX (default: all).

    PERMITS is how many there may be, as its clients have agreed ("-": not recorded yet); a permit
    is seen once it was taken. The slots of readers-writer locks are permits, too. Reads the whole
    table, as `locks ls` does.

    \b
    Examples:
      interlock --table coordination semaphores ls
      interlock --table coordination semaphores ls --json | jq -r 'select(.held != {}) | .name'
    """
    agreed: dict[str, int] = {}
    records, _ = every_lock(table_of(context).locks(), prefix, held=False, permits=agreed)
    permits = [record for record in records if "#" in record.name]
    entries, rows = [], []
    for name, group in groupby(permits, _semaphore):
        taken = list(group)
        holders = {record.name: record.owner for record in taken if record.held}
        number, seen = agreed.get(name), len(taken)
        entries.append({"name": name, "held": holders, "permits": number, "permits_seen": seen})
        told = ", ".join(f"#{key.rpartition('#')[2]} {owner}" for key, owner in holders.items())
        rows.append((name, str(len(holders)), _number(number), str(seen), told or "-"))
    lines(entries, _HEADER, rows)


@semaphores.command("show")
@click.argument("name")
@click.pass_context
def show_semaphore(context: click.Context, name: str) -> None:
    """Show who holds each permit of the semaphore NAME, since when and for how long.

    Below them stands how many there may be, as its clients have agreed; in JSON, each permit has it
    as `permits`, null where it is not recorded yet. Reads the whole table, as `locks ls` does.
    `locks show NAME#NUMBER` shows the data of one permit, and `locks break NAME#NUMBER` breaks it.

    \b
    Examples:
      interlock --table coordination semaphores show render
      interlock --table coordination semaphores show render --json | jq -r .owner
    """
    agreed: dict[str, int] = {}
    client = table_of(context).locks()
    records, _ = every_lock(client, f"{name}#", held=False, permits=agreed)
    now = datetime.now(UTC)
    permits = sorted(records, key=lambda record: int(record.name.rpartition("#")[2]))
    rows = [row_of(record, now)[: len(_PERMITS)] for record in permits]  # permits have no queue
    number = agreed.get(name)
    lines([{**as_entry(each), "permits": number} for each in permits], _PERMITS, rows)
    if not as_json():
        held = sum(record.held for record in permits)
        taken = (
            f"{held} of {_number(number)} permits held" if permits else "no permit was ever taken"
        )
        click.echo(f"{name}: {taken}")


def _number(agreed: int | None) -> str:
    return "-" if agreed is None else str(agreed)


def _semaphore(record: "LockRecord") -> str:
    return record.name.rpartition("#")[0]
