"""A DynamoDB over HTTP on loopback, for commands that run as processes of their own."""

import contextlib
import json
import threading
import time
import zlib
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from interlock._drivers.blocking.driver import Driver
from interlock._drivers.service_clock import ServiceClock
from interlock._protocol.faults import Refused
from interlock._protocol.requests import Call
from interlock.testing._store.store import Store
from interlock.testing._store.tables import Table
from tests.wire.service import Blob, error_of


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "StoreServer"

    def do_POST(self) -> None:
        params = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        operation = self.headers["X-Amz-Target"].rpartition(".")[2]
        status, found = self.server.answer(operation, params)
        body = json.dumps(found, cls=Blob).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("x-amzn-RequestId", "R" * 52)
        self.send_header("x-amz-crc32", str(zlib.crc32(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class _Wire:
    """The transport of a client in this process."""

    clock = ServiceClock()
    at_once = 256

    def __init__(self, server: "StoreServer") -> None:
        self._server = server

    def send(self, call: Call, _timeout: float | None) -> Any:
        return self._server.perform(call.operation, call.params)


class StoreServer(ThreadingHTTPServer):
    """Serves a table "coordination"."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.store = Store(Table("coordination"), clock=time.time)
        self._mutex = threading.Lock()

    def answer(self, operation: str, params: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Return the status and the body that answer a call."""
        try:
            return 200, self.perform(operation, params)
        except Refused as refusal:
            return 400, error_of(refusal)

    def perform(self, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Carry a call out, or raise `Refused`."""
        with self._mutex:
            return self.store.perform(operation, params)

    def client(self) -> Driver:
        """Return what a blocking client in this process takes as `client`."""
        return Driver(_Wire(self))

    @property
    def environment(self) -> dict[str, str]:
        """What leads a client here."""
        return {
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_REGION": "eu-west-1",
            "AWS_ENDPOINT_URL_DYNAMODB": f"http://127.0.0.1:{self.server_port}",
            "INTERLOCK_TABLE": "coordination",
        }


@contextlib.contextmanager
def store_server() -> Iterator[StoreServer]:
    """Serve a table for a while."""
    with StoreServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()
