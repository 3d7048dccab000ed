"""The service as a process: how soon it answers, and how it ends."""

import http.server
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from local.ports import free_port
from local.requests import request

ROOT = Path(__file__).parents[3]


class Api(http.server.BaseHTTPRequestHandler):
    """An API that answers when it is told to."""

    protocol_version = "HTTP/1.1"
    arrived = threading.Event()
    release = threading.Event()

    def do_GET(self):
        self.arrived.set()
        self.release.wait(30)
        body = b'{"counters": []}'
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def api():
    Api.arrived.clear()
    Api.release.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/stage"
        Api.release.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def instance(api):
    """A running instance without a table: its process, and its URL."""
    port = free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "AWS_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "INTERLOCK_API_URL": api,
        "INTERLOCK_HOST": "127.0.0.1",
        "INTERLOCK_PORT": str(port),
        "INTERLOCK_INSTANCE_ID": "i-test",
        "INTERLOCK_LOG_LEVEL": "DEBUG",
    }
    command = [sys.executable, "-m", "server"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE) as process:
        url = f"http://127.0.0.1:{port}"
        try:
            wait_for_answer(process, url)
            yield process, url
        finally:
            process.kill()


def wait_for_answer(process, url):
    deadline = time.monotonic() + 30
    while True:
        try:
            return request("GET", f"{url}/healthz")
        except OSError:
            assert process.poll() is None, "it ended"
            assert time.monotonic() < deadline, "it does not answer"
            time.sleep(0.01)


def test_sigterm_finishes_the_request_in_flight_and_ends_well(instance):
    process, url = instance
    answers = []
    asking = threading.Thread(target=lambda: answers.append(request("GET", f"{url}/api/counters")))
    asking.start()
    assert Api.arrived.wait(30)
    process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", int(url.rpartition(":")[2]))):
                break
        time.sleep(0.01)
    else:
        pytest.fail("it still takes connections")
    assert answers == []
    Api.release.set()
    asking.join(30)
    assert [(each.status, each.json()) for each in answers] == [(200, {"counters": []})]
    output, _ = process.communicate(timeout=30)
    assert process.returncode in {0, -signal.SIGTERM}
    assert b"Traceback" not in output


def test_nothing_heavy_is_imported_before_the_first_answer():
    """Each of these would cost the start more than all of the service does."""
    script = (
        "import sys, server.__main__;"
        "print([m for m in ('aiobotocore.session', 'aiohttp', 'boto3', 'aws_cdk', 'cryptography')"
        " if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
