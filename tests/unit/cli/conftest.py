import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from interlock.cli import main
from interlock.cli._table import Table
from interlock.testing import MemoryStore
from tests.unit.cli.store_server import store_server

COMMAND = [sys.executable, "-c", "from interlock.cli import main; main()"]


@pytest.fixture
def store():
    """Return a table in memory."""
    return MemoryStore("coordination")


@pytest.fixture
def run(store, monkeypatch):
    """Return a function that runs the command in this process, on the table in memory."""
    monkeypatch.setattr(Table, "client", lambda _: store.client())
    monkeypatch.setenv("INTERLOCK_TABLE", "coordination")
    return lambda *arguments, **options: CliRunner().invoke(main, arguments, **options)


@pytest.fixture
def server():
    """Serve a table over HTTP."""
    with store_server() as server:
        yield server


@pytest.fixture
def command(server, tmp_path):
    """Return a function that starts the command as a process, on the table over HTTP."""
    started = []

    def start(*arguments, **options):
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **server.environment}
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE} | options
        process = subprocess.Popen(
            [*COMMAND, *arguments],
            env=environment | options.pop("env", {}),
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            **options,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()
