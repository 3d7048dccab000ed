"""Looking again and again: `--watch`, of the verbs that list."""

import sys
import time
from collections.abc import Callable
from typing import TypeVar

import click

from interlock.cli._group import Seconds, as_json

_CLEAR = "\x1b[H\x1b[2J"

T = TypeVar("T")
_Verb = TypeVar("_Verb", bound=Callable[..., object])


def watch_options(every: float) -> Callable[[_Verb], _Verb]:
    """Give a verb `--watch`, and `--every` with this default, in seconds."""

    def give(verb: _Verb) -> _Verb:
        seconds = click.option(
            "--every",
            type=Seconds(min=0.2),
            default=every,
            show_default=True,
            help="Seconds between two looks of --watch.",
        )
        watch = click.option(
            "--watch", is_flag=True, help="Look again and again, until interrupted."
        )
        return watch(seconds(verb))

    return give


def looked(look: Callable[[], T], tell: Callable[[T], None], *, watch: bool, every: float) -> T:
    """Tell what a look finds, once or again and again; return what the last one found."""
    while True:
        found = look()
        if watch and not as_json():
            click.echo(_CLEAR if sys.stdout.isatty() else "", nl=False)
        tell(found)
        if not watch:
            return found
        sys.stdout.flush()
        time.sleep(every)
