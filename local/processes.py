"""Start processes, each in a group of its own, and stop exactly those.

Every running process is recorded in a file (`.local/run/<pid>.json`), so that a later run can stop
what an earlier one left behind when it was killed. A record holds the time at which the process
started: a process that merely got the same pid later is never touched.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from local import STATE
from local.stopping import held

RECORDS = STATE / "run"
TERMINATION_GRACE = 5.0
"""Seconds that a group has between SIGTERM and SIGKILL."""

REMOVAL_TIMEOUT = 20.0
"""Seconds that the command has which removes what a process left."""

_POLL = 0.05


class ProcessFailed(Exception):
    """A process ended, or was not ready in time; the message ends with its log's tail."""


class _Row(NamedTuple):
    """One process, as the operating system's table has it."""

    pid: int
    group: int
    started: str


def _living(pid: int | None = None) -> Iterator[_Row]:
    """List the processes that are no zombies; only `pid` if given."""
    if Path("/proc/self/stat").exists():  # Linux; containers often lack `ps`
        pattern = "[0-9]*/stat" if pid is None else f"{pid}/stat"
        for stat in Path("/proc").glob(pattern):
            with contextlib.suppress(OSError):  # it ended since it was listed
                # The command's name, in parentheses, may hold blanks and parentheses.
                state, _parent, group, *rest = stat.read_text().rpartition(")")[2].split()
                if state != "Z":
                    yield _Row(int(stat.parent.name), int(group), rest[16])
        return
    which = ["-A"] if pid is None else ["-p", str(pid)]
    listing = subprocess.run(
        ["ps", *which, "-o", "stat=,pid=,pgid=,lstart="],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    for line in listing.splitlines():
        state, number, group, started = line.split(maxsplit=3)
        if not state.startswith("Z"):
            yield _Row(int(number), int(group), started.strip())


def identity(pid: int) -> str | None:
    """Return what tells the process `pid` from any later one with that number.

    None if there is no such process, or only its zombie.
    """
    return next((row.started for row in _living(pid)), None)


def stop_group(pid: int, *, grace: float = TERMINATION_GRACE) -> None:
    """End the process group that `pid` leads: SIGTERM, and SIGKILL after `grace` seconds."""
    deadline = time.monotonic() + grace
    _end(pid)
    while _group_lives(pid):
        if time.monotonic() > deadline:
            _signal(pid, signal.SIGKILL)
            return
        time.sleep(_POLL)


class Process:
    """A child process that leads its own group, with its output in a log file.

    As a context manager it stops the whole group on exit. Being a group of its own, it does not
    get the terminal's Ctrl-C: the parent alone decides in which order things stop. `scratch` is a
    folder of the process's own, made here and removed when it is stopped, also by a later run;
    `files` are written into it, for this user's eyes alone.
    `grace` is how many seconds it has to end after SIGTERM. `afterwards` is a command that removes
    what is not of its group, such as a container; it is run when the process is stopped, also by a
    later run, whether or not there is anything left to remove.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        records: Path = RECORDS,
        scratch: Path | None = None,
        files: Mapping[str, bytes] | None = None,
        grace: float = TERMINATION_GRACE,
        afterwards: Sequence[str] = (),
    ) -> None:
        self.name = name
        self._scratch = scratch
        self._afterwards = list(afterwards)
        self._grace = grace
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        records.mkdir(parents=True, exist_ok=True)
        with held(), log.open("ab") as output:
            if scratch is not None:
                scratch.mkdir(parents=True)
                for file, content in (files or {}).items():
                    (scratch / file).touch(mode=0o600)
                    (scratch / file).write_bytes(content)
            self._popen = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=None if environment is None else dict(environment),
                cwd=directory,
                start_new_session=True,
            )
            self.pid = self._popen.pid
            self._record = records / f"{self.pid}.json"
            # Renamed into its place: another run may look at the records at any time.
            written = self._record.with_suffix(".new")
            written.write_text(
                json.dumps(
                    {
                        "name": name,
                        "pid": self.pid,
                        "identity": identity(self.pid),
                        "owner": os.getpid(),
                        "owner_identity": identity(os.getpid()),
                        "scratch": None if scratch is None else str(scratch),
                        "afterwards": self._afterwards,
                    }
                )
            )
            written.replace(self._record)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def returncode(self) -> int | None:
        """The exit status, None while it runs."""
        return self._popen.poll()

    def tail(self, lines: int = 20) -> str:
        """Return the last lines of the log."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end; returns the exit status. Raises TimeoutError after `timeout` s."""
        try:
            return self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"{self.name} still runs after {timeout:g} s") from None

    def wait_until(self, ready: Callable[[], bool], *, timeout: float) -> None:
        """Wait until `ready()`; ProcessFailed if the process ends or `timeout` seconds pass."""
        deadline = time.monotonic() + timeout
        while not ready():
            # Looked at once more: it may have ended well since `ready` was asked.
            if self.returncode is not None and not ready():
                raise ProcessFailed(
                    f"{self.name} ended with status {self.returncode} before it was ready; "
                    f"end of {self.log}:\n{self.tail()}"
                )
            if time.monotonic() > deadline:
                raise ProcessFailed(
                    f"{self.name} was not ready after {timeout:g} s; end of {self.log}:\n"
                    f"{self.tail()}"
                )
            time.sleep(_POLL)

    def terminate(self) -> None:
        """Ask the group to end, and do not wait; `stop` does."""
        if self._popen.poll() is None:
            _end(self.pid)

    def stop(self, *, grace: float | None = None) -> None:
        """Stop the process and everything in its group. Harmless when it has ended.

        `grace` is in seconds, by default what the process was given at its start.
        """
        # Once the leader is reaped its number may belong to another program's process, though
        # not while members of the group remain.
        if self._popen.returncode is None or identity(self.pid) is None:
            stop_group(self.pid, grace=self._grace if grace is None else grace)
        self._popen.wait()
        _remove(self._scratch, self._afterwards)
        self._record.unlink(missing_ok=True)


def stop_leftovers(records: Path = RECORDS) -> list[str]:
    """Stop what a run that was killed left behind, by its `records`; returns processes' names.

    Runs that still live keep theirs.
    """
    return _stop_recorded(records, lambda left: identity(left["owner"]) != left["owner_identity"])


def stop_own(records: Path = RECORDS) -> list[str]:
    """Stop what this very process started and lost hold of; returns processes' names.

    An exception that a signal raised may come between the start of a process and the `with` block
    that would have stopped it.
    """
    return _stop_recorded(records, lambda left: left["owner"] == os.getpid())


def _stop_recorded(records: Path, chosen: Callable[[dict[str, Any]], bool]) -> list[str]:
    stopped = []
    for record in sorted(records.glob("*.json")):
        try:
            left = json.loads(record.read_text())
        except FileNotFoundError:  # its run has just stopped it
            continue
        if not chosen(left):
            continue
        if left["identity"] is not None and identity(left["pid"]) == left["identity"]:
            stop_group(left["pid"])
            stopped.append(str(left["name"]))
        _remove(left["scratch"], left.get("afterwards", []))
        record.unlink(missing_ok=True)
    return stopped


def _remove(scratch: str | Path | None, afterwards: Sequence[str]) -> None:
    if scratch is not None:
        shutil.rmtree(scratch, ignore_errors=True)
    if afterwards:
        # It fails where nothing is left to remove, which is as good.
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(
                afterwards,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                timeout=REMOVAL_TIMEOUT,
                start_new_session=True,
            )


def _end(group: int) -> None:
    _signal(group, signal.SIGTERM)
    _signal(group, signal.SIGCONT)  # one that is paused would not hear of it


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _group_lives(group: int) -> bool:
    return any(row.group == group for row in _living())
