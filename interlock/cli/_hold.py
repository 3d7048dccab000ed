"""`interlock locks run, hold, export, adopt`: hold a lock from a shell."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from interlock.cli._child import Child, say
from interlock.cli._group import Seconds, Verb, fail, show
from interlock.cli._table import Table, table_of

if TYPE_CHECKING:
    from interlock.locks import Lock, LockClient

# As GNU timeout and shells have them.
LOST, TIMED_OUT, NOT_RUN, NOT_EXECUTABLE, NOT_FOUND = 123, 124, 125, 126, 127

_name = click.argument("name")
_command = click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
_seconds = Seconds(min=0)
_timeout = click.option(
    "--timeout", type=_seconds, help="Seconds to wait for the lock (default: for ever)."
)
_lease = click.option(
    "--lease",
    type=Seconds(min=0.1),
    default=20.0,
    show_default=True,
    help="Seconds that the lock stays held when this command is gone.",
)
_on_loss = click.option(
    "--on-loss",
    type=click.Choice(["kill", "warn"]),
    default="kill",
    show_default=True,
    help="End COMMAND when the lock is lost, or only say so.",
)
_grace = click.option(
    "--grace",
    type=_seconds,
    default=5.0,
    show_default=True,
    help="Seconds between SIGTERM and SIGKILL when the lock is lost.",
)
_STATUS = """
    \b
    Exit status:
      COMMAND's own, 128 and the signal's number if a signal ended it; else
      123  the lock was lost while COMMAND ran
      124  the lock was held by others for all of --timeout
      125  the lock could not be taken; standard error says why
      126  COMMAND cannot be executed
      127  COMMAND was not found
"""


class _Run(Verb):
    """A verb whose own failures have statuses that commands seldom use."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb; what the library raises ends it as `NOT_RUN`."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            from interlock.errors import InterlockError, LockTimeout

            if not isinstance(error, InterlockError):
                raise
            fail(str(error), TIMED_OUT if isinstance(error, LockTimeout) else NOT_RUN)


@click.command(
    cls=_Run,
    help="""Take the lock NAME, run COMMAND while it is held, and give it back.

    COMMAND finds the lock's name in INTERLOCK_LOCK and its fencing token in
    INTERLOCK_FENCING_TOKEN: have what it writes to refuse a lower token than it has seen. The lock
    is renewed meanwhile. Options go before "--", COMMAND and its own options after it.
    When it is lost, COMMAND and what it has started get SIGTERM, and SIGKILL after --grace; on a
    terminal only COMMAND itself does. Signals that this command gets are passed on.

    \b
    Examples:
      interlock --table coordination locks run nightly --timeout 0 -- ./nightly.sh
      interlock --table coordination locks run deploy --lease 60 -- make deploy
"""
    + _STATUS,
)
@_timeout
@_lease
@_on_loss
@_grace
@_name
@_command
@click.pass_context
def run(  # noqa: PLR0917 - click passes them by name
    context: click.Context,
    timeout: float | None,
    lease: float,
    on_loss: str,
    grace: float,
    name: str,
    command: Sequence[str],
) -> None:
    given = dict(os.environ)  # the command does not inherit --profile and --region
    locks = _client(table_of(context), lease)
    _run(locks, lambda: _acquired(locks, name, timeout), command, given, on_loss, grace)


@click.command(cls=_Run)
@_timeout
@_lease
@_name
@click.pass_context
def hold(context: click.Context, timeout: float | None, lease: float, name: str) -> None:
    """Take the lock NAME and hold it until interrupted (Ctrl-C or SIGTERM).

    Prints the fencing token once it is held. To look into what the lock protects while no program
    works on it; its holders wait.

    \b
    Exit status:
      0    given back
      123  lost: who has it now may have worked beside you
      124  held by others for all of --timeout
      125  could not be taken; standard error says why
    """
    locks = _client(table_of(context), lease)
    _hold(locks, lambda: _acquired(locks, name, timeout))


@click.command(cls=_Run)
@_timeout
@_lease
@_name
@click.pass_context
def export(context: click.Context, timeout: float | None, lease: float, name: str) -> None:
    """Take the lock NAME and print what `locks adopt` takes, on this machine or another.

    It is not renewed until it is adopted, for which there is a lease of time. Who has the text has
    the lock: hand it over as a secret.

    \b
    Example:
      interlock --table coordination locks export deploy | ssh host \\
        interlock --table coordination locks adopt - -- ./deploy.sh
    """
    locks = _client(table_of(context), lease)
    lock = _acquired(locks, name, timeout)
    text = lock.export()
    show({"name": name, "exported": text}, text)


@click.command(
    cls=_Run,
    help="""Go on holding a lock by the text that `locks export` or Lock.export made.

    TEXT "-" reads it from standard input. Runs COMMAND as `locks run` does, with the same exit
    status; without COMMAND it holds the lock until interrupted, as `locks hold` does.
""",
)
@_on_loss
@_grace
@click.argument("text")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def adopt(
    context: click.Context, on_loss: str, grace: float, text: str, command: Sequence[str]
) -> None:
    given = dict(os.environ)
    exported = sys.stdin.readline().strip() if text == "-" else text
    locks = table_of(context).locks()
    if command:
        _run(locks, lambda: locks.adopt(exported), command, given, on_loss, grace)
    else:
        _hold(locks, lambda: locks.adopt(exported))


@contextmanager
def _told_once() -> Iterator[None]:
    """Leave the loss of a lock out of what is logged: the verb tells it, as JSON if asked."""
    from interlock.errors import LockLost

    def others(record: logging.LogRecord) -> bool:
        return not any(isinstance(one, LockLost) for one in record.args or ())

    log = logging.getLogger("interlock")
    log.addFilter(others)
    try:
        yield
    finally:
        log.removeFilter(others)


def _client(table: Table, lease: float) -> "LockClient":
    return table.locks(lease=timedelta(seconds=lease))


def _acquired(locks: "LockClient", name: str, timeout: float | None) -> "Lock":
    lock = locks.acquire(name, timeout=None if timeout is None else timedelta(seconds=timeout))
    if lock.after_break is not None:
        broken = lock.after_break
        say(f"{name} was broken right before, by {broken.by}: {broken.because}")
    return lock


def _run(  # noqa: PLR0917 - once each
    locks: "LockClient",
    take: "Callable[[], Lock]",
    command: Sequence[str],
    given: dict[str, str],
    on_loss: str,
    grace: float,
) -> None:
    """Run a command under a lock, and end the program as it ended."""
    signal.signal(signal.SIGTERM, _interrupt)
    with locks, _told_once():
        lock = take()
        given |= {"INTERLOCK_LOCK": lock.name, "INTERLOCK_FENCING_TOKEN": str(lock.fencing_token)}
        try:
            child = Child(command, given, grace=grace)
        except OSError as error:
            lock.release()
            missing = isinstance(error, FileNotFoundError)
            fail(f"{command[0]}: {error.strerror}", NOT_FOUND if missing else NOT_EXECUTABLE)
        watch = threading.Thread(target=_watch, args=(lock, child, on_loss), daemon=True)
        watch.start()
        status = child.wait()
        held = lock.release()
        if not held and on_loss == "kill":
            status = LOST
        elif not held:
            say(f"{lock.name} was lost while the command ran")
    sys.exit(status)


def _watch(lock: "Lock", child: Child, on_loss: str) -> None:
    """Wait until a lock is given back or lost, and then have the command know."""
    if not lock.lost.wait():
        return
    say(f"{_lost(lock)}" + ("; ending the command" if on_loss == "kill" else ""))
    if on_loss == "kill":
        child.end()


def _hold(locks: "LockClient", take: "Callable[[], Lock]") -> None:
    """Hold a lock until interrupted."""
    signal.signal(signal.SIGTERM, _interrupt)
    with locks, _told_once():
        lock = take()
        try:
            entry = {"name": lock.name, "fencing_token": lock.fencing_token}
            held = f"{lock.name} is held, fencing token {lock.fencing_token}"
            show(entry, f"{held}; Ctrl-C gives it back")
            sys.stdout.flush()
            lost = lock.lost.wait()
        except KeyboardInterrupt:
            lost = not lock.release()
        if lost:
            fail(_lost(lock), LOST)


def _lost(lock: "Lock") -> str:
    from interlock.errors import LockLost

    try:
        lock.ensure()
    except LockLost as error:
        return str(error)
    return f"{lock.name} was lost"


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt
