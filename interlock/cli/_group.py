"""What all verbs have in common: `--json` anywhere, and failures without tracebacks."""

import json
import os
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

import click

REFUSED, MISUSE, UNAVAILABLE = 1, 2, 3
_JSON = "interlock.json"


def show(content: Mapping[str, Any], text: str) -> None:
    """Print an answer: as a line of text, or whole as JSON."""
    click.echo(json.dumps(content) if _as_json() else text)


def fail(message: str, code: int, content: Mapping[str, Any] | None = None) -> NoReturn:
    """End the program with a message on standard error, or `content` where JSON is asked for."""
    if _as_json():
        click.echo(json.dumps(content or {"detail": message}), err=True)
    else:
        click.echo(f"interlock: {message}", err=True)
    sys.exit(code)


class Verb(click.Command):
    """A command that takes `--json`, wherever it stands."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(_json_option())


class Verbs(click.Group):
    """A group of verbs. The outermost one also turns what goes wrong into a message."""

    command_class = Verb

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(_json_option())

    def invoke(self, context: click.Context) -> Any:
        """Run the verb, and write out what it printed while a failure can still be said.

        A closed pipe ends well, as its reader has had enough. click itself would end with 1.
        """
        if context.parent is not None:
            return super().invoke(context)
        try:
            result = super().invoke(context)
            sys.stdout.flush()
        except BrokenPipeError:
            _discard_output()
            sys.exit(0)
        except OSError as error:
            _discard_output()
            fail(f"cannot write: {error.strerror or error}", REFUSED)
        return result


Verbs.group_class = Verbs


def _json_option() -> click.Option:
    return click.Option(
        ["--json"],
        is_flag=True,
        expose_value=False,
        callback=_note_json,
        help="Print answers and problems as JSON.",
    )


def _note_json(context: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001
    if value:
        context.meta[_JSON] = True


def _as_json() -> bool:
    context = click.get_current_context(silent=True)
    return bool(context and context.meta.get(_JSON))


def _discard_output() -> None:
    """Have the interpreter find nothing to write at its end: it would fail once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
