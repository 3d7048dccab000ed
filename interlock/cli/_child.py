"""A command that runs as long as a lock is held."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import FrameType

import click

_FORWARDED = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)
_BY_SIGNAL = 128  # and the signal's number, as shells have it
_LOOK = 1.0  # seconds


class Child:
    """A command as a process: signals are passed on to it, and `end` asks it to end, then makes it.

    It has a group of its own, so that what it has started ends with it; but on a terminal it stays
    in the group of this process, whose keys then reach both, and `end` reaches the command alone.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], *, grace: float
    ) -> None:
        """Start a command. Raises `OSError` if it cannot be."""
        self._grouped = not sys.stdin.isatty()
        self._grace = grace
        self._killing: threading.Timer | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []  # signals that came before there was a command
        for number in _FORWARDED:
            signal.signal(number, self._forward)
        self._process = subprocess.Popen(  # noqa: S603 - it is what the caller wants to run
            command, env=dict(environment), process_group=0 if self._grouped else None
        )
        for early in self._early:
            self._signal(early)

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        """The command, which has been started."""
        assert self._process is not None  # noqa: S101 - for type checkers
        return self._process

    def wait(self) -> int:
        """Return the command's exit status once it has ended; 128 and more if by a signal."""
        waiting = threading.Thread(target=self.process.wait, daemon=True)
        waiting.start()
        # In pieces: Python runs the handler of a signal that comes right before a wait after it.
        while waiting.is_alive():
            waiting.join(_LOOK)
        status = self.process.wait()
        if self._killing is not None:
            self._killing.cancel()
            if self._grouped:
                self._signal(signal.SIGKILL)  # what it has left behind
        return status if status >= 0 else _BY_SIGNAL - status

    def end(self) -> None:
        """Ask the command to end by SIGTERM, and kill it after the grace. For any thread."""
        self._signal(signal.SIGTERM)
        self._killing = threading.Timer(self._grace, self._signal, (signal.SIGKILL,))
        self._killing.daemon = True
        self._killing.start()

    def _forward(self, number: int, _: FrameType | None) -> None:
        if self._process is None:
            self._early.append(number)
        elif number != signal.SIGINT or self._grouped:  # else the terminal has told the command
            self._signal(number)

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            if self._grouped:
                os.killpg(self.process.pid, number)
            elif self.process.returncode is None:
                os.kill(self.process.pid, number)


def say(text: str) -> None:
    """Show the person something beside the command's own output."""
    click.echo(f"interlock: {text}", err=True)
