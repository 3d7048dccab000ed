"""A peer on loopback, plain or encrypted, whose answer to each request a test decides."""

import contextlib
import datetime as dt
import ipaddress
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.wire.service import Request, answer, parsed

Reply = Callable[[socket.socket, Request], None]


def honest(connected: socket.socket, _request: Request) -> None:
    """Answer as the service does."""
    connected.sendall(answer(200, {}))


class Peer:
    """Accepts connections on a port of loopback; `reply` answers each request.

    `connections` counts those that were accepted, `requests` keeps what arrived, in order, with the
    number of its connection.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.reply: Reply = honest
        self.connections = 0
        self.requests: list[tuple[int, Request]] = []
        self.open: list[socket.socket] = []
        self._tls = tls
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        """The endpoint's URL."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def close(self) -> None:
        """End all connections and threads."""
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for connected in self.open:
            with contextlib.suppress(OSError):
                connected.shutdown(socket.SHUT_RDWR)
            connected.close()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                connected, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(
                target=self._serve, args=(connected, self.connections), daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def _serve(self, connected: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError):
            if self._tls is not None:
                connected = self._tls.wrap_socket(connected, server_side=True)
            self.open.append(connected)
            data = b""
            while received := connected.recv(65536):
                data += received
                while (found := parsed(data)) is not None:
                    request, size = found
                    data = data[size:]
                    self.requests.append((number, request))
                    self.reply(connected, request)


def reset(connected: socket.socket) -> None:
    """Close a connection so that its peer is sent a reset."""
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connected.close()


@contextlib.contextmanager
def peer(tls: ssl.SSLContext | None = None) -> Iterator[Peer]:
    """A peer for a while."""
    made = Peer(tls)
    try:
        yield made
    finally:
        made.close()


class Authority:
    """A certification authority of a test's own, in a folder."""

    def __init__(self, folder: Path, name: str = "Test authority") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.bundle = folder / "authority.pem"
        made = self._certificate(self._name, self._key.public_key(), authority=True)
        self.bundle.write_bytes(made.public_bytes(serialization.Encoding.PEM))

    def server(self, address: str = "127.0.0.1") -> ssl.SSLContext:
        """Return a server's context with a certificate for an address, or for a host."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, address)])
        made = self._certificate(name, key.public_key(), authority=False, address=address)
        file = self._folder / f"server-{address}.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + made.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _certificate(
        self, name: x509.Name, key: Any, *, authority: bool, address: str | None = None
    ) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(minutes=1))
            .not_valid_after(now + dt.timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if address is not None:
            is_host = address[-1].isalpha()
            names: list[x509.GeneralName] = [
                x509.DNSName(address) if is_host else x509.IPAddress(ipaddress.ip_address(address))
            ]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self._key, hashes.SHA256())


@contextlib.contextmanager
def relay(target: tuple[str, int], tls: ssl.SSLContext) -> Iterator[str]:
    """Give the URL of an encrypted front of a plain server."""
    listening = socket.create_server(("127.0.0.1", 0))
    opened: list[socket.socket] = [listening]

    def pump(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                accepted, _ = listening.accept()
                front = tls.wrap_socket(accepted, server_side=True)
                back = socket.create_connection(target)
                opened.extend((front, back))
                for pair in ((front, back), (back, front)):
                    threading.Thread(target=pump, args=pair, daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        for one in opened:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        thread.join(10)
