"""A signal that comes while something starts waits until it is known, and so can be stopped."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from local.processes import Process, identity, stop_own


def run(program, *arguments):
    """Run a program in a process of its own, as signals are a process's affair."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_stop_is_put_off_while_held_and_then_raised_once():
    done = run("""
        import os, signal
        from local.stopping import Stopped, held, stop_on_signals
        stop_on_signals()
        try:
            with held():
                with held():
                    os.kill(os.getpid(), signal.SIGINT)
                    os.kill(os.getpid(), signal.SIGTERM)
                    print("inner", flush=True)
                print("outer", flush=True)
            print("never")
        except Stopped as stopped:
            print(stopped)
        os.kill(os.getpid(), signal.SIGINT)
        print("goes on")
    """)
    assert done.stdout.split("\n") == ["inner", "outer", "SIGINT", "goes on", ""]
    assert done.returncode == 0


def test_stop_is_not_taken_for_a_failure_by_code_that_handles_every_one():
    """As the SDK does around a request, which it then repeats."""
    done = run("""
        import os, signal
        from local.stopping import Stopped, stop_on_signals
        stop_on_signals()
        try:
            try:
                os.kill(os.getpid(), signal.SIGINT)
            except Exception:
                print("swallowed")
        except Stopped as stopped:
            print(stopped)
    """)
    assert done.stdout == "SIGINT\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_not_held_stop_is_raised_at_once(number):
    done = run(
        """
        import os, sys, time
        from local.stopping import Stopped, stop_on_signals
        stop_on_signals()
        try:
            os.kill(os.getpid(), int(sys.argv[1]))
            time.sleep(60)
        except Stopped as stopped:
            print(stopped)
        """,
        int(number),
    )
    assert done.stdout == f"{number.name}\n"


def test_a_process_started_while_a_signal_came_is_recorded_and_can_be_stopped(tmp_path):
    """The signal comes between fork and record: without holding, the child would be unknown."""
    done = run(
        """
        import os, pathlib, signal, subprocess, sys
        from local import processes
        from local.stopping import Stopped, stop_on_signals
        real = subprocess.Popen
        def interrupted(*args, **kwargs):
            child = real(*args, **kwargs)
            print(child.pid, flush=True)
            os.kill(os.getpid(), signal.SIGINT)
            return child
        subprocess.Popen = interrupted
        folder = pathlib.Path(sys.argv[1])
        stop_on_signals()
        try:
            processes.Process("sleeper", ["sleep", "60"], log=folder / "l", records=folder / "run")
        except Stopped:
            print(*processes.stop_own(folder / "run"))
        """,
        tmp_path,
    )
    child, stopped = done.stdout.split()
    assert stopped == "sleeper", done.stderr
    assert identity(int(child)) is None
    assert list((tmp_path / "run").iterdir()) == []


def test_stop_own_spares_what_others_started(tmp_path):
    with Process(
        "other", ["sleep", "60"], log=tmp_path / "log", records=tmp_path / "run"
    ) as process:
        done = run(
            "import sys, pathlib; from local.processes import stop_own;"
            "print(stop_own(pathlib.Path(sys.argv[1])))",
            tmp_path / "run",
        )
        assert done.stdout == "[]\n", done.stderr
        assert process.returncode is None
        assert stop_own(tmp_path / "run") == ["other"]
        process.wait(10)


def test_a_paused_process_stops_at_once(tmp_path):
    process = Process("paused", ["sleep", "60"], log=tmp_path / "log", records=tmp_path / "run")
    os.kill(process.pid, signal.SIGSTOP)
    began = time.monotonic()
    process.stop(grace=30)
    assert process.returncode == -signal.SIGTERM
    assert time.monotonic() - began < 10
