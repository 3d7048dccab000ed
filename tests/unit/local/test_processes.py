import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from local.ports import free_port, is_free
from local.processes import Process, ProcessFailed, identity, stop_leftovers

PARENT_OF_A_STUBBORN_CHILD = """
import signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('ready', flush=True); time.sleep(60)"], stdout=subprocess.PIPE, text=True)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(60)
"""


def start(tmp_path, script, name="demo"):
    return Process(
        name,
        [sys.executable, "-c", script],
        log=tmp_path / f"{name}.log",
        records=tmp_path / "run",
    )


def wait_gone(pid):
    deadline = time.monotonic() + 10
    while identity(pid) is not None:
        assert time.monotonic() < deadline, f"process {pid} still runs"
        time.sleep(0.02)


def test_stop_ends_the_whole_group_even_a_child_that_ignores_sigterm(tmp_path):
    process = start(tmp_path, PARENT_OF_A_STUBBORN_CHILD)
    process.wait_until(lambda: process.tail().strip().isdigit(), timeout=30)
    child = int(process.tail())
    assert identity(child) is not None
    process.stop(grace=0.2)
    wait_gone(child)
    assert process.returncode == -signal.SIGTERM
    assert list((tmp_path / "run").iterdir()) == []


def test_stop_touches_nothing_else(tmp_path):
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        with start(tmp_path, "import time; time.sleep(60)"):
            pass
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_stop_after_the_leader_died_ends_what_it_started(tmp_path):
    process = start(tmp_path, PARENT_OF_A_STUBBORN_CHILD)
    process.wait_until(lambda: process.tail().strip().isdigit(), timeout=30)
    child = int(process.tail())
    os.kill(process.pid, signal.SIGKILL)
    process.wait(10)
    process.stop(grace=0.2)
    wait_gone(child)


def test_process_that_ends_early_fails_with_its_log(tmp_path):
    with (
        start(tmp_path, "print('no such thing'); raise SystemExit(3)") as process,
        pytest.raises(ProcessFailed, match=r"(?s)demo ended with status 3.*no such thing"),
    ):
        process.wait_until(lambda: False, timeout=30)


def test_process_whose_end_is_what_is_waited_for_may_end_between_two_looks(tmp_path):
    with start(tmp_path, "pass") as process:

        def ended():
            before = process.returncode == 0
            process.wait(30)  # it ends right after this look at it
            return before

        process.wait_until(ended, timeout=30)


def test_process_that_is_never_ready_fails(tmp_path):
    with (
        start(tmp_path, "import time; time.sleep(60)") as process,
        pytest.raises(ProcessFailed, match=r"not ready after 0\.1 s"),
    ):
        process.wait_until(lambda: False, timeout=0.1)


def rewrite(tmp_path, process, **changes):
    record = tmp_path / "run" / f"{process.pid}.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | changes))


def test_leftovers_of_a_killed_run_are_stopped(tmp_path):
    scratch = tmp_path / "scratch"
    process = Process(
        "demo",
        [sys.executable, "-c", "import time; time.sleep(60)"],
        log=tmp_path / "log",
        records=tmp_path / "run",
        scratch=scratch,
    )
    assert scratch.is_dir()
    rewrite(tmp_path, process, owner_identity="long ago")
    assert stop_leftovers(tmp_path / "run") == ["demo"]
    assert process.wait(10) == -signal.SIGTERM
    assert not scratch.exists()
    assert stop_leftovers(tmp_path / "run") == []


def test_leftovers_spare_a_run_that_lives(tmp_path):
    with start(tmp_path, "import time; time.sleep(60)") as process:
        assert stop_leftovers(tmp_path / "run") == []
        assert process.returncode is None


def test_leftovers_spare_a_stranger_with_the_same_pid(tmp_path):
    with start(tmp_path, "import time; time.sleep(60)") as process:
        rewrite(tmp_path, process, owner_identity="long ago", identity="long ago")
        assert stop_leftovers(tmp_path / "run") == []
        assert process.returncode is None


def test_ports_in_use_are_told_from_free_ones():
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert not is_free(server.getsockname()[1])
    assert is_free(free_port())


def test_what_is_not_of_the_group_is_removed_when_the_process_is_stopped(tmp_path):
    kept = tmp_path / "kept"
    kept.touch()
    with Process(
        "demo",
        [sys.executable, "-c", "import time; time.sleep(60)"],
        log=tmp_path / "log",
        records=tmp_path / "run",
        afterwards=["rm", str(kept)],
    ):
        assert kept.exists()
    assert not kept.exists()


def test_a_removal_that_fails_does_not_keep_the_process_from_being_stopped(tmp_path):
    with Process(
        "demo",
        [sys.executable, "-c", "import time; time.sleep(60)"],
        log=tmp_path / "log",
        records=tmp_path / "run",
        afterwards=["/there/is/no/such/command"],
    ) as process:
        pass
    assert identity(process.pid) is None
    assert list((tmp_path / "run").iterdir()) == []
