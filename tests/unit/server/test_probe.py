"""What a container engine runs to learn whether the service in the container is healthy."""

import http.server
import threading

import pytest

from server.certificate import server_context
from server.probe import healthy


class Quiet(http.server.HTTPServer):
    """Says nothing of clients that speak otherwise than it does."""

    def handle_error(self, *_):
        pass


@pytest.fixture
def served():
    """Serve a status at /healthz; returns the variables of the service that it stands for."""

    class Handler(http.server.BaseHTTPRequestHandler):
        status = 200

        def do_GET(self):
            self.send_response(self.status if self.path == "/healthz" else 404)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with Quiet(("127.0.0.1", 0), Handler) as server:
        Handler.server = server
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield Handler, {"INTERLOCK_PORT": str(server.server_port)}
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("host", ["", "0.0.0.0", "127.0.0.1"])  # noqa: S104 - asked, not bound
def test_a_service_that_answers_200_is_healthy_wherever_it_listens(served, host):
    _, variables = served
    assert healthy(variables | {"INTERLOCK_HOST": host})


def test_a_service_that_answers_otherwise_is_not(served):
    handler, variables = served
    handler.status = 503
    assert not healthy(variables)


def test_a_service_that_speaks_tls_is_asked_over_it(served):
    """Its certificate is its own, which no authority knows."""
    handler, variables = served
    assert not healthy(variables | {"INTERLOCK_TLS": "on"})  # it speaks none
    handler.server.socket = server_context("i-test").wrap_socket(
        handler.server.socket, server_side=True
    )
    assert healthy(variables | {"INTERLOCK_TLS": "on"})
    assert not healthy(variables)


def test_a_service_that_does_not_listen_is_not_healthy(served):
    _, variables = served
    assert not healthy(variables | {"INTERLOCK_HOST": "127.0.0.99"})
