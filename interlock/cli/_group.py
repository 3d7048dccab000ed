"""The base of all verbs: `--json` anywhere, and failures without tracebacks."""

import errno
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import takewhile
from typing import Any, NoReturn

import click

REFUSED, MISUSE, UNAVAILABLE = 1, 2, 3
INTERRUPTED = 130
_MOST_SECONDS = 1_000_000_000
_JSON = "interlock.json"
_ASKED = "interlock.json.asked"


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


class Seconds(click.FloatRange):
    """A finite number of seconds, as an option takes it."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number; refuse what is none, infinities and centuries."""
        number: float = super().convert(value, param, ctx)
        if not number <= _MOST_SECONDS:
            self.fail(f"{value} is no number of seconds up to {_MOST_SECONDS:,}", param, ctx)
        return number


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

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Read the arguments, or print the help or the version that they ask for."""
        if parent is not None:
            return super().make_context(info_name, args, parent, **extra)
        # What cannot be read says nothing of --json: then its being there has to do.
        asked = "--json" in takewhile(lambda each: each != "--", args)
        with _said(asked):
            context = super().make_context(info_name, args, parent, **extra)
        context.meta[_ASKED] = asked
        return context

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs, each with its first sentence whole: click would cut it to a line."""
        verbs = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, verb.get_short_help_str(limit=200)) for name, verb in verbs.items() if verb]
            )

    def invoke(self, context: click.Context) -> Any:
        """Run the verb."""
        if context.parent is not None:
            return super().invoke(context)
        with _said(context.meta[_ASKED]):
            return super().invoke(context)


@contextmanager
def _said(asked: bool) -> Iterator[None]:  # noqa: FBT001 - of this module alone
    """Write out what is printed while a failure can still be said, and say each failure.

    A closed pipe ends well, as its reader has had enough. click itself would end with 1.
    """
    try:
        try:
            yield
        except click.exceptions.Exit:
            _write_out()
            raise
        _write_out()
    except BrokenPipeError:
        _discard_output()
        sys.exit(0)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except OSError as error:
        _discard_output()
        fail(f"cannot write: {error.strerror or error}", REFUSED)
    except click.ClickException as error:
        if not asked:
            raise
        click.echo(json.dumps({"detail": error.format_message()}), err=True)
        sys.exit(error.exit_code)
    except (click.exceptions.Exit, click.Abort):
        raise
    except Exception as error:  # a person sees it without a traceback
        if os.environ.get("INTERLOCK_DEBUG"):
            raise
        text = _HERE.get(_type_of(error), str(error))
        told = {"detail": text, "type": _type_of(error)}
        hint = "" if _is_ours(error) else f" ({_type_of(error)}; INTERLOCK_DEBUG=1 shows more)"
        fail(f"{text}{hint}", status_of(error), told)


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

# Where the way out is another for the command than for a program.
_HERE = {"RegionMissing": "no region is configured: give --region, or set AWS_REGION"}


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


def _write_out() -> None:
    # None: closed before the program began, so that all that was printed is lost.
    if sys.stdout is None:
        raise OSError(errno.EBADF, "standard output is closed")
    sys.stdout.flush()


def _discard_output() -> None:
    """Have the interpreter find nothing to write at its end: it would fail once more."""
    if sys.stdout is None:
        return
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
