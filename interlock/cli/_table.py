"""The coordination table that the verbs without the HTTP API work on, and the way to it."""

import getpass
import os
import re
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from interlock.counters import CounterClient
    from interlock.locks import LockClient
    from interlock.tables import TableLayout

_META = "interlock.table"
_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


@dataclass(frozen=True, slots=True)
class Table:
    """A table by its name or ARN; the rest says where it is, None as the environment does.

    `keys` says what it calls its keys, as `TableLayout.parse` reads it.
    """

    named: str | None
    profile: str | None = None
    region: str | None = None
    endpoint_url: str | None = None
    keys: str | None = None

    @property
    def name(self) -> str:
        """The table's name. Ends the program as misuse if it was not given."""
        if not self.named:
            raise click.UsageError("give --table or set INTERLOCK_TABLE")
        return self.named

    @property
    def layout(self) -> "TableLayout":
        """The names of the table's keys. Ends the program as misuse if they say no layout."""
        from interlock.errors import InvalidValue
        from interlock.tables import TableLayout

        try:
            return TableLayout.parse(self.keys)
        except InvalidValue as error:
            raise click.UsageError(f"--layout: {error}") from error

    def locks(self, **options: Any) -> "LockClient":
        """Return a client of the table's locks, whose owner is the person at the terminal."""
        from interlock.locks import LockClient

        options["layout"] = self.layout
        return LockClient(self.name, client=self.client(), owner=person(), **options)

    def counters(self) -> "CounterClient":
        """Return a client of the table's counters."""
        from interlock.counters import CounterClient

        return CounterClient(self.name, client=self.client(), layout=self.layout)

    def client(self) -> Any:
        """Return what the library's clients take as `client`: by default they make their own."""
        self.enter()

    def enter(self) -> None:
        """Let the environment say what was given, which wins, as it does in the AWS CLI."""
        if self.profile:
            os.environ["AWS_PROFILE"] = self.profile
            for name in _KEYS:  # which would win over a profile
                os.environ.pop(name, None)
        if self.region:
            os.environ["AWS_REGION"] = os.environ["AWS_DEFAULT_REGION"] = self.region
        if self.endpoint_url:
            os.environ["AWS_ENDPOINT_URL_DYNAMODB"] = self.endpoint_url


def checked_endpoint(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """Return the URL of an option; refuse, as misuse, what is none."""
    if value and not re.match(r"https?://[^/]", value):
        raise click.BadParameter(f"{value!r} is no URL: give http(s)://HOST[:PORT]")
    return value


def put_table(context: click.Context, table: Table) -> None:
    """Have the verbs below a context work on a table."""
    context.meta[_META] = table


def table_of(context: click.Context) -> Table:
    """Return the table of a verb's context."""
    found: Table = context.meta[_META]
    return found


def person() -> str:
    """Return who is at the terminal, as records show it."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "unknown"
    return f"{user}@{socket.gethostname()}/{os.getpid()}"
