"""`interlock doctor`: examine a table and the way to it."""

import json
import shlex
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from interlock.cli._group import MISUSE, REFUSED, UNAVAILABLE, Verb, as_json, fail
from interlock.cli._output import lines, printable
from interlock.cli._table import Table, table_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from interlock.cli._findings import Finding
    from interlock.errors import CorruptRecord

_HEADER = ("CHECK", "STATE", "FINDING")


@click.command(cls=Verb)
@click.option(
    "--lock",
    default="interlock-doctor",
    show_default=True,
    help="The lock by whose name permissions are tried: grants may be confined to names.",
)
@click.option("--scan/--no-scan", default=True, help="Look for corrupt records in the whole table.")
@click.option("--strict", is_flag=True, help="Let warnings count as problems.")
@click.pass_context
def doctor(context: click.Context, lock: str, *, scan: bool, strict: bool) -> None:
    """Examine a table and the way to it, and say how to mend what is wrong.

    Looks at region and endpoint, the table's key, index, time to live, backups, encryption and
    protection, at the clock of this machine against the service's, for calls that were throttled,
    and for records that are corrupt. Tries what the caller may do by calls that change nothing:
    reads of one item, and writes under a condition that never holds, at the price of a write each.

    \b
    Examples:
      interlock --table coordination doctor
      interlock --table coordination --profile ops doctor --lock orders/42 --json
      interlock --table coordination doctor --no-scan --strict

    \b
    Exit status:
      0  well, or warnings only
      1  a problem was found
      2  no credentials, region or profile
      3  the table cannot be reached
    """
    table = table_of(context)
    _ = table.name, table.layout  # misuse is reported before the SDK is imported
    found = list(_findings(table, lock, scan=scan))
    rows = [(one.check, one.state, one.finding) for one in found]
    lines([asdict(one) for one in found], _HEADER, rows)
    if not as_json():
        for one in found:
            if one.fix:
                click.echo(f"\n{one.check}: {printable(one.finding)}\n  fix: {one.fix}")
    bad = {"problem", "warning"} if strict else {"problem"}
    if any(one.state in bad for one in found):
        sys.exit(REFUSED)


def _findings(table: Table, lock: str, *, scan: bool) -> "Iterator[Finding]":
    from interlock.cli._examination import examine, misfortune, patient_of
    from interlock.cli._findings import PROBLEM
    from interlock.errors import InterlockError

    there = True
    try:
        for finding in examine(patient_of(table), lock):
            there = there and not (finding.check == "table" and finding.state == PROBLEM)
            yield finding
    except InterlockError:
        raise
    except Exception as error:  # noqa: BLE001 - botocore's, of profiles, credentials, networks
        told, may_pass = misfortune(error)
        fail(told, UNAVAILABLE if may_pass else MISUSE)
    if scan and there:
        yield from _of_records(table)


def _of_records(table: Table) -> "Iterator[Finding]":
    """Yield what the table's locks are like."""
    from interlock.cli._findings import OK, PROBLEM, WARNING, Finding
    from interlock.cli._listing import every_lock
    from interlock.errors import AccessDenied

    try:
        locks, corrupt = every_lock(table.locks(), "", held=False)
    except AccessDenied:
        fix = "CoordinationTable.grant_operate_read(...) allows it, or pass --no-scan"
        yield Finding("records", WARNING, "cannot be examined: dynamodb:Scan is denied", fix)
        return
    held = [record for record in locks if record.held]
    expired = [record.name for record in held if record.expired]
    told = f"{len(locks)} locks, {len(held)} held, {len(expired)} of them past their lease"
    yield Finding("records", OK, told)
    for error in corrupt:
        yield Finding("records", PROBLEM, str(error), _mending(table, error))


def _mending(table: Table, error: "CorruptRecord") -> str:
    """Return how to mend a record."""
    if error.newer:
        return "update this command"
    name = error.key.removeprefix(table.layout.prefix).partition("#")[2]
    if name.endswith("#slots"):  # how many permits or readers there are, which no lock is
        key = {part: {"S": text} for part, text in table.layout.key(f"lock#{name}").items()}
        words = ["aws", "dynamodb", "delete-item", "--table-name", table.name, "--key"]
        return f"while no client uses it: {shlex.join([*words, json.dumps(key)])}"
    words = ["interlock", "--table", table.name, "locks", "break", "--because", "..."]
    return shlex.join([*words, *(["--"] if name.startswith("-") else []), name])
