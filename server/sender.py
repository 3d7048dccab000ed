"""The seam between what is asked over HTTP and the connections that carry it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


class Unreachable(Exception):
    """No connection could be made, so nothing has left this machine."""


class Broken(Exception):
    """No whole answer came. The request may have been acted on."""


class TooLong(Exception):
    """The answer is longer than it may be."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer: names of headers in lower case, the lines of one joined by ", "."""

    status: int
    headers: dict[str, str]
    body: bytes


class Sender(Protocol):
    """Sends requests, each once."""

    async def send(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes, most: int
    ) -> Answer:
        """Send one request, and return the answer.

        `url` goes over the wire as it is written. The body of the answer may have `most` bytes.
        Raises `Unreachable`, `Broken` and `TooLong`.
        """
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...
