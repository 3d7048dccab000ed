"""`make demo` as a person at a terminal meets it: with Ctrl-C, `kill -9` and a taken port."""

import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from local import ROOT
from local.processes import TERMINATION_GRACE, _living, identity

# Not of the group "deployed": these deploy for themselves, beside it.
pytestmark = pytest.mark.xdist_group("demo")
PATIENCE = 300.0
CTRL_C = b"\x03"
_ON_A_TERMINAL = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"
_REDRAWN = re.compile(r"[^\r\n]*\r\x1b\[2K")


class Terminal:
    """A demo that runs on a terminal of its own."""

    def __init__(self, state: Path, *arguments: str) -> None:
        demo = [sys.executable, "-m", "local", "demo", "--state", str(state), *arguments]
        self.state = state
        self.output = ""
        # In a process in between: forking this one, which has threads, is not safe.
        self._process = subprocess.Popen(
            [sys.executable, "-c", _ON_A_TERMINAL, *demo],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            bufsize=0,
        )

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Return the match of what it has printed, as soon as there is one."""
        deadline = time.monotonic() + PATIENCE
        while (found := re.search(pattern, self.output)) is None:
            assert time.monotonic() < deadline, self.output
            assert self._read(), f"it ended without {pattern!r}:\n{self.output}"
        return found

    def press(self, key: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(key)

    def wait(self) -> int:
        """Return the exit status."""
        deadline = time.monotonic() + PATIENCE
        while self._read():
            assert time.monotonic() < deadline, self.output
        return self._process.wait(PATIENCE)

    def started(self) -> dict[str, int]:
        """Return the process ids of what it runs just now, by name."""
        return {record["name"]: record["pid"] for record in self._records()}

    def kill(self) -> None:
        """Give the demo itself no chance to stop anything."""
        os.kill(self._records()[0]["owner"], signal.SIGKILL)
        self.wait()

    def close(self) -> None:
        """Hang up, as a closed window does."""
        self._process.kill()
        self._process.communicate()

    def _records(self) -> list[dict[str, Any]]:
        return [json.loads(path.read_text()) for path in self.state.glob("run/*.json")]

    def _read(self) -> bool:
        """Take what it printed in the next moment; False once it has ended."""
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], 0.2)[0]:
            return True
        text = self._process.stdout.read(65536)
        self.output += text.decode(errors="replace")
        return bool(text)


Demo = Callable[..., Terminal]


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    terminals: list[Terminal] = []

    def start(*arguments: str) -> Terminal:
        terminals.append(Terminal(tmp_path, *arguments))
        return terminals[-1]

    yield start
    for terminal in terminals:
        terminal.close()
    # Whatever a failed test has left.
    program = "import sys, pathlib; from local.processes import stop_leftovers as stop; "
    program += "stop(pathlib.Path(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", program, tmp_path / "run"], check=True, cwd=ROOT)


def members(group: int) -> list[int]:
    """Return the living processes of a group."""
    return [row.pid for row in _living() if row.group == group]


def test_a_visit_from_the_first_line_to_ctrl_c(demo):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        terminal = demo("--instances", "2", "--port", str(port))
        other = terminal.wait_for(rf"Port {port} is in use by another program: using (\d+)")[1]
        terminal.wait_for(r"cdk deploy --all -c env=local +\d+\.\d s  \S")  # it tells how far it is
        terminal.wait_for("Stop everything with Ctrl-C")
    shown = _REDRAWN.sub("", terminal.output)
    for step in ("start the emulator", "cdk bootstrap", "cdk deploy", "count through every tier"):
        assert re.search(rf"  ok  {step}", shown), shown
    assert re.search(rf"Web client +http://\S+\.alb\.localhost:{other}/", shown)
    assert "AWS::EC2::NetworkAcl\r\n" in shown
    assert "AWS::WAFv2::WebACLAssociation\r\n" in shown

    lines = re.search(r"curl -X POST(?:[^\r\n]*\\\r\n)+ +http\S+", shown)
    assert lines is not None, shown
    command = lines[0].replace("\r\n", "\n")
    curl = subprocess.run(  # through a shell, as a reader pastes it
        ["bash", "-c", f"{command} --silent --noproxy '*'"],
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (
        json.loads(curl.stdout)["value"]
        == int(terminal.wait_for(r"counter 'demo' is (\d+)")[1]) + 1
    )

    os.kill(terminal.started()["i-local-2"], signal.SIGKILL)
    terminal.wait_for("i-local-2 has ended: it gets no more requests")
    terminal.wait_for("i-local-3 was started in its place")

    started = terminal.started()
    assert started.keys() == {"provider", "ministack", "i-local-1", "i-local-3"}
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        began = time.monotonic()
        terminal.press(CTRL_C)
        terminal.press(CTRL_C)  # impatience must not cut the stopping short
        assert terminal.wait() == 0
        assert time.monotonic() - began < len(started) * TERMINATION_GRACE  # none was waited for
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()
    assert [members(group) for group in started.values()] == [[], [], [], []]
    assert list(terminal.state.glob("run/*")) == []
    assert "Traceback" not in terminal.output


def test_ctrl_c_in_the_middle_of_the_deployment_leaves_nothing(demo):
    terminal = demo()
    terminal.wait_for(r"cdk deploy --all -c env=local +[1-9]\d*\.")  # for some seconds already
    started = terminal.started()
    assert started.keys() == {"provider", "ministack", "cdk deploy"}
    terminal.press(CTRL_C)
    assert terminal.wait() == 130
    assert "Stopped by SIGINT; nothing was left running." in terminal.output
    assert [members(group) for group in started.values()] == [[], [], []]
    assert list(terminal.state.glob("run/*")) == []
    assert "Traceback" not in terminal.output


def test_what_a_killed_demo_left_is_stopped_by_the_next(demo):
    killed = demo()
    killed.wait_for("ok  start the emulator")
    killed.wait_for(r"cdk bootstrap +\d")
    left = killed.started()["ministack"]
    killed.kill()
    assert identity(left) is not None

    fresh = demo()
    fresh.wait_for("Stopped ministack, left by an earlier run")
    fresh.wait_for("ok  start the emulator")
    assert members(left) == []
    assert left not in fresh.started().values()
    fresh.press(CTRL_C)
    assert fresh.wait() == 130
    assert list(fresh.state.glob("run/*")) == []


def test_closing_the_window_stops_everything(demo):
    terminal = demo()
    terminal.wait_for("ok  start the emulator")
    started = terminal.started()["ministack"]
    terminal.close()
    deadline = time.monotonic() + 30
    while members(started) or list(terminal.state.glob("run/*")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
