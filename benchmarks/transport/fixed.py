"""A server that gives each request the same answer, at once: what is left is the client's own work.

    python -m benchmarks.transport.fixed

It prints its port. `GET /connections` answers how many connections it has accepted.
"""

import selectors
import socket
import zlib

BODY = b'{"Attributes":{"pk":{"S":"a"},"fence":{"N":"1700000000001"},"lease_ms":{"N":"20000"}}}'


def response(body: bytes) -> bytes:
    """Return an answer as DynamoDB's."""
    return (
        b"HTTP/1.1 200 OK\r\nServer: Server\r\nDate: Tue, 14 Nov 2023 22:13:20 GMT\r\n"
        b"Content-Type: application/x-amz-json-1.0\r\nContent-Length: %d\r\n"
        b"Connection: keep-alive\r\nx-amzn-RequestId: %s\r\nx-amz-crc32: %d\r\n\r\n%s"
    ) % (len(body), b"R" * 52, zlib.crc32(body), body)


def serve() -> None:
    """Serve until killed."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=512)
    listening.settimeout(0.0)
    print(listening.getsockname()[1], flush=True)
    ready = selectors.DefaultSelector()
    ready.register(listening, selectors.EVENT_READ)
    answer, accepted = response(BODY), 0
    pending: dict[socket.socket, bytes] = {}
    while True:
        for key, _ in ready.select():
            if key.fileobj is listening:
                connected, _ = listening.accept()
                connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                ready.register(connected, selectors.EVENT_READ)
                pending[connected] = b""
                accepted += 1
                continue
            connected = key.fileobj  # type: ignore[assignment]  # sockets were registered
            try:
                data = connected.recv(65536)
            except OSError:
                data = b""
            if not data:
                ready.unregister(connected)
                del pending[connected]
                connected.close()
                continue
            pending[connected] += data
            if pending[connected].startswith(b"GET"):
                connected.sendall(response(b"%d" % accepted))
                pending[connected] = b""
            elif _whole(pending[connected]):
                connected.sendall(answer)
                pending[connected] = b""


def _whole(data: bytes) -> bool:
    head, end, rest = data.partition(b"\r\n\r\n")
    length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
    return bool(end) and len(rest) >= int(length or 0)


if __name__ == "__main__":
    serve()
