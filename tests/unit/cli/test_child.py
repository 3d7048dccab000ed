"""The command under a lock, before there is one."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from interlock.cli._child import Child


@pytest.fixture(autouse=True)
def _handlers():
    """Give the signals their handlers back."""
    numbers = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)
    before = [(number, signal.getsignal(number)) for number in numbers]
    yield
    for number, handler in before:
        signal.signal(number, handler)


@pytest.mark.parametrize("on_a_terminal", [True, False])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_comes_before_the_command_has_begun_is_passed_on(
    monkeypatch, on_a_terminal, number
):
    start = subprocess.Popen

    def slow(*arguments, **options):
        os.kill(os.getpid(), number)
        return start(*arguments, **options)

    monkeypatch.setattr(subprocess, "Popen", slow)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: on_a_terminal, raising=False)
    child = Child(["sleep", "60"], os.environ, grace=0)
    assert child.wait() == 128 + number


def test_a_signal_that_does_not_end_the_wait_is_passed_on(monkeypatch):
    """As one that comes when the wait has been decided on and has not begun."""
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    child = Child(["sleep", "20"], os.environ, grace=0)
    to_be_waited_for = threading.Event()
    wait = child.process.wait

    def waiting():
        to_be_waited_for.set()
        return wait()

    def send():
        to_be_waited_for.wait()
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(child.process, "wait", waiting)
    sender = threading.Thread(target=send)
    sender.start()
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # on this thread alone
        assert child.wait() == 128 + signal.SIGTERM
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        sender.join()
