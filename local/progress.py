"""Show what is being done and how long it takes: one line a step."""

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

_ERASE_LINE = "\r\x1b[2K"


class Progress:
    """Prints steps. On a terminal the running step is redrawn, elsewhere each line stays."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stdout if stream is None else stream
        self._redraws = self._stream.isatty()
        self._started = time.monotonic()
        self._step = ""
        self._step_started = self._started

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Show `name` while the body runs, and how it ended after how many seconds."""
        self._step, self._step_started = name, time.monotonic()
        self.detail("")
        try:
            yield
        except BaseException:
            self._end("failed")
            raise
        self._end("ok")

    def detail(self, text: str) -> None:
        """Show how far the running step is; on a terminal only."""
        if self._redraws:
            seconds = time.monotonic() - self._step_started
            line = f"  ... {self._step} {seconds:4.1f} s  {text}"
            # A line that wraps could not be erased again.
            width = shutil.get_terminal_size().columns - 1
            self._stream.write(f"{_ERASE_LINE}{line[:width]}")
            self._stream.flush()

    def say(self, text: str) -> None:
        """Print lines that stay."""
        self._stream.write(f"{_ERASE_LINE if self._redraws else ''}{text}\n")
        self._stream.flush()

    def _end(self, outcome: str) -> None:
        seconds = time.monotonic() - self._step_started
        self.say(f"  {outcome:>6}  {self._step:<44} {seconds:5.1f} s")
        self._step = ""
