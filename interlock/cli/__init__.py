"""The command `interlock`: locks, counters and receipts from a shell (`interlock[cli]`).

With `--table` it works on the coordination table itself, with `--url` it talks to the HTTP API,
signed with SigV4; both by the credentials that the AWS CLI would use. Each group of verbs is a
module that is imported when it is asked for; `_group` is what all verbs have in common.
"""

import importlib

try:
    import click
except ImportError as missing:
    raise ImportError("the command needs click: pip install 'interlock[cli]'") from missing

from interlock.cli._api import Connection
from interlock.cli._group import Verbs
from interlock.cli._table import Table, checked_endpoint, put_table

__all__ = ["main"]

# Where each verb lives, and what --help says of it without importing it.
_TABLE_VERBS = {
    "locks": ("_locks", "See, take, run under and break the locks of a table."),
    "elections": ("_elections", "See who leads."),
    "semaphores": ("_semaphores", "See who holds the permits of semaphores."),
    "counters": ("_counters", "See the counters of a table."),
    "doctor": ("_doctor", "Examine a table and the way to it, and say how to mend what is wrong."),
}
_API_VERBS = {
    "counter": ("_counter", "Read and change counters through the HTTP API."),
    "lock": ("_lock", "Look at locks through the HTTP API."),
    "receipt": ("_receipt", "Verify the signed receipts of changes."),
}
_OTHERS = {"completion": ("_completion", "Print what makes a shell complete this command.")}
_VERBS = _TABLE_VERBS | _API_VERBS | _OTHERS
_SECTIONS = (
    ("On a table (--table)", _TABLE_VERBS),
    ("Through the HTTP API (--url)", _API_VERBS),
    ("Others", _OTHERS),
)


class _Main(Verbs):
    """The command with its verbs, in sections; the module of a verb is imported when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's
        if cmd_name not in _VERBS:
            return None
        module = importlib.import_module(f"interlock.cli.{_VERBS[cmd_name][0]}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        for title, verbs in _SECTIONS:
            with formatter.section(title):
                formatter.write_dl([(name, says) for name, (_, says) in verbs.items()])


@click.group(cls=_Main, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--table",
    envvar="INTERLOCK_TABLE",
    show_envvar=True,
    help="The coordination table: its name, or its ARN where it is another region's.",
)
@click.option(
    "--layout",
    envvar="INTERLOCK_TABLE_LAYOUT",
    show_envvar=True,
    help="What the table calls its keys: partition_key=PK,sort_key=SK,sort_value=interlock, say.",
)
@click.option("--profile", help="The profile of the AWS configuration.")
@click.option("--region", help="The table's region.")
@click.option(
    "--endpoint-url",
    callback=checked_endpoint,
    help="Where DynamoDB is, if not where the region has it.",
)
@click.option(
    "--url",
    envvar="INTERLOCK_API_URL",
    show_envvar=True,
    help="The API's URL with its stage: the output ApiUrl of the stack.",
)
@click.option(
    "--api-key",
    envvar="INTERLOCK_API_KEY",
    show_envvar=True,
    help="API key. Prefer the environment variable: command lines are visible in `ps`.",
)
@click.version_option(package_name="interlock")
@click.pass_context
def main(  # noqa: PLR0917 - click passes them by name
    context: click.Context,
    table: str | None,
    layout: str | None,
    profile: str | None,
    region: str | None,
    endpoint_url: str | None,
    url: str | None,
    api_key: str | None,
) -> None:
    """See, take and break locks, examine their table, count, and verify receipts.

    With --table the command works on the coordination table itself; with --url it talks to the HTTP
    API of the reference application. Credentials and region are those that the AWS CLI uses.

    \b
    Examples:
      interlock --table coordination locks ls orders/
      interlock --table coordination locks run nightly --timeout 60 -- ./nightly.sh
      interlock --table coordination locks break orders/42 --because "its host is gone"
      interlock --table coordination doctor
      interlock counter increment seats 3 --key order-42

    \b
    Exit status:
      0    done
      1    refused, by the table, the API, or what was found
      2    misuse: arguments, credentials, region
      3    the table or the API cannot be reached
      130  interrupted
    """
    context.obj = Connection(url, api_key)
    put_table(context, Table(table, profile, region, endpoint_url, layout))
