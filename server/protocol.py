"""uvicorn's HTTP/1.1, with a limit on how long a request's head may take."""

import asyncio
import json
import logging
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from server.problems import MEDIA_TYPE, content

HEAD_TIMEOUT = 10.0
"""Seconds from a connection's, or a request's, first byte to the end of its head.

So long may the rest of a body come, too, that nothing waits for because its request is answered. A
client that sends a byte now and then holds a connection, and so a file descriptor, otherwise for as
long as it likes.
"""
LARGEST_HEAD = 128 * 1024
"""Bytes of a head that may come in pieces: the load balancer lets through 80 KiB of a client, and
adds the claims of who is signed in, whose groups can be many.
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html
"""
GOODBYE = 2.0
"""Seconds that the other side of an idle connection has to close it too, at the shutdown."""

_log = logging.getLogger("server.protocol")


class Protocol(H11Protocol):
    """Closes connections whose request does not begin in time; refuses in problem details."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start to wait for the first head."""
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_expecting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes; a head that has begun has to end in time."""
        super().data_received(data)
        self._look_for_head()

    def on_response_complete(self) -> None:
        """Go on with what came meanwhile: the beginning of a head, or not yet all of a body."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._part()
        else:
            self._look_for_head()

    def shutdown(self) -> None:
        """Let the request in flight finish, and close; an idle connection at once.

        Over TLS a side that closes waits for the other to say goodbye, for longer than an instance
        has to end. To one that is idle nothing is owed: it is cut when its goodbye is late.
        """
        super().shutdown()
        if self.transport.is_closing():
            self._part()

    def _part(self) -> None:
        """Cut a connection whose other side is late to say goodbye, once it has taken all."""

        def cut() -> None:
            if self.transport.get_write_buffer_size():
                self._part()
            else:
                self.transport.abort()

        self.loop.call_later(GOODBYE, cut)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP request, and close the connection."""
        if len(self.conn.trailing_data[0]) > LARGEST_HEAD:
            self._refuse(431, f"the request's head has over {LARGEST_HEAD} bytes")
        else:
            self._refuse(400, msg)

    def _look_for_head(self) -> None:
        if not self._is_owed():
            self._stop_expecting()
        elif self._deadline is None and not self.transport.is_closing():
            self._expect_head()

    def _is_owed(self) -> bool:
        """Whether a head has begun, or a body goes on whose request is answered."""
        if self.conn.their_state is h11.IDLE:
            return bool(self.conn.trailing_data[0])
        return self.conn.our_state is h11.DONE

    def _expect_head(self) -> None:
        self._stop_expecting()
        self._deadline = self.loop.call_later(HEAD_TIMEOUT, self._give_up)

    def _stop_expecting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        if self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]:
            self._refuse(408, f"the request's head did not come within {HEAD_TIMEOUT:g} s")
        else:
            self.transport.close()

    def _refuse(self, status: int, detail: str) -> None:
        if self.conn.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            self.transport.close()  # an answer is sent already, or on its way: there is no second
            return
        told = content(status, detail)
        # No request came of it, so that no line of the log is the access log's.
        fields = {"status": status, "request_id": told["instance"].rpartition(":")[2]}
        _log.info("refused: %s", detail, extra={"fields": fields})
        body = json.dumps(told).encode()
        head = h11.Response(
            status_code=status,
            headers=[
                (b"content-type", MEDIA_TYPE.encode()),
                (b"content-length", str(len(body)).encode()),
                (b"cache-control", b"no-store"),
                (b"connection", b"close"),
            ],
        )
        for event in (head, h11.Data(data=body), h11.EndOfMessage()):
            output = self.conn.send(event)
            if output:
                self.transport.write(output)
        self.transport.close()
