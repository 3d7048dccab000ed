"""`interlock lock`: look at locks."""

from urllib.parse import quote

import click

from interlock.cli._api import Connection
from interlock.cli._group import Verbs, show


@click.group(cls=Verbs)
def lock() -> None:
    """Look at locks.

    \b
    Example:
      interlock lock show service/leader
    """


@lock.command("show")
@click.argument("name")
@click.pass_obj
def show_lock(api: Connection, name: str) -> None:
    """Print who holds a lock."""
    state = api.call("GET", f"/locks/{quote(name)}")
    token = f"fencing token {state['fencing_token']}"
    if not state["held"]:
        show(state, f"{state['name']}: free, last {token}")
        return
    held = f"held by {state['owner']} since {state['since']}, lease {state['lease_seconds']:g} s"
    show(state, f"{state['name']}: {held}, {token}")
