"""`interlock counter`: read and change counters."""

from typing import Any
from urllib.parse import urlencode

import click

from interlock.cli._api import Connection, path_of
from interlock.cli._group import Verbs, show

_key = click.option("--key", help="Idempotency key: repeating the command counts once.")
_name = click.argument("name")
_by = click.argument("amount", type=click.IntRange(min=1), default=1)


@click.group(cls=Verbs)
def counter() -> None:
    """Read and change counters.

    \b
    Examples:
      interlock counter create seats --floor 0 --ceiling 200
      interlock counter increment seats 3 --key order-42
      interlock counter configure seats --ceiling none
    """


def _bound(_: click.Context, __: click.Parameter, value: str | None) -> int | str | None:
    """Return a bound that was given: an integer, or "none" as it is."""
    if value is None or value == "none":
        return value
    try:
        return int(value)
    except ValueError:
        raise click.BadParameter(f'{value!r} is neither an integer nor "none"') from None


@counter.command()
@_name
@click.pass_obj
def get(api: Connection, name: str) -> None:
    """Print a counter's value."""
    state = api.call("GET", path_of(name))
    show(state, str(state["value"]))


@counter.command()
@_name
@_by
@_key
@click.pass_obj
def increment(api: Connection, name: str, amount: int, key: str | None) -> None:
    """Add AMOUNT (default 1) and print the new value."""
    _change(api, name, "increment", amount, key)


@counter.command()
@_name
@_by
@_key
@click.pass_obj
def decrement(api: Connection, name: str, amount: int, key: str | None) -> None:
    """Take AMOUNT (default 1) away and print the new value."""
    _change(api, name, "decrement", amount, key)


@counter.command()
@_name
@click.option("--to", type=int, help="The value to set (default: where the counter starts).")
@click.pass_obj
def reset(api: Connection, name: str, to: int | None) -> None:
    """Set a counter's value."""
    done = api.call("POST", path_of(name) + "/reset", {} if to is None else {"to": to})
    show(done, str(done["value"]))


@counter.command()
@_name
@click.option("--floor", type=int, help="The least value (default: none).")
@click.option("--ceiling", type=int, help="The greatest value (default: none).")
@click.option("--shards", type=click.IntRange(1, 64), default=1, show_default=True)
@click.pass_obj
def create(api: Connection, name: str, floor: int | None, ceiling: int | None, shards: int) -> None:
    """Create a counter; one that exists is refused and left as it is."""
    body = {"floor": floor, "ceiling": ceiling, "shards": shards}
    _describe(api.call("PUT", path_of(name), body, {"If-None-Match": "*"}))


@counter.command()
@_name
@click.option("--floor", callback=_bound, help='The least value; "none" takes it away.')
@click.option("--ceiling", callback=_bound, help='The greatest value; "none" takes it away.')
@click.option("--shards", type=click.IntRange(1, 64))
@click.pass_obj
def configure(api: Connection, /, name: str, **given: Any) -> None:
    """Change a counter while it is in use; what is not given stays as it is."""
    body = {
        option: None if value == "none" else value
        for option, value in given.items()
        if value is not None
    }
    if not body:
        raise click.UsageError("give --floor, --ceiling or --shards")
    _describe(api.call("PATCH", path_of(name), body))


@counter.command()
@_name
@click.pass_obj
def delete(api: Connection, name: str) -> None:
    """Delete a counter."""
    show(api.call("DELETE", path_of(name)), f"{name} is deleted")


@counter.command("list")
@click.option("--prefix", help="Only names that begin so.")
@click.pass_obj
def list_counters(api: Connection, prefix: str | None) -> None:
    """Print all counters and their values, one a line."""
    query = {"prefix": prefix} if prefix else {}
    while True:
        page = api.call("GET", "/counters" + (f"?{urlencode(query)}" if query else ""))
        for entry in page["counters"]:
            show(entry, f"{entry['name']}\t{entry['value']}")
        if "next" not in page:
            return
        query["after"] = page["next"]


def _change(api: Connection, name: str, verb: str, amount: int, key: str | None) -> None:
    headers = {} if key is None else {"Idempotency-Key": key}
    done = api.call("POST", f"{path_of(name)}/{verb}", {"amount": amount}, headers)
    show(done, str(done["value"]))


def _describe(state: dict[str, Any]) -> None:
    floor, ceiling = (state[b] if state[b] is not None else "none" for b in ("floor", "ceiling"))
    bounds = f"floor {floor}, ceiling {ceiling}, shards {state['shards']}"
    show(state, f"{state['name']}: {state['value']} ({bounds})")
