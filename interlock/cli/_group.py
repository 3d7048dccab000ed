"""The base of all verbs: `--json` anywhere, and failures without tracebacks."""

import json
import os
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

import click

REFUSED, MISUSE, UNAVAILABLE = 1, 2, 3
INTERRUPTED = 130
_JSON = "interlock.json"


def show(content: Mapping[str, Any], text: str) -> None:
    """Print an answer: as a line of text, or whole as JSON."""
    click.echo(json.dumps(content) if as_json() else text)


def fail(message: str, code: int, content: Mapping[str, Any] | None = None) -> NoReturn:
    """End the program with a message on standard error, or `content` where JSON is asked for."""
    if as_json():
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
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)
        except OSError as error:
            _discard_output()
            fail(f"cannot write: {error.strerror or error}", REFUSED)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:  # a person sees it without a traceback
            if os.environ.get("INTERLOCK_DEBUG"):
                raise
            told = {"detail": str(error), "type": _type_of(error)}
            hint = "" if _is_ours(error) else f" ({_type_of(error)}; INTERLOCK_DEBUG=1 shows more)"
            fail(f"{error}{hint}", status_of(error), told)
        return result


def status_of(error: Exception) -> int:
    """Return the exit status that stands for an error of the library."""
    return _STATUS.get(_type_of(error), REFUSED)


_STATUS = {
    "CredentialsRejected": MISUSE,
    "InvalidLockName": MISUSE,
    "InvalidCounterName": MISUSE,
    "InvalidValue": MISUSE,
    "LeaseTooShort": MISUSE,
    "RegionMissing": MISUSE,
    "ServiceUnavailable": UNAVAILABLE,
    "Throttled": UNAVAILABLE,
}


def _type_of(error: Exception) -> str:
    return type(error).__name__


def _is_ours(error: Exception) -> bool:
    """Whether it is an error of the library, which is imported by now if one was raised."""
    errors = sys.modules.get("interlock.errors")
    return errors is not None and isinstance(error, errors.InterlockError)


Verbs.group_class = Verbs


def _json_option() -> click.Option:
    return click.Option(
        ["--json"],
        is_flag=True,
        expose_value=False,
        callback=_note_json,
        help="Print answers and problems as JSON.",
    )


def _note_json(context: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001 - as click calls it
    if value:
        context.meta[_JSON] = True


def as_json() -> bool:
    """Return whether answers and problems are to be JSON."""
    context = click.get_current_context(silent=True)
    return bool(context and context.meta.get(_JSON))


def _discard_output() -> None:
    """Have the interpreter find nothing to write at its end: it would fail once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
