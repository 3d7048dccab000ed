"""The command `interlock`: counters, locks and receipts from a shell (`interlock[cli]`).

It talks to the HTTP API, signed with SigV4 by the credentials that the AWS CLI would use. Each
group of verbs is a module; `_api` sends, `_group` is what all verbs have in common.
"""

try:
    import click
except ImportError as missing:
    raise ImportError("the command needs click: pip install 'interlock[cli]'") from missing

from interlock.cli._api import Connection
from interlock.cli._counter import counter
from interlock.cli._group import Verbs
from interlock.cli._lock import lock
from interlock.cli._receipt import receipt

__all__ = ["main"]


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
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
def main(context: click.Context, url: str | None, api_key: str | None) -> None:
    """Count, look at locks, and verify receipts through Interlock's HTTP API.

    Requests are signed with the credentials and region that the AWS CLI uses. Exits with 0 for
    success, 1 if the API refused or output cannot be written, 2 for misuse, 3 if the API cannot be
    reached.
    """
    context.obj = Connection(url, api_key)


main.add_command(counter)
main.add_command(lock)
main.add_command(receipt)
