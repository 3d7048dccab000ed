"""`interlock counters`: the counters of a table. They are changed through the API, by `counter`."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from interlock.cli._group import REFUSED, Verbs, fail
from interlock.cli._output import facts, lines
from interlock.cli._table import table_of

if TYPE_CHECKING:
    from interlock.counters import CounterState

_HEADER = ("NAME", "VALUE", "FLOOR", "CEILING", "SHARDS")


@click.group(cls=Verbs)
def counters() -> None:
    """See the counters of a table.

    \b
    Examples:
      interlock --table coordination counters ls orders/
      interlock --table coordination counters show seats --json | jq .value
    """


@counters.command()
@click.argument("prefix", default="")
@click.pass_context
def ls(context: click.Context, prefix: str) -> None:
    """List the counters whose names begin with PREFIX (default: all), with their values."""
    client, found, after = table_of(context).counters(), [], None
    while True:
        states, after = client.states(prefix=prefix, after=after)
        found += states
        if after is None:
            break
    rows = [tuple(value for _, value in _facts(state)) for state in found]
    lines([asdict(state) for state in found], _HEADER, rows)


@counters.command("show")
@click.argument("name")
@click.pass_context
def show_counter(context: click.Context, name: str) -> None:
    """Show the value, the bounds and the shards of the counter NAME."""
    state = table_of(context).counters().counter(name).inspect()
    if state is None:
        fail(f"{name}: there is no such counter", REFUSED)
    facts(asdict(state), _facts(state))


def _facts(state: "CounterState") -> list[tuple[str, str]]:
    floor, ceiling = (
        "none" if bound is None else str(bound) for bound in (state.floor, state.ceiling)
    )
    return [
        ("name", state.name),
        ("value", str(state.value)),
        ("floor", floor),
        ("ceiling", ceiling),
        ("shards", str(state.shards)),
    ]
