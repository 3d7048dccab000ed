"""The service as a process: how soon it answers, and how it ends."""

import contextlib
import http.server
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import warnings
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

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
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/stage"
        Api.release.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def instance(api):
    """A running instance without a table: its process, and its URL."""
    with running(api) as (process, port):
        url = f"http://127.0.0.1:{port}"
        wait_for_answer(process, partial(request, "GET", f"{url}/healthz"))
        yield process, url


@pytest.fixture
def encrypted(api):
    """A running instance that speaks TLS: its process, and its port."""
    with running(api, INTERLOCK_TLS="on") as (process, port):
        wait_for_answer(process, lambda: connected(port).close())
        yield process, port


@contextlib.contextmanager
def running(api, **more):
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
        **more,
    }
    command = [sys.executable, "-m", "server"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE) as process:
        try:
            yield process, port
        finally:
            process.kill()


def wait_for_answer(process, ask):
    deadline = time.monotonic() + 30
    while True:
        try:
            return ask()
        except OSError:
            assert process.poll() is None, "it ended"
            assert time.monotonic() < deadline, "it does not answer"
            time.sleep(0.01)


def wait_until_closed(port):
    """Wait until it takes no more connections."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return
        time.sleep(0.01)
    pytest.fail("it still takes connections")


def test_sigterm_finishes_the_request_in_flight_and_ends_well(instance):
    process, url = instance
    answers = []
    asking = threading.Thread(target=lambda: answers.append(request("GET", f"{url}/api/counters")))
    asking.start()
    assert Api.arrived.wait(30)
    process.send_signal(signal.SIGTERM)
    wait_until_closed(int(url.rpartition(":")[2]))
    assert answers == []
    Api.release.set()
    asking.join(30)
    assert [(each.status, each.json()) for each in answers] == [(200, {"counters": []})]
    output, _ = process.communicate(timeout=30)
    assert process.returncode in {0, -signal.SIGTERM}
    assert b"Traceback" not in output


def connected(port, least=ssl.TLSVersion.TLSv1_2, most=ssl.TLSVersion.TLSv1_3):
    """Return a connection by one of these versions of TLS, as a load balancer makes it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the old versions are asked for
        context.minimum_version, context.maximum_version = least, most
    context.set_ciphers("ALL:@SECLEVEL=0")  # this side would refuse the old ones by itself
    return context.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=30))


def asked(connection):
    connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n")
    return connection.recv(15)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_an_instance_answers_over_tls_1_2_and_1_3(encrypted, version):
    with connected(encrypted[1], version, version) as connection:
        assert asked(connection) == b"HTTP/1.1 200 OK"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_an_instance_takes_no_older_tls(encrypted, version):
    with pytest.raises((ssl.SSLError, ConnectionError)):
        connected(encrypted[1], version, version)
    connected(encrypted[1]).close()


def test_an_instance_that_speaks_tls_answers_nothing_in_the_clear(encrypted):
    plain = socket.create_connection(("127.0.0.1", encrypted[1]), timeout=30)
    with plain, contextlib.suppress(ConnectionError):
        assert b"HTTP" not in asked(plain)


def test_each_start_has_a_key_of_its_own(api):
    seen = set()
    for _ in range(2):
        with running(api, INTERLOCK_TLS="on") as (process, port):
            wait_for_answer(process, lambda: connected(port).close())
            with connected(port) as connection:
                seen.add(connection.getpeercert(binary_form=True))
    assert len(seen) == 2
    for der in seen:
        certificate = x509.load_der_x509_certificate(der)
        key = certificate.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        assert key.curve.name == "secp256r1"
        (name,) = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        assert name.value == "i-test"


def test_a_side_that_never_says_goodbye_does_not_hold_an_instance_back(encrypted):
    """It would wait for such a connection for the whole of its drain otherwise."""
    process, port = encrypted
    with connected(port) as idle:
        assert asked(idle) == b"HTTP/1.1 200 OK"
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=120)
    assert b"Finished server process" in output
    assert b"graceful shutdown exceeded" not in output


def test_nor_does_one_whose_request_was_in_flight(encrypted):
    process, port = encrypted
    with connected(port) as asking:
        asking.sendall(b"GET /api/counters HTTP/1.1\r\nhost: a\r\n\r\n")
        assert Api.arrived.wait(30)
        process.send_signal(signal.SIGTERM)
        wait_until_closed(port)
        Api.release.set()
        assert asking.recv(15) == b"HTTP/1.1 200 OK"
        output, _ = process.communicate(timeout=120)
    assert b"Finished server process" in output
    assert b"graceful shutdown exceeded" not in output


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
