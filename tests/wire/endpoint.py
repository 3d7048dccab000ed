"""An HTTP endpoint on loopback that hands out what a test has prepared."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Seen:
    """A request that came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "Endpoint"

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.requests.append(Seen(self.command, self.path, headers, body))
        found = self.server.answers.pop(0)
        if found is None:  # hang up
            self.close_connection = True
        elif found == "hang":
            self.server.over.wait(30)
            self.close_connection = True
        else:
            status, text = found
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

    do_PUT = do_GET  # noqa: N815 - as http.server wants it
    do_POST = do_GET  # noqa: N815 - as http.server wants it

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class Endpoint(ThreadingHTTPServer):
    """Gives `answers` in turn: a status and a text, None to hang up, "hang" to say nothing."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[Any] = []
        self.requests: list[Seen] = []
        self.over = threading.Event()

    @property
    def url(self) -> str:
        """Its URL."""
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_: Any) -> None:
        """A client that hangs up is part of the test."""


@contextlib.contextmanager
def endpoint() -> Iterator[Endpoint]:
    """An endpoint for a while."""
    with Endpoint() as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.01,))
        thread.start()
        yield made
        made.over.set()
        made.shutdown()
        thread.join()
