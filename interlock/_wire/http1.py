"""A strict reader of HTTP/1.1 responses, fed with bytes as they come.

It understands what DynamoDB, KMS and the credentials' endpoints send: a status line, headers, and a
body by `Content-Length` or in chunks. What it does not understand, or what is too large, is
`NotUnderstood`: the answer is lost and the connection of no use.
https://www.rfc-editor.org/rfc/rfc9112
"""

import re
from typing import NoReturn

from interlock._dataclasses import dataclass

MAX_HEAD = 64 * 1024
MAX_BODY = 32 * 1024 * 1024  # DynamoDB's largest reply (BatchGetItem) is 16 MB of items

_STATUS = re.compile(rb"HTTP/1\.([01]) ([2-5][0-9][0-9])(?: [\t\x20-\x7e\x80-\xff]*)?\Z")
# A header's name and value, and all of them at once, which is how a good head is checked.
_FIELD = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*"
_FIELDS = re.compile(rb"(?:\r\n" + _FIELD + rb")*\Z")
_LENGTH = re.compile(rb"[0-9]{1,12}\Z")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?\Z")
_LONGEST_LINE = 4096  # of a chunk's size with its extensions
_NO_CONTENT = frozenset({204, 304})


class NotUnderstood(Exception):
    """The bytes that came are not one whole HTTP/1.1 response."""


@dataclass(frozen=True, slots=True)
class Response:
    """A whole response. Names of headers are in lower case; `reusable` is about its connection."""

    status: int
    headers: dict[str, str]
    body: bytes
    reusable: bool


class ResponseReader:
    """Reads one response. `feed` returns it when it is whole."""

    def __init__(self) -> None:
        self.received = 0
        self._buffer = bytearray()
        self._status = 0
        self._headers: dict[str, str] | None = None
        self._reusable = False
        self._length: int | None = None  # None: in chunks
        self._chunks: bytearray = bytearray()

    def feed(self, data: bytes) -> Response | None:
        """Take what was received; return the response if it is complete."""
        self.received += len(data)
        self._buffer += data
        if self._headers is None and not self._read_head():
            return None
        if self._length is None:
            return self._read_chunks()
        if len(self._buffer) < self._length:
            return None
        return self._whole(bytes(self._buffer[: self._length]), self._length)

    def end(self) -> NoReturn:
        """Raise `NotUnderstood`: the connection has ended before the response did."""
        if self.received == 0:
            raise NotUnderstood("the connection was closed without an answer")
        raise NotUnderstood(f"the connection was closed after {self.received} bytes of an answer")

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if (end if end >= 0 else len(self._buffer)) > MAX_HEAD:
            raise NotUnderstood(f"the head of the answer exceeds {MAX_HEAD} bytes")
        if end < 0:
            if not b"HTTP/1.".startswith(self._buffer[:7]):
                raise NotUnderstood("the answer is not HTTP/1.1")
            return False
        head = bytes(self._buffer[:end])
        del self._buffer[: end + 4]
        line, break_, rest = head.partition(b"\r\n")
        status = _STATUS.match(line)
        if status is None:
            raise NotUnderstood(f"the status line is {line[:80]!r}")
        self._status = int(status[2])
        self._headers = headers = _parsed(break_ + rest)
        connection = headers.get("connection", "").lower()
        self._reusable = status[1] == b"1" and "close" not in connection
        self._length = _length(self._status, headers)
        return True

    def _read_chunks(self) -> Response | None:
        buffer, position = self._buffer, 0
        while True:
            end = buffer.find(b"\r\n", position)
            if end < 0:
                if len(buffer) - position > _LONGEST_LINE:
                    raise NotUnderstood("a chunk's size does not end")
                break
            size = _CHUNK.match(bytes(buffer[position:end]))
            if size is None:
                raise NotUnderstood(f"a chunk's size is {bytes(buffer[position:end])[:20]!r}")
            length = int(size[1], 16)
            if len(self._chunks) + length > MAX_BODY:
                raise NotUnderstood(f"the answer exceeds {MAX_BODY} bytes")
            after = end + 2 + length
            if len(buffer) < after + 2:
                break
            if buffer[after : after + 2] != b"\r\n":
                raise NotUnderstood("a chunk is longer than its size, or trailers follow it")
            if length == 0:
                return self._whole(bytes(self._chunks), after + 2)
            self._chunks += buffer[end + 2 : after]
            position = after + 2
        del buffer[:position]
        return None

    def _whole(self, body: bytes, taken: int) -> Response:
        if len(self._buffer) > taken:
            raise NotUnderstood("more than one answer came to one request")
        headers = self._headers or {}
        return Response(self._status, headers, body, self._reusable)


def _parsed(fields: bytes) -> dict[str, str]:
    """Return the headers by lower-case name; each line of `fields` begins with a line break."""
    if not _FIELDS.match(fields):
        raise NotUnderstood(f"the headers are {fields[:200]!r}")
    headers: dict[str, str] = {}
    for field in fields.decode("latin-1").split("\r\n")[1:]:
        name, _, text = field.partition(":")
        key, value = name.lower(), text.strip("\t ")
        if key in headers:
            if key in ("content-length", "transfer-encoding"):
                raise NotUnderstood(f"{key} is given twice")
            value = f"{headers[key]}, {value}"
        headers[key] = value
    return headers


def _length(status: int, headers: dict[str, str]) -> int | None:
    """Return the body's length, None for one in chunks."""
    encoding, length = headers.get("transfer-encoding"), headers.get("content-length")
    if encoding is not None:
        if encoding.lower() != "chunked" or length is not None:
            raise NotUnderstood(f"the answer's length is given by {encoding!r} and {length!r}")
        return None
    if length is None:
        if status in _NO_CONTENT:
            return 0
        raise NotUnderstood("the answer has no length")
    if not _LENGTH.match(length.encode("latin-1")) or int(length) > MAX_BODY:
        raise NotUnderstood(f"the answer's length is {length[:20]!r}")
    return int(length)
