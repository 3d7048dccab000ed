"""`interlock locks run, hold, export, adopt`, as processes of their own on a table over HTTP."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from interlock.locks import LockClient
from tests.unit.cli.conftest import COMMAND

SLOW = "import sys, time; print('begun', flush=True); time.sleep(60)"
BECAUSE = "it hangs"


@pytest.fixture
def locks(server):
    """Return a client of another process."""
    with LockClient("coordination", owner="other", client=server.client()) as locks:
        yield locks


def python(text):
    return ["--", sys.executable, "-c", text]


def ended(process):
    out, err = process.communicate(timeout=60)
    assert "Traceback" not in err
    return process.returncode, out, err


def until(condition):
    while not condition():
        time.sleep(0.01)


def test_a_command_runs_under_the_lock_and_knows_its_token(command, locks):
    text = "import os; print(os.environ['INTERLOCK_LOCK'], os.environ['INTERLOCK_FENCING_TOKEN'])"
    code, out, _ = ended(command("locks", "run", "a", *python(text)))
    record = locks.inspect("a")
    assert (code, out.split()) == (0, ["a", str(record.fencing_token)])
    assert not record.held


def test_a_look_at_a_lock_imports_nothing_heavy(command, locks):
    text = (
        "import sys\n"
        "from interlock.cli import main\n"
        "main(['locks', 'show', 'a'], standalone_mode=False)\n"
        "print([m for m in sys.modules if m in {'boto3', 'botocore', 'cryptography', 'asyncio'}])"
    )
    code, out, _ = ended(command("locks", "run", "a", *python(text)))
    assert (code, out.splitlines()[-1]) == (0, "[]")
    assert locks.inspect("a") is not None


def test_the_lock_is_held_meanwhile_and_given_back_after_a_signal(command, locks):
    process = command("locks", "run", "a", *python(SLOW))
    assert process.stdout.readline() == "begun\n"
    assert locks.inspect("a").held
    process.terminate()
    assert ended(process)[0] == 128 + signal.SIGTERM
    assert not locks.inspect("a").held


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("raise SystemExit(7)", 7),
        ("import os; os.kill(os.getpid(), 9)", 128 + signal.SIGKILL),
    ],
)
def test_the_status_is_the_commands(command, text, status):
    assert ended(command("locks", "run", "a", *python(text)))[0] == status


def test_a_lock_of_another_is_not_waited_for_longer_than_asked(command, locks):
    with locks.acquire("a"):
        code, out, err = ended(command("locks", "run", "a", "--timeout", "0", *python("print(1)")))
    assert (code, out) == (124, "")
    assert "other" in err


@pytest.mark.parametrize(("name", "status"), [("no-such-command", 127), ("/etc/passwd", 126)])
def test_a_command_that_cannot_run_gives_the_lock_back(command, locks, name, status):
    code, _, err = ended(command("locks", "run", "a", "--", name))
    assert (code, name in err) == (status, True)
    assert not locks.inspect("a").held


def test_a_table_that_is_not_there_is_told(command):
    code, _, err = ended(command("--table", "nope", "locks", "run", "a", *python("print(1)")))
    assert (code, "nope" in err) == (125, True)


def test_a_command_is_ended_when_the_lock_is_broken(command, locks):
    process = command("locks", "run", "a", "--lease", "4", *python(SLOW))
    assert process.stdout.readline() == "begun\n"
    locks.break_lock("a", because=BECAUSE)
    code, _, err = ended(process)
    assert code == 123
    assert "broken" in err
    assert "ending the command" in err


def test_a_command_that_ignores_the_word_is_killed_with_what_it_started(command, locks, tmp_path):
    text = (
        "import signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "open('child', 'w').write(str(child.pid))\n"
        "print('begun', flush=True)\n"
        "time.sleep(60)\n"
    )
    process = command("locks", "run", "a", "--lease", "4", "--grace", "0.2", *python(text))
    assert process.stdout.readline() == "begun\n"
    locks.break_lock("a", because=BECAUSE)
    assert ended(process)[0] == 123
    child = Path(f"/proc/{(tmp_path / 'child').read_text()}/stat")
    until(lambda: not child.exists() or child.read_text().split()[2] == "Z")


def test_a_loss_may_be_told_only(command, locks):
    text = "import sys; print('begun', flush=True); sys.stdin.readline()"
    process = command(
        "locks",
        "run",
        "a",
        "--lease",
        "4",
        "--on-loss",
        "warn",
        *python(text),
        stdin=subprocess.PIPE,
    )
    assert process.stdout.readline() == "begun\n"
    locks.break_lock("a", because=BECAUSE)
    assert "broken" in process.stderr.readline()
    code, _, err = ended(process)
    assert (code, "was lost while the command ran" in err) == (0, True)


def test_the_next_holder_is_shown_why_the_lock_was_broken(command, locks):
    lock = locks.acquire("a")
    locks.break_lock("a", because=BECAUSE)
    assert BECAUSE in ended(command("locks", "run", "a", *python("print(1)")))[2]
    assert lock.release() is False


def test_a_lock_is_held_until_interrupted(command, locks):
    process = command("locks", "hold", "a")
    assert process.stdout.readline().startswith("a is held, fencing token ")
    assert locks.inspect("a").held
    process.terminate()
    assert ended(process)[0] == 0
    assert not locks.inspect("a").held


def test_a_lost_hold_says_so(command, locks):
    process = command("locks", "hold", "a", "--lease", "4", "--json")
    assert json.loads(process.stdout.readline())["name"] == "a"
    locks.break_lock("a", because=BECAUSE)
    code, _, err = ended(process)
    assert (code, "broken" in json.loads(err)["detail"]) == (123, True)


def test_a_lock_goes_from_one_command_to_another(command, locks):
    code, text, _ = ended(command("locks", "export", "a"))
    assert code == 0
    token = locks.inspect("a").fencing_token
    script = "import os; print(os.environ['INTERLOCK_FENCING_TOKEN'])"
    code, out, _ = ended(command("locks", "adopt", text.strip(), *python(script)))
    assert (code, out.strip()) == (0, str(token))
    code, _, err = ended(command("locks", "adopt", text.strip(), *python(script)))
    assert (code, "not held" in err or "released" in err) == (125, True), err


def test_an_exported_lock_is_adopted_from_standard_input(command, locks):
    text = locks.acquire("a").export()
    process = command("locks", "adopt", "-", stdin=subprocess.PIPE)
    process.stdin.write(f"{text}\n")
    process.stdin.flush()
    assert "a is held" in process.stdout.readline()
    process.terminate()
    assert ended(process)[0] == 0


class Terminal:
    """The command in a terminal of its own."""

    def __init__(self, environment, *arguments):
        self.pid, self.fd = pty.fork()
        if not self.pid:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # which a job in the background ignores
            given = {"PATH": os.environ["PATH"], "TERM": "xterm", **environment}
            os.execve(COMMAND[0], [*COMMAND, *arguments], given)  # noqa: S606 - the child's
        self.seen = ""

    def read_until(self, text):
        while text not in self.seen:
            try:
                found = os.read(self.fd, 4096)
            except OSError:  # what a terminal says when its last process has gone
                found = b""
            if not found:
                break
            self.seen += found.decode(errors="replace")
        assert text in self.seen

    def write(self, text):
        os.write(self.fd, text.encode())

    def ended(self):
        self.read_until("")
        while True:
            try:
                found = os.read(self.fd, 4096)
            except OSError:
                break
            if not found:
                break
            self.seen += found.decode(errors="replace")
        _, status = os.waitpid(self.pid, 0)
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status)


@pytest.fixture
def terminal(server, tmp_path):
    def start(*arguments, **environment):
        given = {"HOME": str(tmp_path), **server.environment, **environment}
        return Terminal(given, *arguments)

    return start


def test_on_a_terminal_states_have_colours_without_it_or_by_wish_none(terminal, command, locks):
    with locks.acquire("a"):
        coloured = terminal("locks", "ls")
        assert coloured.ended() == 0
        plain = terminal("locks", "ls", NO_COLOR="1")
        assert plain.ended() == 0
        piped = ended(command("locks", "ls"))[1]
    assert "\x1b[32mheld" in coloured.seen
    assert "\x1b[" not in plain.seen
    assert "\x1b[" not in piped


def test_on_a_terminal_a_break_is_asked_about_and_no_breaks_nothing(terminal, locks):
    lock = locks.acquire("a")
    asked = terminal("locks", "break", "a", "--because", BECAUSE)
    asked.read_until("Break a, held by other since ")
    asked.write("n\n")
    assert asked.ended() == 1
    assert locks.inspect("a").held
    asked = terminal("locks", "break", "a", "--because", BECAUSE)
    asked.read_until("[y/N]")
    asked.write("y\n")
    assert asked.ended() == 0
    assert locks.inspect("a").broken.fencing_token == lock.fencing_token
    assert lock.release() is False


def test_on_a_terminal_an_answer_about_one_grant_does_not_break_the_next(terminal, locks):
    lock = locks.acquire("a")
    asked = terminal("locks", "break", "a", "--because", BECAUSE)
    asked.read_until("[y/N]")
    lock.release()
    with locks.acquire("a") as following:
        asked.write("y\n")
        assert asked.ended() == 1
        following.ensure()
        assert locks.inspect("a").held
    assert "is over" in asked.seen


def test_on_a_terminal_a_watch_is_redrawn_until_interrupted(terminal, locks):
    with locks.acquire("first"):
        watch = terminal("locks", "ls", "--watch", "--every", "0.2")
        watch.read_until("first")
    with locks.acquire("second"):
        watch.read_until("second")
    watch.write("\x03")
    assert watch.ended() == 130
    assert "\x1b[H\x1b[2J" in watch.seen
    assert "Traceback" not in watch.seen


def test_on_a_terminal_its_keys_end_the_command_under_the_lock(terminal, locks):
    # The system ends it: Python's own handler is not looked at by a read that has just begun.
    running = terminal("locks", "run", "a", "--", "sh", "-c", "echo begun; exec sleep 60")
    running.read_until("begun")
    running.write("\x03")
    assert running.ended() == 128 + signal.SIGINT
    assert not locks.inspect("a").held
